//! websocket-proto, twice.
//!
//! **Documented** is the loop of the README: `Config::new()`, one `ReadBuffer` of 32 KiB for all connections, and
//! `send_*`. Then the pending bytes are written and the stream is flushed. A server sends more than 4 KiB by
//! [`Sender::vectored_frame`] and a vectored write.
//!
//! **Tuned** differs in three named settings:
//!
//! - a [`ReadBuffer`] of 72 KiB for each connection;
//! - `keep(1 MiB)`: no message is longer by default, so a connection keeps memory for any message, and shares none with
//!   other connections;
//! - echoes of more than 4 KiB are sent by [`Sender::vectored_frame`], too, from the buffer that they were received in.
//!
//! Besides, both set only what a case needs: the limit for messages in cases of more than 1 MiB, and compression in
//! compressed cases.

use std::{
    cell::RefCell,
    io::{Read, Write},
    rc::Rc,
};

use websocket_proto::{
    Client, Config, Connection, Event, Input, ReadBuffer, Receiver, Sender, Server, SystemRandom, Transport, Uri,
    client, deflate, server,
};

use super::limit;
use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Seen, Send, Takeover, Turn},
    socket::Socket,
};

/// The most bytes that one read brings to the documented loop.
const READ: usize = 32 << 10;

/// The length of a tuned connection's `ReadBuffer`.
const OWN: usize = 72 << 10;

/// The memory that a tuned connection keeps.
const KEEP: usize = 1 << 20;

/// A server lends larger payloads to the socket.
const COPY: usize = 4 << 10;

pub struct Documented {
    /// The buffer that all connections share.
    buffer: Rc<RefCell<ReadBuffer<Vec<u8>>>>,
}

pub struct Tuned;

impl Documented {
    pub(super) const NAME: &'static str = "websocket-proto, documented";

    pub fn new() -> Self {
        Self { buffer: Rc::new(RefCell::new(ReadBuffer::new(vec![0; READ]))) }
    }

    fn reading<R: websocket_proto::Role + 'static, W: Work>(
        &self,
        mut connection: Connection<R, Vec<u8>, Vec<u8>>,
        mut socket: Socket,
    ) -> Turn {
        let buffer = self.buffer.clone();
        Box::new(move |seen| read_all::<_, W>(&mut connection, &mut buffer.borrow_mut(), &mut socket, seen))
    }
}

impl Contender for Documented {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        let (client, server) = connect(config(receive.deflate, receive.len));
        Some(match receive.role {
            Role::Server => self.reading::<_, See>(server, socket),
            Role::Client => self.reading::<_, See>(client, socket),
        })
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        let (client, server) = connect(config(send.deflate, 0));
        Some(match send.role {
            Role::Server => sending(server, send, socket, true),
            Role::Client => sending(client, send, socket, false),
        })
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        Some(self.reading::<_, Answer>(connect(Config::new()).1, socket))
    }

    fn handshake(&self, mut socket: Socket) -> Option<Turn> {
        let buffer = self.buffer.clone();
        Some(Box::new(move |_| accept(Config::new(), buffer.borrow_mut().room(), &mut socket)))
    }

    fn most_connections(&self) -> usize {
        usize::MAX
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<Connection<Server, Vec<u8>, Vec<u8>>>())
    }
}

impl Tuned {
    fn reading<R: websocket_proto::Role + 'static, W: Work>(
        mut connection: Connection<R, Vec<u8>, Vec<u8>>,
        mut socket: Socket,
    ) -> Turn {
        let mut buffer = ReadBuffer::new(vec![0; OWN]);
        Box::new(move |seen| read_all::<_, W>(&mut connection, &mut buffer, &mut socket, seen))
    }
}

impl Contender for Tuned {
    fn name(&self) -> &'static str {
        "websocket-proto, tuned"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        let (client, server) = connect(config(receive.deflate, receive.len).keep(KEEP));
        Some(match receive.role {
            Role::Server => Self::reading::<_, See>(server, socket),
            Role::Client => Self::reading::<_, See>(client, socket),
        })
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        let (client, server) = connect(config(send.deflate, 0).keep(KEEP));
        Some(match send.role {
            Role::Server => sending(server, send, socket, true),
            Role::Client => sending(client, send, socket, false),
        })
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        Some(Self::reading::<_, AnswerLending>(connect(Config::new().keep(KEEP)).1, socket))
    }

    /// Each connection has its own buffer, so the buffer is allocated here.
    fn handshake(&self, mut socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| accept(Config::new().keep(KEEP), &mut vec![0; OWN], &mut socket)))
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<(Receiver<Server, Vec<u8>>, Sender<Server, Vec<u8>>, ReadBuffer<Vec<u8>>)>())
    }
}

/// The loop of the README. It returns when the socket would block.
#[inline(always)]
fn read_all<R: websocket_proto::Role, W: Work>(
    connection: &mut Connection<R, Vec<u8>, Vec<u8>>,
    buffer: &mut ReadBuffer<Vec<u8>>,
    socket: &mut Socket,
    seen: &mut Seen,
) {
    let Connection { receiver: rx, sender: tx } = connection;
    while let Ok(count) = socket.read(buffer.room_for(rx)) {
        let mut input = buffer.received(count);
        while let Some(event) = rx.next_message(&mut input, tx) {
            W::work(event, tx, socket, seen);
        }
        flush(tx, socket);
    }
}

