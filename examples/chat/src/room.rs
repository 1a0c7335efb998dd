//! The room: its members, and the answers to each message. No socket, no clock: messages in, posts out.
//!
//! `index.html` describes the protocol.

use std::collections::BTreeMap;

use websocket_proto::{Message, deflate::Prepared};

/// A connection.
pub(crate) type Id = usize;

/// In characters.
const MAX_NAME: usize = 24;
/// In characters.
const MAX_TEXT: usize = 4000;
/// In bytes.
pub(crate) const MAX_PICTURE: usize = 4 << 20;
const MAX_MEMBERS: usize = 100;

#[derive(Default)]
pub(crate) struct Room {
    /// The names of the members.
    members: BTreeMap<Id, String>,
}

/// A message to send, and its recipients.
pub(crate) struct Post {
    pub(crate) to: Vec<Id>,
    /// The room's own copy: the received message is lent by the sender's connection, which gets it, too. It is
    /// compressed at most once for all.
    pub(crate) message: Prepared,
}

/// The posts that answer a message, or why it is refused.
type Answer = Result<Vec<Post>, &'static str>;

impl Room {
    /// A member sent a message.
    pub(crate) fn hear(&mut self, id: Id, message: Message<'_>) -> Vec<Post> {
        let answer = match message {
            Message::Text(text) => match text.split_once('\t') {
                Some(("join", name)) => self.join(id, name),
                Some(("say", what)) => self.say(id, what),
                _ => Err("This room knows only join, say and pictures."),
            },
            Message::Binary(bytes) => self.picture(id, bytes),
        };
        answer.unwrap_or_else(|why| vec![text([id], format!("error\t{why}"))])
    }

    fn join(&mut self, id: Id, name: &str) -> Answer {
        if self.members.contains_key(&id) {
            return Err("You are here already.");
        }
        if !(1..=MAX_NAME).contains(&name.chars().count()) || name.contains(char::is_control) || name.trim() != name {
            return Err("A name has 1 to 24 characters, no control characters and no space around it.");
        }
        if self.members.len() >= MAX_MEMBERS {
            return Err("The room is full. Please try again later.");
        }
        let name = self.unique(name);
        let to_others = text(self.everyone(), format!("joined\t{name}"));
        let to_you = text([id], format!("welcome\t{name}"));
        self.members.insert(id, name);
        let names: Vec<&str> = self.members.values().map(String::as_str).collect();
        let online = text([id], format!("online\t{}", names.join("\t")));
        Ok(vec![to_you, online, to_others])
    }

    fn say(&self, id: Id, what: &str) -> Answer {
        let name = self.speaker(id)?;
        if !(1..=MAX_TEXT).contains(&what.chars().count()) {
            return Err("A message has 1 to 4000 characters.");
        }
        let said = format!("said\t{name}\t{what}");
        Ok(vec![text(self.everyone(), said)])
    }

    fn picture(&self, id: Id, bytes: &[u8]) -> Answer {
        let name = self.speaker(id)?;
        let kind = picture_type(bytes).ok_or("This is not a PNG, JPEG, GIF or WebP picture.")?;
        let announcement = format!("picture\t{name}\t{kind}");
        let picture = Post { to: self.everyone(), message: Prepared::new(bytes) };
        Ok(vec![text(self.everyone(), announcement), picture])
    }

    fn speaker(&self, id: Id) -> Result<&str, &'static str> {
        self.members.get(&id).map(String::as_str).ok_or("Please join first.")
    }

    /// A connection is over. If its peer was in the room, returns its name, and what the others are told.
    pub(crate) fn leave(&mut self, id: Id, code: u16, reason: &str) -> Option<(String, Post)> {
        let name = self.members.remove(&id)?;
        let post = text(self.everyone(), format!("left\t{name}\t{code}\t{reason}"));
        Some((name, post))
    }

    fn everyone(&self) -> Vec<Id> {
        self.members.keys().copied().collect()
    }

    /// The name, with a number if it is taken.
    fn unique(&self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while self.members.values().any(|taken| *taken == name) {
            number += 1;
            let number = format!(" {number}");
            let kept: String = wanted.chars().take(MAX_NAME - number.len()).collect();
            name = kept.trim_end().to_owned() + &number;
        }
        name
    }
}

fn text(to: impl Into<Vec<Id>>, text: String) -> Post {
    Post { to: to.into(), message: Prepared::new(&text) }
}

/// What compression saved for a member so far: `plain` bytes of text were sent as `sent` bytes.
pub(crate) fn saved(plain: u64, sent: u64) -> String {
    format!("saved\t{plain}\t{sent}")
}

