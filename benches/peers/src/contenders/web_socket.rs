//! web-socket: on a `BufReader`, because it reads header and payload separately. It checks no text, joins no fragments
//! and answers no pings, so its user does.

use std::str;

use tokio::io::BufReader;
use web_socket::{DataType, Event, Frame, MessageType, Stream, WebSocket};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn, now, task},
    socket::Socket,
};

pub struct WebSocketCrate;

impl Contender for WebSocketCrate {
    fn name(&self) -> &'static str {
        "web-socket"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        let mut connection = Connection::open(receive.role, limit(receive.len), socket);
        Some(task(async move |seen| {
            loop {
                let (kind, payload) = connection.next().await;
                seen.borrow_mut().message(kind, &payload);
            }
        }))
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        let mut socket = Connection::open(send.role, None, socket).socket;
        let mut payloads = Cycle::new(send.payloads);
        Some(Box::new(move |_| {
            for _ in 0..send.flush {
                now(socket.send(&payloads.next()[..])).unwrap().unwrap();
            }
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let mut connection = Connection::open(Role::Server, None, socket);
        Some(task(async move |_| {
            loop {
                let (kind, payload) = connection.next().await;
                let sent = match kind {
                    Kind::Text => connection.socket.send(str::from_utf8(&payload).unwrap()).await,
                    Kind::Binary => connection.socket.send(&payload[..]).await,
                };
                sent.unwrap();
            }
        }))
    }
}

struct Connection {
    socket: WebSocket<BufReader<Socket>>,
    fragments: Vec<u8>,
}

impl Connection {
    fn open(role: Role, limit: Option<usize>, socket: Socket) -> Self {
        let socket = BufReader::new(socket);
        let mut socket = match role {
            Role::Server => WebSocket::server(socket),
            Role::Client => WebSocket::client(socket),
        };
        if let Some(limit) = limit {
            socket.max_payload_len = limit;
        }
        Self { socket, fragments: Vec::new() }
    }

    async fn next(&mut self) -> (Kind, Box<[u8]>) {
        let (kind, payload) = loop {
            match self.socket.recv().await.unwrap() {
                Event::Data { ty: DataType::Complete(kind), data } => break (kind, data),
                Event::Data { ty: DataType::Stream(Stream::End(kind)), data } => {
                    self.fragments.extend_from_slice(&data);
                    break (kind, std::mem::take(&mut self.fragments).into());
                }
                Event::Data { data, .. } => self.fragments.extend_from_slice(&data),
                Event::Ping(payload) => {
                    let pong = Frame { fin: true, opcode: 10, data: &payload };
                    self.socket.send_raw(pong).await.unwrap();
                }
                Event::Pong(_) => {}
                Event::Error(why) => panic!("{why}"),
                Event::Close { .. } => panic!("closed"),
            }
        };
        match kind {
            MessageType::Text => {
                simdutf8::basic::from_utf8(&payload).unwrap();
                (Kind::Text, payload)
            }
            MessageType::Binary => (Kind::Binary, payload),
        }
    }
}
