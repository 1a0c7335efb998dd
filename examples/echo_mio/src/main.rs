//! An echo server for many connections: one thread, one event loop.
//!
//! ```text
//! cargo run --release -p echo_mio -- --port 9003
//! ```
//!
//! Each read is answered by one write. All connections share one buffer for reads and one for writes. A connection
//! stores only incomplete messages, answers that wait to be written together, and bytes that the socket does not take,
//! and no longer than necessary. An idle connection has no heap: the thread lends spare memory to those that work.
//!
//! No peer can hold up the others: each has one read per turn. A peer that doesn't take its answers isn't read.
//!
//! Every connection has its own deadlines, and `poll` can wait only for the next one of all. So [`Echo::due`] has one
//! entry for each connection, in the order of time, and the first entry is how long `poll` may wait. An entry may be too
//! early, and is then replaced when it is reached; so a peer that is busy does not change the collection at every turn.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind, Read, Write},
    mem,
    net::{Ipv4Addr, Shutdown, SocketAddr},
    process::{self, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use arguments::Arguments;
use mio::{
    Events, Interest, Poll, Registry, Token, Waker,
    event::Event as Readiness,
    net::{TcpListener, TcpStream},
};
use websocket_proto::{
    Config, Connection, Event, Input, Outcome, ReadBuffer, ServerConnection, Transport, UncleanEnd,
    frame::CloseCode,
    server,
    time::{Patience, TimedOut, Watch},
};

const HELP: &str = "\
An echo server for many connections: one thread, one event loop.

Usage: echo_mio [OPTIONS]

  --port PORT         where to listen on 127.0.0.1; 0 is any free port (9003)
  --patience SECONDS  how long a peer may take over its request (10), over its answer
                      to our Close (10), and to end the stream after that (2)
  --silence SECONDS   how long a peer may be silent before it gets a Ping, and then
                      again before it counts as gone (25); 0 is for ever
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

/// An idle connection keeps no memory, not even for its next small message.
///
/// A peer that reads slowly makes this process hold one message and one read for as long as it likes: it isn't read
/// until it has taken them. They fit the default limits, so sending is never refused.
const CONFIG: Config = Config::new().keep(0);

/// The longest read. All connections share the buffer. A message that fits is never copied when it is received. A
/// longer one is assembled in spare memory of the thread, and most of it is read straight into that memory.
const READ: usize = 512 << 10;

/// Messages of at least this length go back in a vectored write, from the buffer that they were read into. For shorter
/// ones, a copy that stays in the cache is cheaper than the second piece of a write.
const LARGE: usize = 64 << 10;

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait after an accept failed.
const RETRY: Duration = Duration::from_millis(100);

/// A peer without a deadline is looked at so often. Some systems take no longer wait than a month.
const LONGEST: Duration = Duration::from_secs(3600);

/// On Linux, a read that does not fill the buffer has emptied the socket (epoll(7)), and later bytes are reported
/// again. Reading until `WouldBlock` would double the calls. Elsewhere mio requires `WouldBlock` first.
const SHORT_READ_IS_LAST: bool = cfg!(any(target_os = "linux", target_os = "android"));

const LISTENER: Token = Token(usize::MAX);
const SIGNAL: Token = Token(usize::MAX - 1);

fn main() -> ExitCode {
    let (mut port, mut patience) = (9003, Patience::new());
    let mut arguments = Arguments::new(HELP);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--port" => port = arguments.value("a port"),
            "--patience" => {
                let time = arguments.seconds();
                patience = patience.opening(time).closing(time).end(time);
            }
            "--silence" => {
                let time = arguments.seconds();
                patience = patience.silence(time).answer(time);
            }
            _ => arguments.unknown(),
        }
    }
    match Echo::bind(port, patience).and_then(|mut echo| echo.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_mio: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Echo {
    poll: Poll,
    /// `None` while the server is ending.
    listener: Option<TcpListener>,
    started: Instant,
    /// When the last poll returned, since the start.
    now: Duration,
    /// When the server ends, even without all answers.
    ending: Option<Duration>,
    patience: Patience,
    /// A connection may wait: `poll` reports it once, and again only after all were accepted.
    acceptable: bool,
    peers: Vec<Option<Peer>>,
    /// The free places in `peers`.
    free: Vec<usize>,
    /// Peers whose input did not fit one read, and that wait for the next turn; each once.
    unread: Vec<usize>,
    /// An echo while it is written.
    out: Vec<u8>,
    /// When each peer must be looked at, even if nothing happens on its socket.
    due: BTreeSet<(Duration, usize)>,
}

impl Echo {
    fn bind(port: u16, patience: Patience) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), SIGNAL)?;
        let signaled = AtomicBool::new(false);
        ctrlc::set_handler(move || {
            if signaled.swap(true, Ordering::Relaxed) {
                process::exit(1);
            }
            let _ = waker.wake();
        })
        .map_err(io::Error::other)?;
        let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("listening on ws://{}/", listener.local_addr()?);
        Ok(Self {
            poll,
            listener: Some(listener),
            started: Instant::now(),
            now: Duration::ZERO,
            ending: None,
            patience,
            acceptable: false,
            peers: Vec::new(),
            free: Vec::new(),
            unread: Vec::new(),
            out: Vec::new(),
            due: BTreeSet::new(),
        })
    }

    /// Serves until a signal asks the server to end, then until all peers are gone.
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = ReadBuffer::new(vec![0; READ]);
        while self.ending.is_none_or(|ending| self.now < ending && self.free.len() < self.peers.len()) {
            match self.poll.poll(&mut events, self.time_to_wait()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.now = self.started.elapsed();
            // A waiting peer has its turn here, even if there is an event for it.
            let waiting = mem::take(&mut self.unread);
            for readiness in &events {
                match readiness.token() {
                    LISTENER => self.acceptable = true,
                    SIGNAL => self.go_away(),
                    Token(id) => self.notice(id, readiness, &mut buffer),
                }
            }
            for id in waiting {
                self.serve(id, &mut buffer);
            }
            // After the events: what was received counts before what is due.
            while let Some(id) = self.due.first().filter(|(due, _)| *due <= self.now).map(|(_, id)| *id) {
                self.check(id);
            }
            // Last, so that no event for a removed peer reaches the new one in its place.
            self.accept();
        }
        Ok(())
    }

    /// Stops accepting connections, and closes the open ones.
    fn go_away(&mut self) {
        self.listener = None;
        self.ending = Some(self.now + ENDING_PATIENCE);
        for id in 0..self.peers.len() {
            let Some(peer) = &mut self.peers[id] else { continue };
            match &mut peer.state {
                State::Handshake(_) => self.remove(id, None),
                // Fails if either end has closed already.
                State::Open(Connection { sender, .. }) => _ = sender.close(CloseCode::GOING_AWAY, ""),
                State::Draining(_) => {}
            }
            self.check(id);
        }
    }

    fn accept(&mut self) {
        while self.acceptable {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((socket, address)) => {
                    let id = self.free.pop().unwrap_or(self.peers.len());
                    if id == self.peers.len() {
                        self.peers.push(None);
                    }
                    let watch = Watch::new(self.patience, self.now);
                    // The connection may be gone already; then there is no peer.
                    match Peer::new(socket, address, Token(id), self.poll.registry(), watch) {
                        Ok(peer) => {
                            self.peers[id] = Some(peer);
                            self.check(id);
                        }
                        Err(_) => self.free.push(id),
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.acceptable = false,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Most likely there are no file descriptors left. A later turn tries again.
                    _ => break,
                },
            }
        }
    }

    fn notice(&mut self, id: usize, readiness: &Readiness, buffer: &mut ReadBuffer<Vec<u8>>) {
        let Some(Some(peer)) = self.peers.get_mut(id) else { return };
        peer.notice(readiness);
        if !peer.waits {
            self.serve(id, buffer);
        }
    }

    fn serve(&mut self, id: usize, buffer: &mut ReadBuffer<Vec<u8>>) {
        let Some(Some(peer)) = self.peers.get_mut(id) else { return };
        match peer.turn(buffer, &mut self.out, self.now) {
            Ok(waits) => peer.waits = waits,
            // The connection is lost: there is nobody to tell.
            Err(_) => return self.remove(id, None),
        }
        if peer.waits {
            self.unread.push(id);
        }
        self.check(id);
    }

    /// Looks at a peer's deadlines, and notes when to look again.
    fn check(&mut self, id: usize) {
        let Some(Some(peer)) = self.peers.get_mut(id) else { return };
        let wait = match peer.check(self.now) {
            Ok(wait) => wait,
            Err(timed_out) => return self.remove(id, Some(timed_out)),
        };
        let due = self.now + wait.unwrap_or(LONGEST).min(LONGEST);
        // If it is later than the entry, the entry is replaced when it is reached.
        if due < peer.due || peer.due <= self.now {
            self.due.remove(&(peer.due, id));
            self.due.insert((due, id));
            peer.due = due;
        }
    }

    fn remove(&mut self, id: usize, timed_out: Option<TimedOut>) {
        // Closing a socket also deregisters it.
        let Some(peer) = self.peers[id].take() else { return };
        peer.log(timed_out);
        self.due.remove(&(peer.due, id));
        self.free.push(id);
    }

    /// How long to wait for events.
    fn time_to_wait(&self) -> Option<Duration> {
        if !self.unread.is_empty() {
            return Some(Duration::ZERO);
        }
        let retry = self.acceptable.then_some(self.now + RETRY);
        let due = self.due.first().map(|(due, _)| *due);
        let next = [retry, due, self.ending].into_iter().flatten().min()?;
        Some(next.saturating_sub(self.started.elapsed()))
    }
}