/// The type of a picture, by the first bytes of the file.
fn picture_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use websocket_proto::Kind;

    use super::*;

    /// In the form `"1 2: said\tAna\thello"`.
    fn show(posts: impl IntoIterator<Item = Post>) -> Vec<String> {
        let show = |post: Post| {
            let to: Vec<String> = post.to.iter().map(Id::to_string).collect();
            let bytes = post.message.as_bytes();
            let content = match post.message.kind() {
                Kind::Text => String::from_utf8(bytes.to_vec()).unwrap(),
                Kind::Binary => format!("({} bytes)", bytes.len()),
            };
            format!("{}: {content}", to.join(" "))
        };
        posts.into_iter().map(show).collect()
    }

    fn hear(room: &mut Room, id: Id, text: &str) -> Vec<String> {
        show(room.hear(id, Message::Text(text)))
    }

    /// The name, and what the others are told.
    fn leave(room: &mut Room, id: Id, code: u16, reason: &str) -> Option<(String, Vec<String>)> {
        room.leave(id, code, reason).map(|(name, post)| (name, show([post])))
    }

    fn ana_and_ben() -> Room {
        let mut room = Room::default();
        hear(&mut room, 1, "join\tAna");
        hear(&mut room, 2, "join\tBen");
        room
    }

    #[test]
    fn joining_and_leaving() {
        let mut room = Room::default();
        assert_eq!(hear(&mut room, 1, "join\tAna"), ["1: welcome\tAna", "1: online\tAna", ": joined\tAna"]);
        assert_eq!(hear(&mut room, 2, "join\tBen"), ["2: welcome\tBen", "2: online\tAna\tBen", "1: joined\tBen"]);
        let told = |name: &str, post: &str| Some((name.to_owned(), vec![post.to_owned()]));
        let soup = "soup\tis ready";
        assert_eq!(leave(&mut room, 1, 4001, soup), told("Ana", "2: left\tAna\t4001\tsoup\tis ready"));
        assert_eq!(leave(&mut room, 1, 1006, ""), None);
        assert_eq!(leave(&mut room, 3, 1006, ""), None);
        assert_eq!(leave(&mut room, 2, 1005, ""), told("Ben", ": left\tBen\t1005\t"));
    }

    #[test]
    fn names() {
        let mut room = Room::default();
        for (id, name) in ["", " Ana", "Ana ", "A\tna", "A\u{7}na", "\u{a0}Ana", &"x".repeat(25)].iter().enumerate() {
            assert_eq!(
                hear(&mut room, id, &format!("join\t{name}")),
                [format!("{id}: error\tA name has 1 to 24 characters, no control characters and no space around it.")]
            );
        }
        let long = "山".repeat(24);
        for (id, (name, given)) in [
            ("Ana", "Ana"),
            ("Ana", "Ana 2"),
            ("Ana 2", "Ana 2 2"),
            ("Ana", "Ana 3"),
            (&long, &*long),
            (&long, &format!("{} 2", "山".repeat(22))),
            ("a b c d e f g h i j k lm", "a b c d e f g h i j k lm"),
            ("a b c d e f g h i j k lm", "a b c d e f g h i j k 2"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(hear(&mut room, id, &format!("join\t{name}"))[0], format!("{id}: welcome\t{given}"));
        }
    }

    #[test]
    fn text() {
        let mut room = ana_and_ben();
        assert_eq!(hear(&mut room, 2, "say\ta\tb\nc"), ["1 2: said\tBen\ta\tb\nc"]);
        let fox = "🦊".repeat(MAX_TEXT);
        assert_eq!(hear(&mut room, 1, &format!("say\t{fox}")), [format!("1 2: said\tAna\t{fox}")]);
        for refused in ["say\t", &format!("say\t{fox}!")] {
            assert_eq!(hear(&mut room, 1, refused), ["1: error\tA message has 1 to 4000 characters."]);
        }
        for refused in ["", "say", "join", "shout\thello", "\t", "say hello"] {
            assert_eq!(hear(&mut room, 1, refused), ["1: error\tThis room knows only join, say and pictures."]);
        }
        assert_eq!(hear(&mut room, 1, "join\tAna"), ["1: error\tYou are here already."]);
        assert_eq!(hear(&mut room, 3, "say\thello"), ["3: error\tPlease join first."]);
    }

    #[test]
    fn pictures() {
        let mut room = ana_and_ben();
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ] {
            let announced = format!("1 2: picture\tAna\t{kind}");
            let size = format!("1 2: ({} bytes)", bytes.len());
            assert_eq!(show(room.hear(1, Message::Binary(bytes))), [announced, size]);
        }
        for bytes in [&b""[..], b"hello", b"GIF88a", b"RIFF\0\0\0\0WAVE", b"<svg"] {
            let refused = "1: error\tThis is not a PNG, JPEG, GIF or WebP picture.";
            assert_eq!(show(room.hear(1, Message::Binary(bytes))), [refused]);
        }
        assert_eq!(show(room.hear(3, Message::Binary(b"GIF89a"))), ["3: error\tPlease join first."]);
    }

    #[test]
    fn a_full_room() {
        let mut room = Room::default();
        for id in 0..MAX_MEMBERS {
            assert_eq!(hear(&mut room, id, "join\tAna").len(), 3);
        }
        assert_eq!(hear(&mut room, 999, "join\tBen"), ["999: error\tThe room is full. Please try again later."]);
        room.leave(0, 1000, "");
        assert_eq!(hear(&mut room, 999, "join\tBen").len(), 3);
    }
}
