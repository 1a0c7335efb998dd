//! embedded-websocket: a codec between two buffers, without an allocator. Its user owns the buffers, moves an
//! incomplete header to the front, assembles messages, checks text and answers pings. Messages are assembled in one
//! buffer that grows to their size.

use std::io::{Read, Write};

use embedded_websocket::{
    EmptyRng, Error, WebSocket, WebSocketClient, WebSocketKey, WebSocketOptions, WebSocketReceiveMessageType,
    WebSocketSendMessageType, WebSocketServer, WebSocketType, read_http_header,
};
use rand::{RngCore, rngs::ThreadRng};

use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn},
    socket::Socket,
};

const READ: usize = 64 << 10;

/// The longest header: the space that a frame needs besides its payload.
const HEADER: usize = 14;

pub struct EmbeddedWebsocket;

impl Contender for EmbeddedWebsocket {
    fn name(&self) -> &'static str {
        "embedded-websocket"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        Some(match receive.role {
            Role::Server => receiving(server(), socket),
            Role::Client => receiving(client(), socket),
        })
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        Some(match send.role {
            Role::Server => sending(server(), send, socket),
            Role::Client => sending(client(), send, socket),
        })
    }

    fn echo(&self, mut socket: Socket) -> Option<Turn> {
        let mut connection = Connection::new(server());
        Some(Box::new(move |_| {
            connection.turn(&mut socket, |kind, payload, websocket, out| {
                let kind =
                    if kind == Kind::Text { WebSocketSendMessageType::Text } else { WebSocketSendMessageType::Binary };
                push(websocket, kind, payload, out);
            });
        }))
    }

    fn handshake(&self, mut socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| {
            let (mut request, mut response) = ([0; 4096], [0; 1024]);
            let count = socket.read(&mut request).unwrap();
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut parsed = httparse::Request::new(&mut headers);
            parsed.parse(&request[..count]).unwrap();
            let headers = parsed.headers.iter().map(|header| (header.name, header.value));
            let context = read_http_header(headers).unwrap().unwrap();
            let mut server = WebSocketServer::new_server();
            let len = server.server_accept(&context.sec_websocket_key, None, &mut response).unwrap();
            socket.write_all(&response[..len]).unwrap();
        }))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<Connection<EmptyRng, embedded_websocket::Server>>())
    }
}

fn server() -> WebSocketServer {
    let mut server = WebSocketServer::new_server();
    server.server_accept(&WebSocketKey::default(), None, &mut [0; 1024]).unwrap();
    server
}

fn client() -> WebSocketClient<ThreadRng> {
    let mut client = WebSocketClient::new_client(rand::thread_rng());
    let (sub_protocols, additional_headers) = (None, None);
    let options = WebSocketOptions { path: "/", host: "example.com", origin: "", sub_protocols, additional_headers };
    let mut room = [0; 1024];
    let (_, key) = client.client_connect(&options, &mut room).unwrap();
    let len = WebSocketServer::new_server().server_accept(&key, None, &mut room).unwrap();
    client.client_accept(&key, &room[..len]).unwrap();
    client
}

fn receiving<R: RngCore + 'static, T: WebSocketType + 'static>(websocket: WebSocket<R, T>, mut socket: Socket) -> Turn {
    let mut connection = Connection::new(websocket);
    Box::new(move |seen| connection.turn(&mut socket, |kind, payload, _, _| seen.message(kind, payload)))
}

fn sending<R: RngCore + 'static, T: WebSocketType + 'static>(
    mut websocket: WebSocket<R, T>,
    send: Send,
    mut socket: Socket,
) -> Turn {
    let mut payloads = Cycle::new(send.payloads);
    let mut out = Output::default();
    Box::new(move |_| {
        for _ in 0..send.flush {
            push(&mut websocket, WebSocketSendMessageType::Binary, payloads.next(), &mut out);
        }
        out.flush(&mut socket);
    })
}

fn push<R: RngCore, T: WebSocketType>(
    websocket: &mut WebSocket<R, T>,
    kind: WebSocketSendMessageType,
    payload: &[u8],
    out: &mut Output,
) {
    let room = out.room(payload.len() + HEADER);
    let len = websocket.write(kind, true, payload, room).unwrap();
    out.len += len;
}

/// The bytes to write. The memory is never cleared, only written over.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    len: usize,
}

impl Output {
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < self.len + len {
            self.bytes.resize(self.len + len, 0);
        }
        &mut self.bytes[self.len..]
    }

    fn flush(&mut self, socket: &mut Socket) {
        if self.len > 0 {
            socket.write_all(&self.bytes[..self.len]).unwrap();
            self.len = 0;
        }
    }
}

struct Connection<R: RngCore, T: WebSocketType> {
    websocket: WebSocket<R, T>,
    buffer: Vec<u8>,
    /// How many bytes of a header are at the front of the buffer.
    kept: usize,
    message: Vec<u8>,
    /// How many bytes of the message were received.
    len: usize,
    out: Output,
}

impl<R: RngCore, T: WebSocketType> Connection<R, T> {
    fn new(websocket: WebSocket<R, T>) -> Self {
        let (buffer, message) = (vec![0; READ + HEADER], vec![0; READ]);
        Self { websocket, buffer, kept: 0, message, len: 0, out: Output::default() }
    }

    fn turn(&mut self, socket: &mut Socket, mut deliver: impl FnMut(Kind, &[u8], &mut WebSocket<R, T>, &mut Output)) {
        while let Ok(count) = socket.read(&mut self.buffer[self.kept..]) {
            let end = self.kept + count;
            let mut at = 0;
            self.kept = 0;
            while at < end {
                if self.len == self.message.len() {
                    self.message.resize(2 * self.len, 0);
                }
                let room = &mut self.message[self.len..];
                let read = match self.websocket.read(&self.buffer[at..end], room) {
                    Ok(read) => read,
                    Err(Error::ReadFrameIncomplete) => {
                        self.buffer.copy_within(at..end, 0);
                        self.kept = end - at;
                        break;
                    }
                    Err(error) => panic!("{error}"),
                };
                assert!(read.len_from > 0, "it is stuck");
                at += read.len_from;
                let kind = match read.message_type {
                    WebSocketReceiveMessageType::Text => Kind::Text,
                    WebSocketReceiveMessageType::Binary => Kind::Binary,
                    WebSocketReceiveMessageType::Ping => {
                        let payload = &room[..read.len_to];
                        push(&mut self.websocket, WebSocketSendMessageType::Pong, payload, &mut self.out);
                        continue;
                    }
                    WebSocketReceiveMessageType::Pong => continue,
                    _ => panic!("closed"),
                };
                self.len += read.len_to;
                if read.end_of_message {
                    let payload = &self.message[..self.len];
                    if kind == Kind::Text {
                        simdutf8::basic::from_utf8(payload).unwrap();
                    }
                    deliver(kind, payload, &mut self.websocket, &mut self.out);
                    self.len = 0;
                }
            }
            self.out.flush(socket);
        }
    }
}
