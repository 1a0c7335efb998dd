//! websocket-proto, in the two ways to read: into a buffer that is the connection's own, and into one that all connections share. Either
//! way, what a read has brought is answered by one write.

use std::{
    cell::RefCell,
    io::{Read, Write},
    rc::Rc,
};

use websocket_proto::{
    Client, Config, Connection, Event, Input, ReadBuffer, Sender, Server, SystemRandom, Uri, client, deflate::Deflate,
    server,
};

use super::LIMIT;
use crate::{
    contender::{self, Contender, Cycle, Kind, Receive, Role, Seen, Send, Takeover, Turn},
    socket::Socket,
};

/// What one read can bring.
const READ: usize = 64 << 10;

/// A buffer of a connection's own holds a little more than a message that is meant to be left in it.
const OWN: usize = 72 << 10;

/// A server lends larger payloads to the socket.
const COPY: usize = 4 << 10;

/// More output than that is not collected, as it would only leave the cache; others write sooner by themselves.
const ENOUGH: usize = 64 << 10;

/// What a busy connection may keep from one message to the next.
const KEEP: usize = 65 << 20;

pub struct WebsocketProto {
    /// The buffer that all connections share, if they do.
    shared: Option<Rc<RefCell<Vec<u8>>>>,
}

impl WebsocketProto {
    pub fn with_buffers() -> Self {
        Self { shared: None }
    }

    pub fn with_one_buffer() -> Self {
        Self { shared: Some(Rc::new(RefCell::new(vec![0; READ]))) }
    }

    /// Reads all that is there, and does the work for what each read has brought.
    fn reading<R: websocket_proto::Role + 'static, W: Work>(
        &self,
        connection: Connection<R, Vec<u8>, Vec<u8>>,
        mut socket: Socket,
    ) -> Turn {
        let Connection { receiver: mut rx, sender: mut tx } = connection;
        if let Some(shared) = self.shared.clone() {
            return Box::new(move |seen| {
                let buffer = &mut *shared.borrow_mut();
                while let Ok(count) = socket.read(buffer) {
                    let mut input = Input::new(&mut buffer[..count]);
                    while let Some(event) = rx.next_message(&mut input, &mut tx) {
                        W::work(event, &mut tx, seen);
                    }
                    flush(&mut tx, &mut socket);
                }
            });
        }
        let mut buffer = ReadBuffer::new(vec![0; OWN]);
        Box::new(move |seen| {
            while let Ok(count) = socket.read(buffer.room_for(&mut rx)) {
                let mut input = buffer.received(count);
                while let Some(event) = rx.next_message(&mut input, &mut tx) {
                    W::work(event, &mut tx, seen);
                }
                flush(&mut tx, &mut socket);
            }
        })
    }
}

/// What is done with an event, written in the loop itself: there it needn't be moved, and is in registers.
trait Work {
    fn work<R: websocket_proto::Role>(event: Event<'_>, tx: &mut Sender<R, Vec<u8>>, seen: &mut Seen);
}

struct See;

impl Work for See {
    #[inline(always)]
    fn work<R: websocket_proto::Role>(event: Event<'_>, _: &mut Sender<R, Vec<u8>>, seen: &mut Seen) {
        match event {
            Event::Text(text) => seen.message(Kind::Text, text.as_bytes()),
            Event::Binary(bytes) => seen.message(Kind::Binary, bytes),
            Event::Ping(_) | Event::Pong(_) => {}
            _ => panic!("the connection has ended"),
        }
    }
}

struct Answer;

impl Work for Answer {
    #[inline(always)]
    fn work<R: websocket_proto::Role>(event: Event<'_>, tx: &mut Sender<R, Vec<u8>>, _: &mut Seen) {
        match event {
            Event::Text(text) => tx.send_text(text).unwrap(),
            Event::Binary(bytes) => tx.send_binary(bytes).unwrap(),
            Event::Ping(_) | Event::Pong(_) => {}
            _ => panic!("the connection has ended"),
        }
    }
}

impl Contender for WebsocketProto {
    fn name(&self) -> &'static str {
        match self.shared {
            None => "websocket-proto",
            Some(_) => "websocket-proto, one buffer",
        }
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        let (client, server) = connect(receive.deflate);
        Some(match receive.role {
            Role::Server => self.reading::<_, See>(server, socket),
            Role::Client => self.reading::<_, See>(client, socket),
        })
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        let (client, server) = connect(send.deflate);
        Some(match send.role {
            Role::Server => sending(server, send, socket),
            Role::Client => sending(client, send, socket),
        })
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        Some(self.reading::<_, Answer>(connect(None).1, socket))
    }

    fn handshake(&self, mut socket: Socket) -> Option<Turn> {
        let mut buffer = vec![0; READ];
        Some(Box::new(move |_: &mut Seen| {
            let mut handshake = server::Handshake::new(Config::new());
            while let Ok(count) = socket.read(&mut buffer) {
                handshake.read(&mut Input::new(&mut buffer[..count]));
            }
            let mut connection =
                handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
            flush(&mut connection.sender, &mut socket);
        }))
    }

    fn receive_rarely(&self, socket: Socket) -> Option<Turn> {
        // Who shares a buffer has none of his own, and needn't keep anything.
        self.shared.as_ref()?;
        Some(self.reading::<_, See>(connect_as(CONFIG).1, socket))
    }

    fn most_connections(&self) -> usize {
        if self.shared.is_some() { usize::MAX } else { 1000 }
    }

    fn size(&self) -> Option<usize> {
        Some(size_of::<Connection<Server, Vec<u8>, Vec<u8>>>())
    }
}

fn sending<R: websocket_proto::Role + 'static>(
    connection: Connection<R, Vec<u8>, Vec<u8>>,
    send: Send,
    mut socket: Socket,
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
            if send.role == contender::Role::Server && payload.len() > COPY {
                let frame = tx.frame(&payload[..]).unwrap();
                let written = socket.write_vectored(&frame.slices()).unwrap();
                frame.sent(written);
            } else {
                tx.send_binary(payload).unwrap();
            }
            if tx.pending().len() >= ENOUGH {
                flush(&mut tx, &mut socket);
            }
        }
        flush(&mut tx, &mut socket);
    })
}

fn flush<R: websocket_proto::Role>(tx: &mut Sender<R, Vec<u8>>, socket: &mut Socket) {
    while !tx.is_empty() {
        let written = socket.write(tx.pending()).unwrap();
        tx.consume(written);
    }
}

type Ends = (Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>, Connection<Server, Vec<u8>, Vec<u8>>);

const CONFIG: Config = Config::new().max_frame(LIMIT as u64).max_message(LIMIT as u64).high_water(LIMIT);

/// Both ends of a busy connection.
fn connect(deflate: Option<Takeover>) -> Ends {
    let config = CONFIG.keep(KEEP);
    connect_as(match deflate {
        Some(Takeover(takeover)) => config.deflate(Deflate::new().send_takeover(takeover).receive_takeover(takeover)),
        None => config,
    })
}

fn connect_as(config: Config) -> Ends {
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    let mut client = client::Handshake::new(config, &request, SystemRandom::new().unwrap()).unwrap();
    let mut server = server::Handshake::new(config);
    server.read(&mut Input::new(&mut client.pending().to_vec()));
    let mut server = server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();

    let mut response = server.sender.pending().to_vec();
    server.sender.consume(response.len());
    client.read(&mut Input::new(&mut response));
    (client.into_response().unwrap().upgrade().unwrap(), server)
}