struct Peer {
    socket: TcpStream,
    address: SocketAddr,
    state: State,
    watch: Watch,
    /// Its entry in [`Echo::due`].
    due: Duration,
    /// There may be something to read: `poll` reports it once, and again only after all was read.
    readable: bool,
    /// The peer is in `unread`.
    waits: bool,
    /// The socket did not take all bytes: `poll` reports when it takes more.
    stuck: bool,
    /// The end of the stream can be read.
    ended: bool,
}

enum State {
    Handshake(server::Handshake<Vec<u8>, Vec<u8>>),
    Open(ServerConnection),
    /// We ended the stream. Closing a socket with unread bytes resets it, and the reset may overtake our last bytes. So
    /// they are read and dropped. How the connection ended is known.
    Draining(Outcome),
}

impl Peer {
    fn new(
        mut socket: TcpStream,
        address: SocketAddr,
        token: Token,
        registry: &Registry,
        watch: Watch,
    ) -> io::Result<Self> {
        // Every write is whole messages: waiting for more would only delay them.
        socket.set_nodelay(true)?;
        // Both, once: an unneeded event costs less than a change of the interest.
        registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            socket,
            address,
            state: State::Handshake(server::Handshake::new(CONFIG)),
            watch,
            due: Duration::MAX,
            readable: false,
            waits: false,
            stuck: false,
            ended: false,
        })
    }

    fn notice(&mut self, readiness: &Readiness) {
        self.ended |= readiness.is_read_closed() || readiness.is_error();
        self.readable |= readiness.is_readable() || self.ended;
    }

    /// Writes the pending bytes. If the socket takes all, reads once and answers. Returns whether more can be read
    /// without waiting.
    fn turn(&mut self, buffer: &mut ReadBuffer<Vec<u8>>, out: &mut Vec<u8>, now: Duration) -> io::Result<bool> {
        if self.stuck {
            self.flush(now)?;
        }
        if self.stuck || !self.readable {
            return Ok(false);
        }
        let room = match &mut self.state {
            State::Open(connection) => buffer.room_for(&mut connection.receiver),
            _ => buffer.room(),
        };
        let most = room.len();
        let n = match self.socket.read(room) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            result => result?,
        };
        // The end is reported only once, and may follow the bytes that were just read.
        self.readable = n == most || n > 0 && (self.ended || !SHORT_READ_IS_LAST);
        if n > 0 {
            self.watch.heard(now);
        }
        self.answer(buffer.received(n), out, now)?;
        self.flush(now)?;
        Ok(self.readable && !self.stuck)
    }

    /// Answers the received bytes.
    fn answer(&mut self, mut input: Input<'_>, out: &mut Vec<u8>, now: Duration) -> io::Result<()> {
        if let State::Handshake(handshake) = &mut self.state {
            if !handshake.read(&mut input) {
                return Ok(());
            }
            let handshake = mem::replace(handshake, server::Handshake::new(CONFIG));
            // A response is short, and a fresh socket has space for it.
            match handshake.into_request().and_then(server::Request::upgrade) {
                Ok(upgrade) => {
                    let mut connection = upgrade.accept(&server::Accept::new())?;
                    self.socket.write_all(connection.sender.pending())?;
                    connection.sender.consume(usize::MAX);
                    self.state = State::Open(connection);
                }
                Err(refusal) => {
                    let mut response = Vec::new();
                    refusal.response().write(&mut response)?;
                    self.socket.write_all(&response)?;
                    self.end(refusal.into())?;
                }
            }
        }
        // No `else`: the first frames may arrive in one read with the request.
        let State::Open(Connection { receiver, sender }) = &mut self.state else { return Ok(()) };
        while let Some(event) = receiver.next_message(&mut input, sender) {
            if let Event::Pong(payload) = event {
                self.watch.pong(payload, now);
            }
            let Some(message) = event.message() else { continue };
            // Messages may arrive after our Close.
            if !sender.is_open() {
                continue;
            }
            if !sender.is_empty() || !input.is_empty() {
                // Small answers are collected, and written at once.
                sender.send(message)?;
                continue;
            }
            let frame = sender.vectored_frame(message)?;
            let written = if message.as_bytes().len() < LARGE {
                // Not into the sender, which would have to allocate for it.
                out.clear();
                frame.parts().iter().for_each(|part| out.extend_from_slice(part));
                taken(|| self.socket.write(out))
            } else {
                taken(|| self.socket.write_vectored(&frame.slices()))
            }?;
            // The unwritten rest is copied into the sender, and pending.
            frame.sent(written);
            self.watch.wrote(written, sender.backlog(), now);
        }
        Ok(())
    }

    /// Writes the pending bytes, and ends the stream if nothing more follows.
    fn flush(&mut self, now: Duration) -> io::Result<()> {
        let State::Open(connection) = &mut self.state else { return Ok(()) };
        let sender = &mut connection.sender;
        while !sender.is_empty() {
            let n = taken(|| self.socket.write(sender.pending()))?;
            if n == 0 {
                break;
            }
            sender.consume(n);
            self.watch.wrote(n, sender.backlog(), now);
        }
        self.stuck = !sender.is_empty();
        if sender.transport() == Transport::CloseNow {
            let outcome = connection.outcome();
            self.end(outcome)?;
        }
        Ok(())
    }

    /// Checks the deadlines, which may send a Ping. Returns how long until the next check.
    fn check(&mut self, now: Duration) -> Result<Option<Duration>, TimedOut> {
        let wait = match &mut self.state {
            State::Handshake(_) => self.watch.check_opening(now),
            State::Open(Connection { sender, .. }) => {
                self.watch.reading(!self.stuck, now);
                self.watch.check(sender, now)
            }
            State::Draining(_) => self.watch.check_end(now),
        }?;
        if !self.stuck {
            // If the socket is lost, the next read finds it.
            let _ = self.flush(now);
        }
        Ok(wait)
    }

    /// Nothing more will be written.
    fn end(&mut self, outcome: Outcome) -> io::Result<()> {
        self.state = State::Draining(outcome);
        self.socket.shutdown(Shutdown::Write)
    }

    /// One line for each connection.
    fn log(&self, timed_out: Option<TimedOut>) {
        let outcome = match &self.state {
            State::Handshake(_) => UncleanEnd::WithoutClose.into(),
            State::Open(connection) => connection.outcome(),
            State::Draining(outcome) => *outcome,
        };
        let outcome = outcome.or_timed_out(timed_out);
        let mut line = format!("{}: {outcome}", self.address);
        if let Some(time) = self.watch.smoothed_round_trip() {
            line += &format!("; round trip {time:.1?}");
        }
        // Unlike `eprintln!` this does not panic when nobody listens.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// How many bytes a socket took: 0 when it is full. An event reports when it has space again.
fn taken(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            // There is always something to write, so 0 is not a success.
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
