//! The cases that are measured, and the bytes of each.
//!
//! All bytes are the same in every run. Every message of a loop has a payload of its own. Every message of a client has
//! a masking key of its own, too. The highest bit of each byte of a key is clear, so that ASCII stays ASCII when the
//! [floor](crate::floor) unmasks it with another key. No contender's cost depends on the key.

use std::sync::Arc;

use bytes::Bytes;
use websocket_proto::frame::{FirstByte, Header, MaskingKey, Opcode};
use zlib_rs::{Deflate, DeflateFlush};

use crate::{
    bare::Bare,
    contender::{Kind, Receive, Role, Seen, Send, Takeover},
    socket::Feed,
};

pub const KIB: usize = 1 << 10;
pub const MIB: usize = 1 << 20;

/// The number of bytes in a loop. A loop has at least one message, however long that is.
const HOT: usize = 128 * KIB;
const LARGE: usize = 64 * MIB;

/// The number of messages in a cycle of compressed ones. A message refers only to others of its cycle. A cycle is
/// longer than a window.
const DEFLATED: usize = 64;

/// A compressor's flush ends with these bytes. A message is sent without them (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// About what Chromium sends.
pub const REQUEST: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\n\
    Host: example.com:8080\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
    Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n\
    \r\n";

pub struct Case {
    pub group: Group,
    pub name: String,
    pub work: Work,
    pub content: Content,
    /// The length of a message.
    pub len: usize,
    /// The longest payload of a frame.
    pub fragment: Option<usize>,
    /// Whether pings are sent between some of the fragments.
    pub pings: bool,
    /// The most bytes that a read brings.
    pub reads: usize,
    pub source: Source,
}

/// The cases of one table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Receive,
    Send,
    Echo,
    Handshake,
    Deflate,
    Sizes,
    Connections,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    Receive(Role),
    /// Sends this many messages, then flushes.
    Send(Role, usize),
    /// Echoes this many messages at a time.
    Echo(usize),
    Handshake,
    Inflate(Takeover),
    Deflate(Takeover),
    /// A server receives one message on each of this many connections.
    Connections(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Binary,
    Ascii,
    /// Cyrillic and Chinese.
    Mixed,
    Json,
}

/// The loop that the bytes come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// Fits into the second-level cache, if one message does.
    Hot,
    /// Larger than the last-level cache.
    Large,
}

/// A case, ready to run.
pub struct Prepared {
    pub feed: Arc<Feed>,
    /// The number of messages in a turn. `None`: one turn has all messages of a run.
    pub turn: Option<usize>,
    /// The number of bytes that a turn may read, or the length of one message if `turn` is `None`.
    pub grant: usize,
    /// The number of messages that are checked before anything is measured.
    pub checked: usize,
    /// The number of messages in one measurement.
    pub measured: usize,
}

impl Group {
    pub const ALL: [Self; 7] =
        [Self::Receive, Self::Send, Self::Echo, Self::Handshake, Self::Deflate, Self::Sizes, Self::Connections];

    pub fn title(self) -> &'static str {
        match self {
            Self::Receive => "Receive",
            Self::Send => "Send",
            Self::Echo => "Echo, as a server",
            Self::Handshake => "The server's opening handshake",
            Self::Deflate => "Compressed messages, as a server",
            Self::Sizes => "A server receives masked binary messages of growing size",
            Self::Connections => "A server receives masked binary messages of 125 B on many connections in turn",
        }
    }

    /// The contender that the others are compared with.
    pub fn reference(self) -> Option<&'static str> {
        match self {
            Self::Sizes | Self::Connections => None,
            Self::Deflate => Some(Bare::NAME),
            _ => Some("tungstenite"),
        }
    }
}

