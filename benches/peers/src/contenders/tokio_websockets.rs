//! tokio-websockets: default configuration. It flushes before it reads. So an echo first takes all messages that are
//! there, then feeds all answers, then flushes.

use futures_util::{SinkExt, StreamExt};
use tokio_websockets::{ClientBuilder, Limits, Message, ServerBuilder, WebSocketStream};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn, now},
    socket::Socket,
};

pub struct TokioWebsockets;

impl Contender for TokioWebsockets {
    fn name(&self) -> &'static str {
        "tokio-websockets"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let mut socket = open(receive.role, limit(receive.len), socket);
        Some(Box::new(move |seen| {
            while let Some(message) = now(socket.next()) {
                let message = message.unwrap().unwrap();
                if message.is_text() {
                    seen.message(Kind::Text, message.as_payload());
                } else if message.is_binary() {
                    seen.message(Kind::Binary, message.as_payload());
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
                now(socket.feed(Message::binary(payloads.next().clone()))).unwrap().unwrap();
            }
            now(socket.flush()).unwrap().unwrap();
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut socket = open(Role::Server, None, socket);
        let mut messages = Vec::new();
        Some(Box::new(move |_| {
            while let Some(message) = now(socket.next()) {
                messages.push(message.unwrap().unwrap());
            }
            for message in messages.drain(..) {
                if message.is_text() || message.is_binary() {
                    now(socket.feed(message)).unwrap().unwrap();
                }
            }
            now(socket.flush()).unwrap().unwrap();
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        let server = ServerBuilder::new();
        Some(Box::new(move |_| {
            now(server.accept(socket.clone())).unwrap().unwrap();
        }))
    }

    fn most_connections(&self) -> usize {
        10_000
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<WebSocketStream<Socket>>() - size_of::<Socket>())
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open(role: Role, limit: Option<usize>, socket: Socket) -> WebSocketStream<Socket> {
    let limits = limit.map_or(Limits::default(), |limit| Limits::default().max_payload_len(Some(limit)));
    match role {
        Role::Server => ServerBuilder::new().limits(limits).serve(socket),
        Role::Client => ClientBuilder::new().limits(limits).take_over(socket),
    }
}
