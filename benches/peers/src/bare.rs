//! zlib-rs alone: the reference for compressed messages. It makes only the calls of zlib-rs, for payloads that are in
//! memory. There are no frames, no masks, no UTF-8, and no reads or writes. The output goes into a buffer that is used
//! again. Without context takeover, the state is reset after each message, as in every contender.

use std::hint::black_box;

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use crate::{
    cases::TAIL,
    check,
    contender::{Contender, Cycle, Kind, Receive, Send, Takeover, Turn},
    socket::Socket,
};

/// More than any message here needs.
const ROOM: usize = 64 << 10;

pub struct Bare;

impl Bare {
    pub const NAME: &'static str = "zlib-rs alone";
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        let Takeover(takeover) = receive.deflate?;
        let payloads = payloads(socket.0.take_batch().wire);
        let mut inflate = Inflate::new(false, 15);
        let mut room = vec![0; ROOM];
        Some(Box::new(move |seen| {
            // A turn is granted the whole loop.
            socket.0.take_batch();
            for payload in &payloads {
                let before = inflate.total_out();
                inflate.decompress(payload, &mut room, InflateFlush::SyncFlush).unwrap();
                seen.message(Kind::Text, &room[..(inflate.total_out() - before) as usize]);
                if !takeover {
                    inflate.reset(false);
                }
            }
        }))
    }

    fn send(&self, send: Send, _: Socket) -> Option<Turn> {
        let Takeover(takeover) = send.deflate?;
        let mut payloads = Cycle::new(send.payloads);
        let mut deflate = Deflate::new(6, false, 15);
        let mut room = vec![0; ROOM];
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                deflate.compress(payloads.next(), &mut room, DeflateFlush::SyncFlush).unwrap();
                black_box(&room);
                if !takeover {
                    deflate.reset();
                }
            }
        }))
    }

    fn knows_messages(&self) -> bool {
        false
    }
}

/// The payloads of masked frames: unmasked, and with the tail that messages are sent without.
fn payloads(mut wire: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while !wire.is_empty() {
        let (_, mut payload) = check::take_frame(&mut wire, true).unwrap();
        payload.extend(TAIL);
        payloads.push(payload);
    }
    payloads
}