/// All cases, for these sizes of reads and these loops.
pub fn all(reads: &[usize], sources: &[Source]) -> Vec<Case> {
    let mut cases = Vec::new();
    for &source in sources {
        for &reads in reads {
            receive(&mut cases, reads, source);
        }
    }
    let mut add = |group, name, work, content, len| {
        cases.push(Case {
            group,
            name,
            work,
            content,
            len,
            fragment: None,
            pings: false,
            reads: 64 * KIB,
            source: Source::Hot,
        });
    };
    for role in [Role::Server, Role::Client] {
        for len in [125, 64 * KIB] {
            for flush in [1, 16] {
                let name = format!("{}, {}, {flush} to a flush", role_name(role), size_name(len));
                add(Group::Send, name, Work::Send(role, flush), Content::Binary, len);
            }
        }
    }
    for len in [125, 16 * KIB] {
        for depth in [1, 16] {
            let name = format!("{}, {depth} at a time", size_name(len));
            add(Group::Echo, name, Work::Echo(depth), Content::Binary, len);
        }
    }
    add(Group::Handshake, format!("{} B of a browser", REQUEST.len()), Work::Handshake, Content::Binary, REQUEST.len());
    for takeover in [Takeover(true), Takeover(false)] {
        let how = if takeover.0 { "with takeover" } else { "without takeover" };
        add(Group::Deflate, format!("receive 1 KiB JSON, {how}"), Work::Inflate(takeover), Content::Json, KIB);
        add(Group::Deflate, format!("send 1 KiB JSON, {how}"), Work::Deflate(takeover), Content::Json, KIB);
    }
    for power in 7..=13 {
        let len = 1 << (2 * power);
        add(Group::Sizes, size_name(len), Work::Receive(Role::Server), Content::Binary, len);
    }
    for count in [1, 100, 10_000, 100_000] {
        add(Group::Connections, count.to_string(), Work::Connections(count), Content::Binary, 125);
    }
    cases
}

/// The cases of the plot: the same work for messages of all sizes.
pub fn sizes() -> Vec<Case> {
    let case = |power: u32| {
        let len = 1 << (2 * power);
        let (name, work) = (size_name(len), Work::Receive(Role::Server));
        let (group, content, source) = (Group::Sizes, Content::Binary, Source::Hot);
        Case { group, name, work, content, len, fragment: None, pings: false, reads: 64 * KIB, source }
    };
    (2..=12).map(case).collect()
}

fn receive(cases: &mut Vec<Case>, reads: usize, source: Source) {
    let mut add = |role, content: Content, len, fragment: Option<usize>| {
        // Short messages have few fragments, or tiny ones. Pings would hide what these cost.
        let pings = len > KIB && fragment.is_some();
        let mut name = format!("{}, {}, {}", role_name(role), content.name(), size_name(len));
        if let Some(fragment) = fragment {
            name += &format!(" in fragments of {}", size_name(fragment));
        }
        if pings {
            name += ", pings between";
        }
        let (group, work) = (Group::Receive, Work::Receive(role));
        cases.push(Case { group, name, work, content, len, fragment, pings, reads, source });
    };
    for len in [16, 125, KIB, 16 * KIB, 64 * KIB, MIB] {
        add(Role::Server, Content::Binary, len, None);
    }
    for content in [Content::Ascii, Content::Mixed] {
        for len in [125, KIB, 64 * KIB, MIB] {
            add(Role::Server, content, len, None);
        }
    }
    add(Role::Server, Content::Binary, 64 * KIB, Some(KIB));
    for fragment in [1, 16] {
        add(Role::Server, Content::Ascii, 64, Some(fragment));
    }
    for len in [125, 64 * KIB] {
        add(Role::Client, Content::Binary, len, None);
    }
}

