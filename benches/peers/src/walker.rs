//! A minimal receiver, to find how low the cost can be in practice. It reads into one big buffer, walks over the whole
//! frames in it, unmasks them in place and moves an incomplete frame to the front. It makes the checks of the RFC, but
//! has no state inside a frame. So it holds every frame in memory, and finds faults late.

use std::io::{Read, Write};

use crate::{
    contender::{Contender, Kind, Receive, Role, Turn},
    socket::Socket,
};

/// The free space for a read.
const READ: usize = 64 << 10;

/// The largest frame and message; the other contenders have the same limit.
const MOST: usize = 256 << 20;

pub struct Walker;

impl Contender for Walker {
    fn name(&self) -> &'static str {
        "walker"
    }

    fn receive(&self, receive: Receive, mut socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let mut connection = Connection::new(receive.role);
        Some(Box::new(move |seen| {
            connection.turn(&mut socket, |kind, payload, _| seen.message(kind, payload)).unwrap();
        }))
    }

    fn echo(&self, mut socket: Socket) -> Option<Turn> {
        let mut connection = Connection::new(Role::Server);
        Some(Box::new(move |_| {
            let echo = |kind: Kind, payload: &[u8], out: &mut Vec<u8>| {
                push_frame(out, if kind == Kind::Text { TEXT } else { BINARY }, payload);
            };
            connection.turn(&mut socket, echo).unwrap();
        }))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<Connection>())
    }
}

struct Connection {
    role: Role,
    buffer: Vec<u8>,
    /// Where the bytes that were read and not walked over begin and end in the buffer.
    start: usize,
    end: usize,
    fragments: Fragments,
    out: Vec<u8>,
}

/// The fragments received so far of a message.
struct Fragments {
    kind: Option<Kind>,
    payload: Vec<u8>,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

impl Connection {
    fn new(role: Role) -> Self {
        let fragments = Fragments { kind: None, payload: Vec::new() };
        Self { role, buffer: vec![0; 2 * READ], start: 0, end: 0, fragments, out: Vec::new() }
    }

    /// Reads until the socket would block. `deliver` gets each message, and the output to write an answer to.
    fn turn(
        &mut self,
        socket: &mut Socket,
        mut deliver: impl FnMut(Kind, &[u8], &mut Vec<u8>),
    ) -> Result<(), &'static str> {
        while let Ok(count) = socket.read(&mut self.buffer[self.end..]) {
            self.end += count;
            let needed = self.walk(&mut deliver)?;
            if self.start == self.end {
                (self.start, self.end) = (0, 0);
            } else if self.start + needed.max(READ) > self.buffer.len() {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
                let room = needed.max(self.end + READ);
                if room > self.buffer.len() {
                    self.buffer.resize(room, 0);
                }
            }
            if !self.out.is_empty() {
                socket.write_all(&self.out).map_err(|_| "the socket failed")?;
                self.out.clear();
            }
        }
        Ok(())
    }

    /// Walks over the whole frames in the buffer. Returns how many bytes of the next one are needed, as far as is
    /// known.
    fn walk(&mut self, deliver: &mut impl FnMut(Kind, &[u8], &mut Vec<u8>)) -> Result<usize, &'static str> {
        loop {
            let rest = &mut self.buffer[self.start..self.end];
            let [first, second, ..] = *rest else { return Ok(2) };
            let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
            let is_masked = second & 0x80 != 0;
            if first & 0x70 != 0 {
                return Err("a reserved bit is set");
            }
            if is_masked != (self.role == Role::Server) {
                return Err("masked by a server, or not by a client");
            }
            let (len, header) = match second & 0x7F {
                126 => match *rest {
                    [_, _, a, b, ..] => (u64::from(u16::from_be_bytes([a, b])), 4),
                    _ => return Ok(4),
                },
                127 => match rest.get(2..10) {
                    Some(len) => (len.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)), 10),
                    None => return Ok(10),
                },
                len => (u64::from(len), 2),
            };
            if header == 4 && len < 126 || header == 10 && len < 0x1_0000 {
                return Err("the length is not in its shortest form");
            }
            if len > MOST as u64 {
                return Err("the frame is too large");
            }
            let header = header + if is_masked { 4 } else { 0 };
            let whole = header + len as usize;
            if rest.len() < whole {
                return Ok(whole);
            }

            let (header, payload) = rest[..whole].split_at_mut(header);
            if let (true, Some(key)) = (is_masked, header.last_chunk()) {
                unmask(payload, *key);
            }
            self.start += whole;
            match opcode {
                TEXT | BINARY if self.fragments.kind.is_none() => {
                    let kind = if opcode == TEXT { Kind::Text } else { Kind::Binary };
                    if fin {
                        check(kind, payload)?;
                        deliver(kind, payload, &mut self.out);
                    } else {
                        self.fragments.kind = Some(kind);
                        self.fragments.payload.extend_from_slice(payload);
                    }
                }
                CONTINUATION => {
                    let Fragments { kind, payload: message } = &mut self.fragments;
                    let kind = kind.ok_or("a continuation of nothing")?;
                    if message.len() + payload.len() > MOST {
                        return Err("the message is too large");
                    }
                    message.extend_from_slice(payload);
                    if fin {
                        check(kind, message)?;
                        deliver(kind, message, &mut self.out);
                        message.clear();
                        self.fragments.kind = None;
                    }
                }
                TEXT | BINARY => return Err("a new message inside another"),
                PING | PONG | CLOSE if !fin || len > 125 => return Err("a control frame is fragmented or too long"),
                PING => push_frame(&mut self.out, PONG, payload),
                PONG => {}
                CLOSE => return Err("closed"),
                _ => return Err("an unknown opcode"),
            }
        }
    }
}

fn check(kind: Kind, payload: &[u8]) -> Result<(), &'static str> {
    match kind {
        Kind::Text => simdutf8::basic::from_utf8(payload).map(|_| ()).map_err(|_| "not UTF-8"),
        Kind::Binary => Ok(()),
    }
}

fn unmask(payload: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Adds a frame as a server sends it.
fn push_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ ..126 => out.push(len as u8),
        len @ ..0x1_0000 => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}
