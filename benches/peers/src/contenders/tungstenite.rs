//! tungstenite: default buffers. It reads until the socket would block, and flushes once after everything that it
//! sends.

use std::io;

use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role as TheirRole, WebSocketConfig},
};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn},
    socket::Socket,
};

pub struct Tungstenite;

impl Contender for Tungstenite {
    fn name(&self) -> &'static str {
        "tungstenite"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let mut socket = open(receive.role, limit(receive.len), socket);
        Some(Box::new(move |seen| {
            loop {
                match socket.read() {
                    Ok(Message::Text(text)) => seen.message(Kind::Text, text.as_bytes()),
                    Ok(Message::Binary(bytes)) => seen.message(Kind::Binary, &bytes),
                    Ok(_) => {}
                    Err(error) if would_block(&error) => break,
                    Err(error) => panic!("{error}"),
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
                socket.write(Message::Binary(payloads.next().clone())).unwrap();
            }
            socket.flush().unwrap();
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut socket = open(Role::Server, None, socket);
        Some(Box::new(move |_| {
            loop {
                match socket.read() {
                    Ok(message) if message.is_text() || message.is_binary() => socket.write(message).unwrap(),
                    Ok(_) => {}
                    Err(error) if would_block(&error) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            socket.flush().unwrap();
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| {
            tungstenite::accept(socket.clone()).unwrap();
        }))
    }

    fn most_connections(&self) -> usize {
        10_000
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<WebSocket<Socket>>() - size_of::<Socket>())
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open(role: Role, limit: Option<usize>, socket: Socket) -> WebSocket<Socket> {
    let role = match role {
        Role::Server => TheirRole::Server,
        Role::Client => TheirRole::Client,
    };
    let config =
        limit.map(|limit| WebSocketConfig::default().max_message_size(Some(limit)).max_frame_size(Some(limit)));
    WebSocket::from_raw_socket(socket, role, config)
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}