impl Case {
    /// The name that `--case` looks at.
    pub fn full_name(&self) -> String {
        let how = match self.group {
            Group::Receive => format!("; reads of {}, {}", size_name(self.reads), self.source.name()),
            _ => String::new(),
        };
        format!("{}: {}{how}", format!("{:?}", self.group).to_lowercase(), self.name)
    }

    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Binary => Kind::Binary,
            _ => Kind::Text,
        }
    }

    pub fn receive(&self, role: Role) -> Receive {
        let deflate = if let Work::Inflate(takeover) = self.work { Some(takeover) } else { None };
        Receive { role, kind: self.kind(), len: self.len, deflate }
    }

    pub fn send(&self, role: Role, flush: usize) -> Send {
        let deflate = if let Work::Deflate(takeover) = self.work { Some(takeover) } else { None };
        let count = if deflate.is_some() { DEFLATED } else { self.loop_count() };
        let payloads = (0..count).map(|index| Bytes::from(self.payload(index))).collect();
        Send { role, kind: self.kind(), payloads, flush, deflate }
    }

    /// What should have been seen when this many messages were delivered.
    pub fn expected(&self, count: usize) -> Seen {
        let mut seen = Seen::checked();
        let distinct = match self.work {
            Work::Inflate(_) | Work::Deflate(_) => DEFLATED,
            _ => self.loop_count(),
        };
        for index in 0..count {
            seen.message(self.kind(), &self.payload(index % distinct));
        }
        seen
    }

    pub fn prepare(&self) -> Prepared {
        let (wire, unit) = match self.work {
            Work::Receive(role) => self.wire(role),
            Work::Echo(_) | Work::Connections(_) => self.wire(Role::Server),
            Work::Handshake => (REQUEST.to_vec(), REQUEST.len()),
            Work::Inflate(takeover) => {
                let wire = self.packed(takeover);
                let cycle = wire.len();
                (wire, cycle)
            }
            Work::Send(..) | Work::Deflate(_) => (Vec::new(), 0),
        };
        let (turn, measured) = match self.work {
            Work::Receive(_) => (None, (8 * MIB / unit).clamp(1, 32_000)),
            Work::Send(_, flush) if self.len <= KIB => (Some(flush), 32_000),
            Work::Send(role, flush) => (Some(flush), if role == Role::Server { 4096 } else { 1024 }),
            Work::Echo(depth) => (Some(depth), if self.len <= KIB { 32_000 } else { 2048 }),
            Work::Handshake => (Some(1), 2000),
            Work::Inflate(_) => (Some(DEFLATED), 16 * DEFLATED),
            Work::Deflate(_) => (Some(1), 8 * DEFLATED),
            Work::Connections(count) => (Some(1), count * (20_000 / count).max(1)),
        };
        let turn_len = turn.unwrap_or(1);
        let checked = match self.work {
            Work::Inflate(_) | Work::Deflate(_) => 2 * DEFLATED,
            Work::Connections(count) => count,
            // More than a hot loop has, so that its end is checked too.
            _ => (4 * MIB / self.len.max(1)).clamp(2, 2000).next_multiple_of(turn_len),
        };
        let grant = match self.work {
            Work::Echo(depth) => unit * depth,
            _ => unit,
        };
        Prepared { feed: Feed::new(wire, self.reads, unit), turn, grant, checked, measured }
    }

    /// One text with a wrong byte in its middle, which two reads bring.
    pub fn bad_text(&self, receiver: Role) -> Arc<Feed> {
        let mut payload = self.payload(0);
        payload[self.len / 2] = 0xFF;
        let mut wire = Vec::new();
        self.push_message(&mut wire, 0, &payload, receiver);
        let len = wire.len();
        Feed::new(wire, self.reads.min(len.div_ceil(2)), len)
    }

    /// A loop of messages, and the length of one of them.
    fn wire(&self, receiver: Role) -> (Vec<u8>, usize) {
        let mut wire = Vec::new();
        self.push_message(&mut wire, 0, &self.payload(0), receiver);
        let unit = wire.len();
        let count = self.loop_count();
        wire.reserve_exact(unit * (count - 1));
        for index in 1..count {
            self.push_message(&mut wire, index, &self.payload(index), receiver);
        }
        assert_eq!(wire.len(), unit * count);
        (wire, unit)
    }

    fn loop_count(&self) -> usize {
        let bytes = match self.source {
            Source::Hot => HOT,
            Source::Large => LARGE,
        };
        // A message has about 8 bytes besides its payload: a short header with its masking key.
        (bytes / (self.len + 8)).max(1)
    }

    fn push_message(&self, wire: &mut Vec<u8>, index: usize, payload: &[u8], receiver: Role) {
        let fragment = self.fragment.unwrap_or(payload.len());
        let count = payload.len().div_ceil(fragment);
        let mut keys = noise(index as u64 + 1);
        let mut mask = || (receiver == Role::Server).then(|| MaskingKey(next_key(&mut keys)));
        for (number, part) in payload.chunks(fragment).enumerate() {
            let opcode = match self.kind() {
                _ if number > 0 => Opcode::Continuation,
                Kind::Text => Opcode::Text,
                Kind::Binary => Opcode::Binary,
            };
            push_frame(wire, FirstByte { fin: number + 1 == count, rsv: 0, opcode }, mask(), part);
            if self.pings && number % PING_AFTER == PING_AFTER - 1 && number + 1 < count {
                push_frame(wire, FirstByte::last(Opcode::Ping), mask(), PING);
            }
        }
    }

    /// One cycle of compressed messages.
    fn packed(&self, Takeover(takeover): Takeover) -> Vec<u8> {
        let mut deflate = Deflate::new(6, false, 15);
        let mut wire = Vec::new();
        let mut room = vec![0; 64 * KIB];
        let mut keys = noise(1);
        for index in 0..DEFLATED {
            let before = deflate.total_out();
            deflate.compress(&self.payload(index), &mut room, DeflateFlush::SyncFlush).unwrap();
            let len = (deflate.total_out() - before) as usize - TAIL.len();
            let first = FirstByte { rsv: 0x40, ..FirstByte::last(Opcode::Text) };
            push_frame(&mut wire, first, Some(MaskingKey(next_key(&mut keys))), &room[..len]);
            if !takeover {
                deflate.reset();
            }
        }
        wire
    }

    /// The payload of the message with this number.
    fn payload(&self, index: usize) -> Vec<u8> {
        match self.content {
            Content::Binary => {
                let mut payload = Vec::with_capacity(self.len + 8);
                let mut noise = noise(index as u64 + 1);
                while payload.len() < self.len {
                    payload.extend_from_slice(&noise.next().unwrap_or_default().to_ne_bytes());
                }
                payload.truncate(self.len);
                payload
            }
            Content::Ascii => text("The quick brown fox jumps over the lazy dog. ", index, self.len),
            Content::Mixed => text("Съешь ещё этих мягких булок. 敏捷的棕色狐狸跳过了懒狗。", index, self.len),
            Content::Json => json(index as u64, self.len),
        }
    }
}

