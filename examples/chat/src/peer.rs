//! One socket, from its handshake to its end.
//!
//! ```text
//!                 ┌──▶ WebSocket ──┐
//!   Handshake ────┤                ├──▶ Draining ──▶ Gone
//!                 └──▶ Response ───┘
//! ```
//!
//! Each state has a deadline, which the [`Watch`] knows. A lost connection leads from every state to `Gone`.

use std::{
    io::{self, ErrorKind, Read, Write},
    mem,
    net::{Shutdown, SocketAddr},
    time::Duration,
};

use mio::{Interest, Registry, Token, net::TcpStream};
use websocket_proto::{
    Config, Connection, Event, Input, Kind, Message, Outcome, SendError, Transport,
    deflate::{self, Prepared},
    frame::CloseCode,
    server,
    time::{TimedOut, Watch},
};

use crate::{
    http::{self, Answer, WebSocket},
    room::{self, Id, MAX_PICTURE},
};

/// A picture is one message. Four of them may wait for a peer that reads slowly; a fifth ends its connection.
pub(crate) static CONFIG: Config = Config::new()
    .max_message(MAX_PICTURE as u64)
    .high_water(4 * MAX_PICTURE + (64 << 10))
    // Without context takeover, in both directions. A message to the room is compressed once for all members, so it
    // can't refer to earlier messages of one member. And a silent member holds no compressor.
    .deflate(deflate::Config::new().send_takeover(false).receive_takeover(false));

/// How many bytes a peer may send at once, and how many more each second; each message counts some bytes extra. A peer
/// over the limit is not read for a while, and TCP holds it back. Otherwise one peer could flood the room, and everyone
/// who reads more slowly would be disconnected.
const BURST: usize = 2 * MAX_PICTURE;
const BURST_PER_SECOND: usize = MAX_PICTURE / 2;
const MESSAGE_WEIGHT: usize = 16 << 10;

// The codes that stand for a missing code and a missing Close (RFC 6455 §7.4.1).
const NO_CODE: u16 = 1005;
const NO_CLOSE: u16 = 1006;

pub(crate) struct Peer {
    socket: TcpStream,
    address: SocketAddr,
    /// Its name in the room, after it has left.
    pub(crate) name: String,
    state: State,
    watch: Watch,
    /// The events that `poll` was asked to report.
    interest: Interest,
    /// There may be something to read: `poll` reports it once, and again only after all was read.
    readable: bool,
    /// How much of the [`BURST`] is used, in bytes from the socket.
    came: usize,
    /// The same in bytes of messages: compressed ones can be a thousand times as long as the bytes from the socket.
    heard: usize,
    savings: Savings,
    /// Why the connection ended, if it did: a close code as browsers report it, and a reason.
    ending: Option<(u16, String)>,
    /// How the WebSocket ended, if there was one.
    outcome: Option<Outcome>,
}

enum State {
    Handshake(server::Handshake<Vec<u8>, Vec<u8>>),
    /// A response that is not a WebSocket: its unwritten rest.
    Response(Vec<u8>),
    /// Open, or in the closing handshake.
    WebSocket(WebSocket),
    /// We ended the stream. Closing a socket with unread bytes would reset the connection, and the peer might lose our
    /// last bytes. So they are read and dropped.
    Draining,
    Gone,
}

impl Peer {
    pub(crate) fn new(
        mut socket: TcpStream,
        address: SocketAddr,
        id: Id,
        registry: &Registry,
        watch: Watch,
    ) -> io::Result<Self> {
        // Every write is whole messages: waiting for more would only delay them.
        socket.set_nodelay(true)?;
        registry.register(&mut socket, Token(id), Interest::READABLE)?;
        Ok(Self {
            socket,
            address,
            name: String::new(),
            state: State::Handshake(server::Handshake::new(CONFIG)),
            watch,
            interest: Interest::READABLE,
            readable: false,
            came: 0,
            heard: 0,
            savings: Savings::default(),
            ending: None,
            outcome: None,
        })
    }

    /// Handles an event of `poll` for this socket.
    pub(crate) fn notice(&mut self) {
        // Reading tells the end of the stream and errors, too.
        self.readable = true;
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.readable && self.may_be_read()
    }

    fn may_be_read(&self) -> bool {
        self.came < BURST && self.heard < BURST
    }

