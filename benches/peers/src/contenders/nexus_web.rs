//! nexus-web: its reader and its writer, in default configuration. Reads go directly into the reader's buffer of 1 MiB,
//! and messages are lent from there. Its user answers pings. Messages for one flush are encoded one after the other.
//!
//! It does not check the UTF-8 of a text in one frame that two reads have brought.

use std::io::Write;

use nexus_web::ws::{self, Client, FrameReader, FrameWriter, Message};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn},
    socket::Socket,
};

pub struct NexusWeb;

impl Contender for NexusWeb {
    fn name(&self) -> &'static str {
        "nexus-web"
    }

    fn receive(&self, receive: Receive, mut socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let (mut reader, mut out) = open(receive.role, limit(receive.len));
        Some(Box::new(move |seen| {
            while reader.read_from(&mut socket).is_ok() {
                while let Some(message) = reader.next().unwrap() {
                    match message {
                        Message::Text(text) => seen.message(Kind::Text, text.as_bytes()),
                        Message::Binary(bytes) => seen.message(Kind::Binary, bytes),
                        message => out.answer(message),
                    }
                }
                out.flush(&mut socket);
            }
        }))
    }

    fn send(&self, send: Send, mut socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        let (_, mut out) = open(send.role, None);
        let mut payloads = Cycle::new(send.payloads);
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                out.push(FrameWriter::encode_binary, payloads.next());
            }
            out.flush(&mut socket);
        }))
    }

    fn echo(&self, mut socket: Socket) -> Option<Turn> {
        let (mut reader, mut out) = open(Role::Server, None);
        Some(Box::new(move |_| {
            while reader.read_from(&mut socket).is_ok() {
                while let Some(message) = reader.next().unwrap() {
                    match message {
                        Message::Text(text) => out.push(FrameWriter::encode_text, text.as_bytes()),
                        Message::Binary(bytes) => out.push(FrameWriter::encode_binary, bytes),
                        message => out.answer(message),
                    }
                }
                out.flush(&mut socket);
            }
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| {
            Client::accept(socket.clone()).unwrap();
        }))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<FrameReader>() + size_of::<Output>())
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open(role: Role, limit: Option<usize>) -> (FrameReader, Output) {
    let mut builder = FrameReader::builder();
    if let Some(limit) = limit {
        builder = builder.max_frame_size(limit as u64).max_message_size(limit);
    }
    let role = match role {
        Role::Server => ws::Role::Server,
        Role::Client => ws::Role::Client,
    };
    let (reader, writer) = ws::pair_with(role, builder);
    (reader, Output { writer, bytes: Vec::new(), len: 0 })
}

/// The bytes to write. The memory is never cleared, only written over.
struct Output {
    writer: FrameWriter,
    bytes: Vec<u8>,
    len: usize,
}

impl Output {
    #[inline]
    fn push(&mut self, encode: impl Fn(&mut FrameWriter, &[u8], &mut [u8]) -> usize, payload: &[u8]) {
        let end = self.len + self.writer.max_encoded_len(payload.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.len += encode(&mut self.writer, payload, &mut self.bytes[self.len..]);
    }

    fn answer(&mut self, message: Message<'_>) {
        match message {
            Message::Ping(payload) => {
                self.push(|writer, payload, room| writer.encode_pong(payload, room).unwrap(), payload);
            }
            Message::Close(_) => panic!("closed"),
            _ => {}
        }
    }

    fn flush(&mut self, socket: &mut Socket) {
        if self.len > 0 {
            socket.write_all(&self.bytes[..self.len]).unwrap();
            self.len = 0;
        }
    }
}
