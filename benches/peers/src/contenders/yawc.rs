//! yawc: default options, and `with_utf8`, because by default it checks no text. Answers are fed, and flushed when no
//! more messages are there.

use futures_util::{SinkExt, StreamExt};
use yawc::{CompressionLevel, Frame, OpCode, Options, Role as TheirRole, WebSocket};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Takeover, Turn, now},
    socket::Socket,
};

pub struct Yawc;

impl Contender for Yawc {
    fn name(&self) -> &'static str {
        "yawc"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        // Its default limit is below 1 MiB.
        let mut socket = open(receive.role, limit(receive.len + 1), receive.deflate, socket);
        Some(Box::new(move |seen| {
            while let Some(frame) = now(socket.next()) {
                let frame = frame.unwrap();
                match frame.opcode() {
                    OpCode::Text => seen.message(Kind::Text, frame.payload()),
                    OpCode::Binary => seen.message(Kind::Binary, frame.payload()),
                    _ => {}
                }
            }
        }))
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        let mut socket = open(send.role, None, send.deflate, socket);
        let mut payloads = Cycle::new(send.payloads);
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                let payload = payloads.next().clone();
                let frame = if send.kind == Kind::Text { Frame::text(payload) } else { Frame::binary(payload) };
                now(socket.feed(frame)).unwrap().unwrap();
            }
            now(SinkExt::<Frame>::flush(&mut socket)).unwrap().unwrap();
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut socket = open(Role::Server, None, None, socket);
        Some(Box::new(move |_| {
            while let Some(frame) = now(socket.next()) {
                let frame = frame.unwrap();
                if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                    now(socket.feed(frame)).unwrap().unwrap();
                }
            }
            now(SinkExt::<Frame>::flush(&mut socket)).unwrap().unwrap();
        }))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<WebSocket<Socket>>() - size_of::<Socket>())
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open(role: Role, limit: Option<usize>, deflate: Option<Takeover>, socket: Socket) -> WebSocket<Socket> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let mut options = Options::default().with_utf8();
    if let Some(limit) = limit {
        options = options.with_limits(limit, limit);
    }
    let mut agreed = None;
    if let Some(Takeover(takeover)) = deflate {
        options = options.with_compression_level(CompressionLevel::new(6));
        agreed = Some("permessage-deflate");
        if !takeover {
            options = options.server_no_context_takeover().client_no_context_takeover();
            agreed = Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        }
    }
    WebSocket::from_stream_with_extensions(socket, role, agreed, options).unwrap()
}