/// What to do with an event. It is inlined in the loop, so that the event stays in registers.
trait Work {
    fn work<R: websocket_proto::Role>(
        event: Event<'_>,
        tx: &mut Sender<R, Vec<u8>>,
        socket: &mut Socket,
        seen: &mut Seen,
    );
}

struct See;

impl Work for See {
    #[inline(always)]
    fn work<R: websocket_proto::Role>(event: Event<'_>, _: &mut Sender<R, Vec<u8>>, _: &mut Socket, seen: &mut Seen) {
        match event {
            Event::Text(text) => seen.message(Kind::Text, text.as_bytes()),
            Event::Binary(bytes) => seen.message(Kind::Binary, bytes),
            _ => {}
        }
    }
}

struct Answer;

impl Work for Answer {
    #[inline(always)]
    fn work<R: websocket_proto::Role>(event: Event<'_>, tx: &mut Sender<R, Vec<u8>>, _: &mut Socket, _: &mut Seen) {
        match event {
            Event::Text(text) => tx.send_text(text).unwrap(),
            Event::Binary(bytes) => tx.send_binary(bytes).unwrap(),
            _ => {}
        }
    }
}

/// Echoes messages. The socket takes a long answer from the buffer that it was received in.
struct AnswerLending;

impl Work for AnswerLending {
    #[inline(always)]
    fn work<R: websocket_proto::Role>(
        event: Event<'_>,
        tx: &mut Sender<R, Vec<u8>>,
        socket: &mut Socket,
        seen: &mut Seen,
    ) {
        match event {
            Event::Binary(bytes) if bytes.len() > COPY => lend(bytes, tx, socket),
            event => Answer::work(event, tx, socket, seen),
        }
    }
}

fn lend<R: websocket_proto::Role>(payload: &[u8], tx: &mut Sender<R, Vec<u8>>, socket: &mut Socket) {
    let frame = tx.vectored_frame(payload).unwrap();
    let written = socket.write_vectored(&frame.slices()).unwrap();
    frame.sent(written);
}

fn sending<R: websocket_proto::Role + 'static>(
    connection: Connection<R, Vec<u8>, Vec<u8>>,
    send: Send,
    mut socket: Socket,
    lends: bool,
) -> Turn {
    let mut tx = connection.sender;
    if send.kind == Kind::Text {
        let mut texts = Cycle::new(send.payloads.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()));
        return Box::new(move |_| {
            for _ in 0..send.flush {
                tx.send_text(texts.next()).unwrap();
            }
            flush(&mut tx, &mut socket);
        });
    }
    let mut payloads = Cycle::new(send.payloads);
    Box::new(move |_| {
        for _ in 0..send.flush {
            let payload = payloads.next();
            if lends && payload.len() > COPY {
                lend(payload, &mut tx, &mut socket);
            } else {
                tx.send_binary(payload).unwrap();
            }
        }
        flush(&mut tx, &mut socket);
    })
}

/// Writes and flushes as in the README. If the connection ends, the case fails.
fn flush<R: websocket_proto::Role>(tx: &mut Sender<R, Vec<u8>>, socket: &mut Socket) {
    while !tx.is_empty() {
        socket.write_all(tx.pending()).unwrap();
        tx.consume(tx.pending().len());
    }
    socket.flush().unwrap();
    assert!(tx.transport() != Transport::CloseNow, "the connection has ended");
}

fn accept(config: Config, buffer: &mut [u8], socket: &mut Socket) {
    let mut handshake = server::Handshake::new(config);
    while let Ok(count) = socket.read(buffer) {
        if handshake.read(&mut Input::new(&mut buffer[..count])) {
            break;
        }
    }
    let mut connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    flush(&mut connection.sender, socket);
}

/// The configuration for a case whose longest message has this length.
fn config(deflate: Option<Takeover>, len: usize) -> Config {
    let mut config = Config::new();
    if let Some(limit) = limit(len) {
        config = config.max_message(limit as u64);
    }
    match deflate {
        Some(Takeover(true)) => config.deflate(deflate::Config::new()),
        Some(Takeover(false)) => config.deflate(deflate::Config::new().send_takeover(false).receive_takeover(false)),
        None => config,
    }
}

type Ends = (Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>, Connection<Server, Vec<u8>, Vec<u8>>);

fn connect(config: Config) -> Ends {
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    let mut client = client::Handshake::new(config, &request, SystemRandom::new().unwrap()).unwrap();
    let mut server = server::Handshake::new(config);
    assert!(server.read(&mut Input::new(&mut client.pending().to_vec())));
    let mut server = server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();

    let mut response = server.sender.pending().to_vec();
    server.sender.consume(response.len());
    assert!(client.read(&mut Input::new(&mut response)));
    (client.into_response().unwrap().upgrade().unwrap(), server)
}
