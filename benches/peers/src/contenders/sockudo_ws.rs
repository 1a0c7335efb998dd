//! sockudo-ws: default configuration, and the echo loop that its README recommends. Its timers are on by default, so it
//! needs tokio's clock.

use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{Config, Message, WebSocketStream, deflate::DeflateConfig, stream::CompressedWebSocketStream};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Seen, Send, Takeover, Turn, now},
    socket::Socket,
};

pub struct SockudoWs;

impl Contender for SockudoWs {
    fn name(&self) -> &'static str {
        "sockudo-ws"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if let Some(takeover) = receive.deflate {
            let mut socket = CompressedWebSocketStream::server(socket, Config::default(), deflate(takeover));
            return Some(Box::new(move |seen| {
                while let Some(message) = now(socket.next()) {
                    deliver(message.unwrap().unwrap(), seen);
                }
            }));
        }
        let mut socket = open(receive.role, limit(receive.len), socket);
        Some(Box::new(move |seen| {
            while let Some(message) = now(socket.next()) {
                deliver(message.unwrap().unwrap(), seen);
            }
        }))
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        let message = match send.kind {
            Kind::Text => Message::Text,
            Kind::Binary => Message::Binary,
        };
        let mut payloads = Cycle::new(send.payloads);
        if let Some(takeover) = send.deflate {
            let mut socket = CompressedWebSocketStream::server(socket, Config::default(), deflate(takeover));
            return Some(Box::new(move |_| {
                for _ in 0..send.flush {
                    now(socket.feed(message(payloads.next().clone()))).unwrap().unwrap();
                }
                now(socket.flush()).unwrap().unwrap();
            }));
        }
        let mut socket = open(send.role, None, socket);
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                now(socket.feed(message(payloads.next().clone()))).unwrap().unwrap();
            }
            now(socket.flush()).unwrap().unwrap();
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut socket = open(Role::Server, None, socket);
        Some(Box::new(move |_| {
            while let Some(message) = now(socket.next()) {
                let message = message.unwrap().unwrap();
                if message.is_text() || message.is_binary() {
                    now(socket.feed(message)).unwrap().unwrap();
                }
            }
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| {
            let mut socket = socket.clone();
            now(sockudo_ws::handshake::server_handshake(&mut socket)).unwrap().unwrap();
            WebSocketStream::server(socket, Config::default());
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

fn deliver(message: Message, seen: &mut Seen) {
    match message {
        Message::Text(text) => seen.message(Kind::Text, &text),
        Message::Binary(bytes) => seen.message(Kind::Binary, &bytes),
        _ => {}
    }
}

fn open(role: Role, limit: Option<usize>, socket: Socket) -> WebSocketStream<Socket> {
    let config = limit
        .map_or(Config::default(), |limit| Config::builder().max_message_size(limit).max_frame_size(limit).build());
    match role {
        Role::Server => WebSocketStream::server(socket, config),
        Role::Client => WebSocketStream::client(socket, config),
    }
}

fn deflate(Takeover(takeover): Takeover) -> DeflateConfig {
    DeflateConfig {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        ..DeflateConfig::default()
    }
}