    /// Reads once, and calls `hear` with each message.
    pub(crate) fn read(
        &mut self,
        buf: &mut [u8],
        origins: &[String],
        now: Duration,
        mut hear: impl FnMut(Message<'_>),
    ) {
        let n = match self.socket.read(buf) {
            Ok(0) => return self.end_of_input(),
            Ok(n) => n,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => return self.readable = false,
                ErrorKind::Interrupted => return,
                _ => return self.lose(None),
            },
        };
        let mut input = Input::new(&mut buf[..n]);
        self.came += n;
        self.watch.heard(now);
        if let State::Handshake(handshake) = &mut self.state
            && handshake.read(&mut input)
        {
            let handshake = mem::replace(handshake, server::Handshake::new(CONFIG));
            match self.socket.local_addr() {
                Ok(here) => self.answer(http::answer(handshake.into_request(), here, origins)),
                Err(_) => self.lose(None),
            }
        }
        let mut ending = None;
        // No `else`: the first frames may arrive in one read with the request.
        if let State::WebSocket(Connection { receiver, sender }) = &mut self.state {
            while let Some(event) = receiver.next_message(&mut input, sender) {
                self.heard += MESSAGE_WEIGHT;
                if let Some(message) = event.message() {
                    self.heard += message.as_bytes().len();
                    // After our Close, messages may still arrive; they are ignored.
                    if sender.is_open() {
                        hear(message);
                    }
                }
                match event {
                    Event::Close { code, reason, .. } => {
                        ending = Some((code.map_or(NO_CODE, CloseCode::get), reason.to_owned()));
                    }
                    Event::Failed(failure) => {
                        ending = Some((failure.close_code().get(), failure.reason().to_owned()));
                    }
                    _ => {}
                }
            }
        }
        if let Some((code, reason)) = ending {
            self.end(code, reason);
        }
    }