/// A ping is sent after each group of this many fragments.
const PING_AFTER: usize = 8;
pub const PING: &[u8] = b"still there?";

impl Content {
    fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Ascii => "ASCII",
            Self::Mixed => "Cyrillic and Chinese",
            Self::Json => "JSON",
        }
    }
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Large => "large",
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Server => "server",
        Role::Client => "client",
    }
}

pub fn size_name(len: usize) -> String {
    match len {
        MIB.. if len.is_multiple_of(MIB) => format!("{} MiB", len / MIB),
        KIB.. if len.is_multiple_of(KIB) => format!("{} KiB", len / KIB),
        _ => format!("{len} B"),
    }
}

fn push_frame(wire: &mut Vec<u8>, first: FirstByte, mask: Option<MaskingKey>, payload: &[u8]) {
    let header = Header { first, mask, payload_len: payload.len() as u64 };
    wire.extend_from_slice(header.encode().as_slice());
    let start = wire.len();
    wire.extend_from_slice(payload);
    if let Some(key) = mask {
        key.apply(&mut wire[start..]);
    }
}

fn next_key(noise: &mut impl Iterator<Item = u64>) -> [u8; 4] {
    let key = noise.next().unwrap_or_default() as u32;
    (key & 0x7F7F_7F7F).to_ne_bytes()
}

/// Pseudorandom numbers, the same in every run.
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Repeats the phrase up to this length, and fills the rest with spaces. `index` is the letter to begin with.
fn text(phrase: &str, index: usize, len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len);
    let letters: Vec<_> = phrase.split_inclusive(|_: char| true).collect();
    for letter in letters.iter().cycle().skip(index % letters.len()) {
        if text.len() + letter.len() > len {
            break;
        }
        text.extend_from_slice(letter.as_bytes());
    }
    text.resize(len, b' ');
    text
}

/// A message such as a stock ticker sends.
fn json(index: u64, len: usize) -> Vec<u8> {
    let mut json = format!(r#"{{"channel":"trades","number":{},"trades":["#, 7_204_113 + index);
    for random in noise(index + 1) {
        let market = ["BTC-EUR", "ETH-EUR", "ETH-BTC"][(random % 3) as usize];
        let side = if random & 0x100 == 0 { "bid" } else { "ask" };
        let (price, amount) = (31_000 + (random >> 16) % 2_000, (random >> 32) % 1_000_000);
        let trade =
            format!(r#"{{"market":"{market}","side":"{side}","price":"{price}.50","amount":"0.{amount:06}"}},"#);
        if json.len() + trade.len() + 1 > len {
            break;
        }
        json.push_str(&trade);
    }
    json.pop();
    json.push_str("]}");
    json.into_bytes()
}
