//! fastwebsockets: its own echo example (`FragmentCollector`), directly on the socket instead of through hyper. It
//! writes every frame at once.

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role as TheirRole, WebSocket};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn, now},
    socket::Socket,
};

pub struct Fastwebsockets;

impl Contender for Fastwebsockets {
    fn name(&self) -> &'static str {
        "fastwebsockets"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let mut socket = open(receive.role, limit(receive.len), socket);
        Some(Box::new(move |seen| {
            while let Some(frame) = now(socket.read_frame()) {
                let frame = frame.unwrap();
                match frame.opcode {
                    OpCode::Text => seen.message(Kind::Text, &frame.payload),
                    OpCode::Binary => seen.message(Kind::Binary, &frame.payload),
                    _ => {}
                }
            }
        }))
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        let mut socket = open(send.role, None, socket);
        let mut payloads = Cycle::new(send.payloads);
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                let frame = Frame::binary(Payload::Borrowed(payloads.next()));
                now(socket.write_frame(frame)).unwrap().unwrap();
            }
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut socket = open(Role::Server, None, socket);
        Some(Box::new(move |_| {
            while let Some(frame) = now(socket.read_frame()) {
                let frame = frame.unwrap();
                if matches!(frame.opcode, OpCode::Text | OpCode::Binary) {
                    now(socket.write_frame(frame)).unwrap().unwrap();
                }
            }
        }))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<FragmentCollector<Socket>>() - size_of::<Socket>())
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open(role: Role, limit: Option<usize>, socket: Socket) -> FragmentCollector<Socket> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let mut socket = WebSocket::after_handshake(socket, role);
    if let Some(limit) = limit {
        socket.set_max_message_size(limit);
    }
    FragmentCollector::new(socket)
}
