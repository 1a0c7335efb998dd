//! uWebSockets' parser, wslay and Boost.Beast, from the crate in `cpp`. They do their own reads of the same bytes, and
//! count what they write.

use std::io::IoSlice;

use cpp_peers::{Kind as Library, Peer, Role as TheirRole, Seen as TheirSeen};

use crate::{
    contender::{Contender, Cycle, Hash, Receive, Role, Seen, Send, Turn},
    socket::{Feed, Socket},
};

/// The libraries that were built. The others are named on standard error.
pub fn all() -> Vec<Box<dyn Contender>> {
    let is_there = |library: &Library| {
        if !library.is_available() {
            eprintln!("{} is left out: it was missing when this was built", library.name());
        }
        library.is_available()
    };
    let there = cpp_peers::peers().iter().copied().filter(is_there);
    there.map(|library| Box::new(Cpp(library)) as Box<dyn Contender>).collect()
}

struct Cpp(Library);

impl Contender for Cpp {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let mut peer = open(self.0, receive.role)?;
        Some(Box::new(move |seen| {
            let batch = socket.0.take_batch();
            let hash = seen.hash.is_some();
            captured(&mut peer, &socket.0, seen, |peer| {
                peer.receive(batch.wire, batch.reads, &mut { batch.offset }, batch.messages, hash)
            });
        }))
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        let peer = open(self.0, send.role)?;
        Some(match send.flush {
            1 => sending::<1>(peer, send, socket),
            16 => sending::<16>(peer, send, socket),
            other => panic!("{other} messages to a flush are not supported"),
        })
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut peer = open(self.0, Role::Server)?;
        Some(Box::new(move |seen| {
            let batch = socket.0.take_batch();
            captured(&mut peer, &socket.0, seen, |peer| {
                peer.echo(batch.wire, batch.reads, &mut { batch.offset }, batch.messages, false)
            });
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        let library = self.0;
        let mut response = vec![0; 4096];
        let request = crate::cases::REQUEST;
        library.handshake(request, &mut response)?;
        Some(Box::new(move |_| {
            let batch = socket.0.take_batch();
            let len = library.handshake(batch.wire, &mut response).unwrap();
            socket.0.write(&response[..len]);
        }))
    }

    /// Their messages can be checked for one connection only.
    fn most_connections(&self) -> usize {
        1
    }

    fn idle_bytes(&self) -> Option<usize> {
        self.0.idle_bytes()
    }
}

fn open(library: Library, role: Role) -> Option<Peer> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    Peer::new(library, role)
}

fn sending<const FLUSH: usize>(mut peer: Peer, send: Send, socket: Socket) -> Turn {
    let mut payloads = Cycle::new(send.payloads);
    Box::new(move |seen| {
        let batch = payloads.several::<FLUSH>().map(|payload| IoSlice::new(payload));
        captured(&mut peer, &socket.0, seen, |peer| peer.send(&batch, false, FLUSH));
    })
}

/// Does the work, and copies the written bytes to where a check looks for them.
fn captured(peer: &mut Peer, feed: &Feed, seen: &mut Seen, work: impl FnOnce(&mut Peer) -> TheirSeen) {
    let captures = feed.captures();
    if captures {
        peer.keep(true);
    }
    let theirs = work(peer);
    assert!(!peer.has_failed(), "it refused a message");
    seen.messages += theirs.messages as usize;
    seen.bytes += theirs.bytes as usize;
    if let Some(hash) = &mut seen.hash {
        *hash = Hash(theirs.hash);
    }
    if captures {
        feed.write(peer.kept());
        peer.keep(false);
    } else {
        feed.count_written(theirs.written as usize);
    }
}