    fn end_of_input(&mut self) {
        self.readable = false;
        match &self.state {
            // After its request or its Close, a peer may end its half of the stream. It still waits for the answer.
            State::Response(_) => {}
            State::WebSocket(connection) if connection.receiver.end_of_input().is_ok() => {}
            _ => self.lose(None),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.state = match answer {
            Answer::WebSocket(connection) => State::WebSocket(connection),
            Answer::Response(bytes) => State::Response(bytes),
        };
    }

    /// Sends a message, if this is an open WebSocket.
    pub(crate) fn send(&mut self, message: &Prepared) {
        let State::WebSocket(Connection { sender, .. }) = &mut self.state else { return };
        // Pictures are compressed already: compressing them again would cost time and save nothing.
        sender.compress(message.kind() == Kind::Text);
        let (code, reason) = match sender.send_prepared(message) {
            Ok(()) => {
                if sender.compression().is_some() {
                    self.savings.add(message);
                }
                return;
            }
            Err(SendError::Closing) => return,
            // The messages that wait for this peer take our memory.
            Err(SendError::Backlog { .. }) => (CloseCode::POLICY_VIOLATION, "reads too slowly"),
            Err(_) => (CloseCode::INTERNAL_ERROR, "no memory for a message"),
        };
        // Fails only if a Close was sent or received already.
        let _ = sender.close(code, reason);
        self.end(code.get(), reason.to_owned());
    }

    /// The server ends: closes a WebSocket in order and a handshake at once. The page is still sent.
    pub(crate) fn go_away(&mut self) {
        match &mut self.state {
            State::Handshake(_) => self.lose(None),
            State::WebSocket(Connection { sender, .. }) => {
                // Fails only if a Close was sent or received already.
                let _ = sender.close(CloseCode::GOING_AWAY, "");
                self.end(CloseCode::GOING_AWAY.get(), String::new());
            }
            State::Response(_) | State::Draining | State::Gone => {}
        }
    }

    /// Called every second.
    pub(crate) fn tick(&mut self) {
        self.came = self.came.saturating_sub(BURST_PER_SECOND);
        self.heard = self.heard.saturating_sub(BURST_PER_SECOND);
        self.tell_savings();
    }

    /// Checks the deadline of the state, which may send a Ping. Returns how long until the next check.
    pub(crate) fn check(&mut self, now: Duration) -> Option<Duration> {
        self.watch.reading(self.may_be_read(), now);
        let checked = match &mut self.state {
            State::Handshake(_) => self.watch.check_opening(now),
            State::WebSocket(Connection { sender, .. }) => self.watch.check(sender, now),
            State::Response(bytes) => self.watch.check_with(Transport::Closing, bytes.len(), now, |_| false),
            State::Draining => self.watch.check_end(now),
            State::Gone => Ok(None),
        };
        match checked {
            Ok(wait) => return wait,
            Err(TimedOut::Opening) => self.answer(http::timeout()),
            Err(timed_out) => self.lose(Some(timed_out)),
        }
        None
    }

    fn tell_savings(&mut self) {
        let State::WebSocket(Connection { sender, .. }) = &mut self.state else { return };
        if let Some((plain, sent)) = self.savings.news() {
            // Refused only when the backlog is long or the connection is over; then the figures are not needed.
            let _ = sender.send_text(&room::saved(plain, sent));
        }
    }

    /// Writes as many pending bytes as the socket takes. When all are written, goes to the next state.
    pub(crate) fn settle(&mut self, id: Id, registry: &Registry, now: Duration) {
        if self.write(id, registry, now).is_err() {
            self.lose(None);
        }
        let finished = match &self.state {
            State::Response(bytes) => bytes.is_empty(),
            State::WebSocket(connection) => connection.sender.transport() == Transport::CloseNow,
            _ => false,
        };
        if finished {
            let shut = self.socket.shutdown(Shutdown::Write);
            self.go_on(if shut.is_ok() { State::Draining } else { State::Gone }, None);
        }
    }

    fn write(&mut self, id: Id, registry: &Registry, now: Duration) -> io::Result<()> {
        while !self.pending().is_empty() {
            match (&self.socket).write(self.pending()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.consume(n, now),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        let mut interest = Interest::READABLE;
        if !self.pending().is_empty() {
            interest |= Interest::WRITABLE;
        }
        if interest != self.interest {
            registry.reregister(&mut self.socket, Token(id), interest)?;
            self.interest = interest;
        }
        Ok(())
    }

    fn pending(&self) -> &[u8] {
        match &self.state {
            State::Response(bytes) => bytes,
            State::WebSocket(connection) => connection.sender.pending(),
            _ => &[],
        }
    }

    fn consume(&mut self, count: usize, now: Duration) {
        match &mut self.state {
            State::Response(bytes) => drop(bytes.drain(..count)),
            State::WebSocket(connection) => connection.sender.consume(count),
            _ => {}
        }
        self.watch.wrote(count, self.pending().len(), now);
    }

    /// The connection is over, though some bytes may still be unwritten.
    fn end(&mut self, code: u16, reason: String) {
        self.ending.get_or_insert((code, reason));
    }

    /// Nothing more can be read or written.
    fn lose(&mut self, timed_out: Option<TimedOut>) {
        self.go_on(State::Gone, timed_out);
        self.end(NO_CLOSE, String::new());
    }

    fn go_on(&mut self, state: State, timed_out: Option<TimedOut>) {
        if let State::WebSocket(connection) = mem::replace(&mut self.state, state) {
            let outcome = connection.outcome();
            self.outcome = Some(outcome.or_timed_out(timed_out));
        }
    }

    /// One line for each WebSocket: who has left, and how.
    pub(crate) fn log(&self) {
        let Some(outcome) = self.outcome else { return };
        // Unlike `eprintln!` this does not panic when nobody listens.
        let _ = writeln!(io::stderr(), "{} {:?}: {outcome}", self.address, self.name);
    }

    pub(crate) fn ending(&self) -> Option<(u16, &str)> {
        self.ending.as_ref().map(|(code, reason)| (*code, reason.as_str()))
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }
}

/// What compression saved in texts to a peer. Pictures don't count: they are compressed already and would hide the
/// effect.
#[derive(Default)]
struct Savings {
    plain: u64,
    sent: u64,
    /// The savings at the last report.
    told: u64,
}

impl Savings {
    fn add(&mut self, message: &Prepared) {
        if message.kind() == Kind::Text {
            let len = message.as_bytes().len();
            // A peer with a smaller window gets a form of its own, a little longer. The difference is ignored.
            self.plain += len as u64;
            self.sent += message.compressed_len().unwrap_or(len) as u64;
        }
    }

    /// The bytes of text and the bytes that were sent for them, if more was saved since the last call.
    fn news(&mut self) -> Option<(u64, u64)> {
        let saved = self.plain - self.sent;
        let is_news = saved > mem::replace(&mut self.told, saved);
        is_news.then_some((self.plain, self.sent))
    }
}
