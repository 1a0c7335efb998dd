//! Only the work that cannot be avoided. The floor reads the same bytes in the same reads, XORs them with a masking key
//! and checks their UTF-8. As a sender, it copies bytes where a sender has to. It does not know frames, except in
//! compressed cases, where it makes the calls of zlib-rs for each message.

use std::{
    cell::RefCell,
    hint::black_box,
    io::{IoSlice, Read, Write},
    rc::Rc,
};

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use crate::{
    cases::TAIL,
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Takeover, Turn},
    socket::Socket,
};

const READ: usize = 64 << 10;

/// A server gives longer payloads to the socket without a copy.
const COPY: usize = 4 << 10;

/// The highest bit of each byte of a key is clear (see `cases.rs`), so that ASCII stays ASCII with any key.
const KEY: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

pub struct Floor {
    /// One buffer for all connections.
    buffer: Rc<RefCell<Vec<u8>>>,
}

impl Floor {
    pub fn new() -> Self {
        Self { buffer: Rc::new(RefCell::new(vec![0; READ])) }
    }
}

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn receive(&self, receive: Receive, mut socket: Socket) -> Option<Turn> {
        if let Some(takeover) = receive.deflate {
            return Some(inflating(takeover, socket));
        }
        let buffer = self.buffer.clone();
        Some(Box::new(move |seen| {
            let buffer = &mut *buffer.borrow_mut();
            while let Ok(count) = socket.read(buffer) {
                let bytes = &mut buffer[..count];
                if receive.role == Role::Server {
                    xor(bytes, KEY);
                }
                if receive.kind == Kind::Text {
                    // It looks at all bytes, also if they are not valid text.
                    black_box(simdutf8::basic::from_utf8(bytes).is_ok());
                }
                seen.bytes += black_box(bytes).len();
            }
        }))
    }

    fn send(&self, send: Send, mut socket: Socket) -> Option<Turn> {
        if let Some(takeover) = send.deflate {
            return Some(deflating(takeover, send, socket));
        }
        let mut out = Vec::new();
        let mut payloads = Cycle::new(send.payloads);
        let header = vec![0; if send.role == Role::Client { 8 } else { 4 }];
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                let payload = payloads.next();
                if send.role == Role::Server && payload.len() > COPY {
                    let _ = socket.write_vectored(&[IoSlice::new(&header), IoSlice::new(payload)]);
                    continue;
                }
                out.extend_from_slice(&header);
                let start = out.len();
                out.extend_from_slice(payload);
                if send.role == Role::Client {
                    xor(&mut out[start..], KEY);
                }
            }
            let _ = socket.write(&out);
            out.clear();
        }))
    }

    fn echo(&self, mut socket: Socket) -> Option<Turn> {
        let buffer = self.buffer.clone();
        let mut out = Vec::new();
        Some(Box::new(move |_| {
            let buffer = &mut *buffer.borrow_mut();
            while let Ok(count) = socket.read(buffer) {
                let bytes = &mut buffer[..count];
                xor(bytes, KEY);
                out.extend_from_slice(bytes);
                let _ = socket.write(&out);
                out.clear();
            }
        }))
    }

    fn most_connections(&self) -> usize {
        usize::MAX
    }

    fn knows_messages(&self) -> bool {
        false
    }
}

/// Makes the calls of zlib-rs, which cannot be avoided. The frames of these cases are simple.
fn inflating(Takeover(takeover): Takeover, mut socket: Socket) -> Turn {
    let mut inflate = Inflate::new(false, 15);
    let (mut buffer, mut room) = (vec![0; READ], vec![0; READ]);
    let mut filled = 0;
    Box::new(move |seen| {
        while let Ok(count) = socket.read(&mut buffer[filled..]) {
            filled += count;
            let mut at = 0;
            while let Some((payload, whole)) = masked_payload(&mut buffer[at..filled]) {
                let before = inflate.total_out();
                inflate.decompress(payload, &mut room, InflateFlush::SyncFlush).unwrap();
                let len = (inflate.total_out() - before) as usize;
                inflate.decompress(&TAIL, &mut room[len..], InflateFlush::SyncFlush).unwrap();
                if !takeover {
                    inflate.reset(false);
                }
                simdutf8::basic::from_utf8(&room[..len]).unwrap();
                seen.message(Kind::Text, &room[..len]);
                at += whole;
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
        }
    })
}

/// The unmasked payload of a frame of less than 64 KiB, and the length of the frame.
fn masked_payload(bytes: &mut [u8]) -> Option<(&[u8], usize)> {
    let (header, len) = match *bytes {
        [_, 0xFE, a, b, ..] => (8, usize::from(u16::from_be_bytes([a, b]))),
        [_, len, ..] => (6, usize::from(len & 0x7F)),
        _ => return None,
    };
    let (header, payload) = bytes.get_mut(..header + len)?.split_at_mut(header);
    xor(payload, *header.last_chunk()?);
    Some((payload, header.len() + len))
}

fn deflating(Takeover(takeover): Takeover, send: Send, mut socket: Socket) -> Turn {
    let mut deflate = Deflate::new(6, false, 15);
    let mut room = vec![0; READ];
    let mut payloads = Cycle::new(send.payloads);
    Box::new(move |_| {
        for _ in 0..send.flush {
            let before = deflate.total_out();
            deflate.compress(payloads.next(), &mut room[4..], DeflateFlush::SyncFlush).unwrap();
            let len = (deflate.total_out() - before) as usize - TAIL.len();
            if !takeover {
                deflate.reset();
            }
            let start = push_header(&mut room, len);
            let _ = socket.write(&room[start..4 + len]);
        }
    })
}

/// Writes a header before the payload, which begins at 4. Returns where the header begins.
fn push_header(room: &mut [u8], len: usize) -> usize {
    let [a, b] = (len as u16).to_be_bytes();
    if len < 126 {
        room[2..4].copy_from_slice(&[0xC1, b]);
        return 2;
    }
    room[..4].copy_from_slice(&[0xC1, 126, a, b]);
    0
}

/// Uses the widest vectors that the machine has.
fn xor(bytes: &mut [u8], key: [u8; 4]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            // SAFETY: the machine has it.
            return unsafe { xor_avx512(bytes, key) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has it.
            return unsafe { xor_avx2(bytes, key) };
        }
    }
    xor_in_words(bytes, key);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor_avx512(bytes: &mut [u8], key: [u8; 4]) {
    xor_in_words(bytes, key);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn xor_avx2(bytes: &mut [u8], key: [u8; 4]) {
    xor_in_words(bytes, key);
}

#[inline(always)]
fn xor_in_words(bytes: &mut [u8], key: [u8; 4]) {
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
}
