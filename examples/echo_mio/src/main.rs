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

use std::{
    collections::VecDeque,
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
use websocket_proto::{Config, Connection, Input, ReadBuffer, Server, Transport, frame::CloseCode, server};

const HELP: &str = "\
An echo server for many connections: one thread, one event loop.

Usage: echo_mio [--port PORT] [--patience SECONDS]

  --port PORT         where to listen on 127.0.0.1; 0 is any free port (9003)
  --patience SECONDS  how long a peer may take over its handshake, and over the end
                      of its connection (10)
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

/// On Linux, a read that does not fill the buffer has emptied the socket (epoll(7)), and later bytes are reported
/// again. Reading until `WouldBlock` would double the calls. Elsewhere mio requires `WouldBlock` first.
const SHORT_READ_IS_LAST: bool = cfg!(any(target_os = "linux", target_os = "android"));

const LISTENER: Token = Token(usize::MAX);
const SIGNAL: Token = Token(usize::MAX - 1);

fn main() -> ExitCode {
    let (mut port, mut patience) = (9003, 10);
    let mut arguments = Arguments::new(HELP);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--port" => port = arguments.value("a port"),
            "--patience" => patience = arguments.value::<u32>("a number of seconds"),
            _ => arguments.unknown(),
        }
    }
    match Echo::bind(port, Duration::from_secs(patience.into())).and_then(|mut echo| echo.run()) {
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
    /// When the server ends, even without all answers.
    ending: Option<Instant>,
    /// How long an opening or closing handshake may take.
    patience: Duration,
    /// A connection may wait: `poll` reports it once, and again only after all were accepted.
    acceptable: bool,
    peers: Vec<Option<Peer>>,
    /// The free places in `peers`.
    free: Vec<usize>,
    /// Peers whose input did not fit one read, and that wait for the next turn; each once.
    unread: Vec<usize>,
    /// An echo while it is written.
    out: Vec<u8>,
    /// The deadline of each peer. All peers have the same time, so the deadlines are in order.
    deadlines: VecDeque<(Instant, usize)>,
}

impl Echo {
    fn bind(port: u16, patience: Duration) -> io::Result<Self> {
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
            ending: None,
            patience,
            acceptable: false,
            peers: Vec::new(),
            free: Vec::new(),
            unread: Vec::new(),
            out: Vec::new(),
            deadlines: VecDeque::new(),
        })
    }

    /// Serves until a signal asks the server to end, then until all peers are gone.
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = ReadBuffer::new(vec![0; READ]);
        loop {
            let mut time = self.time_to_wait();
            if let Some(ending) = self.ending {
                let remaining = ending.saturating_duration_since(Instant::now());
                if remaining.is_zero() || self.free.len() == self.peers.len() {
                    return Ok(());
                }
                time = Some(time.map_or(remaining, |time| time.min(remaining)));
            }
            match self.poll.poll(&mut events, time) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
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
            // Last, so that no event for a removed peer reaches the new one in its place.
            self.accept();
        }
    }

    /// Stops accepting connections, and closes the open ones.
    fn go_away(&mut self) {
        self.listener = None;
        self.ending = Some(Instant::now() + ENDING_PATIENCE);
        for id in 0..self.peers.len() {
            let Some(peer) = &mut self.peers[id] else { continue };
            match peer.go_away() {
                Ok(()) => self.deadlines.extend(peer.deadline.map(|deadline| (deadline, id))),
                Err(_) => self.remove(id),
            }
        }
    }

    fn accept(&mut self) {
        while self.acceptable {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((socket, _)) => {
                    let id = self.free.pop().unwrap_or(self.peers.len());
                    if id == self.peers.len() {
                        self.peers.push(None);
                    }
                    // The connection may be gone already; then there is no peer.
                    match Peer::new(socket, id, self.poll.registry(), self.patience) {
                        Ok(peer) => {
                            self.deadlines.extend(peer.deadline.map(|deadline| (deadline, id)));
                            self.peers[id] = Some(peer);
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
        let deadline = peer.deadline;
        match peer.turn(buffer, &mut self.out) {
            Ok(waits) => peer.waits = waits,
            // The connection is lost, or must end: there is nobody to tell.
            Err(_) => return self.remove(id),
        }
        if peer.waits {
            self.unread.push(id);
        }
        if peer.deadline != deadline {
            self.deadlines.extend(peer.deadline.map(|deadline| (deadline, id)));
        }
    }

    fn remove(&mut self, id: usize) {
        // Closing a socket also deregisters it.
        self.peers[id] = None;
        self.free.push(id);
    }

    /// How long to wait for events.
    fn time_to_wait(&mut self) -> Option<Duration> {
        let remaining = self.end_overdue();
        if !self.unread.is_empty() {
            Some(Duration::ZERO)
        } else if self.acceptable {
            Some(remaining.map_or(RETRY, |remaining| remaining.min(RETRY)))
        } else {
            remaining
        }
    }

    /// Removes overdue peers. Returns how long until the next deadline.
    fn end_overdue(&mut self) -> Option<Duration> {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            // A peer that met this deadline, or is gone, has another deadline or none.
            if self.peers[id].as_ref().is_some_and(|peer| peer.deadline == Some(deadline)) {
                let remaining = deadline.saturating_duration_since(Instant::now());
                if !remaining.is_zero() {
                    return Some(remaining);
                }
                self.remove(id);
            }
            self.deadlines.pop_front();
        }
        None
    }
}

struct Peer {
    socket: TcpStream,
    state: State,
    /// There may be something to read: `poll` reports it once, and again only after all was read.
    readable: bool,
    /// The peer is in `unread`.
    waits: bool,
    /// The socket did not take all bytes: `poll` reports when it takes more.
    stuck: bool,
    /// The end of the stream can be read.
    ended: bool,
    /// When the state has lasted too long; `None` for an open connection.
    deadline: Option<Instant>,
    /// How long an opening or closing handshake may take.
    patience: Duration,
}

enum State {
    Handshake(server::Handshake<Vec<u8>, Vec<u8>>),
    Open(Connection<Server, Vec<u8>, Vec<u8>>),
    /// We ended the stream. Closing a socket with unread bytes resets it, and the reset may overtake our last bytes. So
    /// they are read and dropped.
    Draining,
}

impl Peer {
    fn new(mut socket: TcpStream, id: usize, registry: &Registry, patience: Duration) -> io::Result<Self> {
        // Every write is whole messages: waiting for more would only delay them.
        socket.set_nodelay(true)?;
        // Both, once: an unneeded event costs less than a change of the interest.
        registry.register(&mut socket, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        let state = State::Handshake(server::Handshake::new(CONFIG));
        Ok(Self {
            socket,
            state,
            readable: false,
            waits: false,
            stuck: false,
            ended: false,
            deadline: Some(Instant::now() + patience),
            patience,
        })
    }

    fn notice(&mut self, readiness: &Readiness) {
        self.ended |= readiness.is_read_closed() || readiness.is_error();
        self.readable |= readiness.is_readable() || self.ended;
    }

    /// Writes the pending bytes. If the socket takes all, reads once and answers. Returns whether more can be read
    /// without waiting.
    fn turn(&mut self, buffer: &mut ReadBuffer<Vec<u8>>, out: &mut Vec<u8>) -> io::Result<bool> {
        if self.stuck {
            self.flush()?;
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
        self.answer(buffer.received(n), out)?;
        self.flush()?;
        Ok(self.readable && !self.stuck)
    }

    /// Answers the received bytes.
    fn answer(&mut self, mut input: Input<'_>, out: &mut Vec<u8>) -> io::Result<()> {
        if let State::Handshake(handshake) = &mut self.state {
            if !handshake.read(&mut input) {
                return Ok(());
            }
            let handshake = mem::replace(handshake, server::Handshake::new(CONFIG));
            match handshake.into_request().and_then(server::Request::upgrade) {
                Ok(upgrade) => {
                    let mut connection = upgrade.accept(&server::Accept::new()).map_err(io::Error::other)?;
                    let written = taken(|| self.socket.write(connection.sender.pending()))?;
                    connection.sender.consume(written);
                    self.deadline = None;
                    self.state = State::Open(connection);
                }
                Err(refusal) => {
                    let mut response = Vec::new();
                    refusal.response().write(&mut response).map_err(io::Error::other)?;
                    // A response is short, and a fresh socket has space for it.
                    self.socket.write_all(&response)?;
                    self.end()?;
                }
            }
        }
        // No `else`: the first frames may arrive in one read with the request.
        let State::Open(Connection { receiver, sender }) = &mut self.state else { return Ok(()) };
        while let Some(event) = receiver.next_message(&mut input, sender) {
            let Some(message) = event.message() else { continue };
            // Messages may arrive after our Close.
            if !sender.is_open() {
                continue;
            }
            if !sender.is_empty() || !input.is_empty() {
                // Small answers are collected, and written at once.
                sender.send(message).map_err(io::Error::other)?;
                continue;
            }
            let frame = sender.vectored_frame(message).map_err(io::Error::other)?;
            let written = if message.as_bytes().len() < LARGE {
                // Not into the sender, which would have to allocate for it.
                out.clear();
                frame.parts().iter().for_each(|part| out.extend_from_slice(part));
                taken(|| self.socket.write(out))
            } else {
                taken(|| self.socket.write_vectored(&frame.slices()))
            };
            // The unwritten rest is copied into the sender, and pending.
            frame.sent(written?);
        }
        Ok(())
    }

    /// Writes the pending bytes, and ends the stream if nothing more follows.
    fn flush(&mut self) -> io::Result<()> {
        let State::Open(Connection { sender, .. }) = &mut self.state else { return Ok(()) };
        while !sender.is_empty() {
            match taken(|| self.socket.write(sender.pending()))? {
                0 => break,
                n => sender.consume(n),
            }
        }
        self.stuck = !sender.is_empty();
        match sender.transport() {
            Transport::Open => {}
            Transport::CloseNow => self.end()?,
            // A peer that doesn't take our Close gets no more time than this.
            Transport::Closing | Transport::AwaitEnd => self.arm(),
        }
        Ok(())
    }

    /// The server ends: closes a connection in order and a handshake at once.
    fn go_away(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Handshake(_) => Err(ErrorKind::ConnectionAborted.into()),
            State::Open(Connection { sender, .. }) => {
                // Fails if either end has closed already.
                let _ = sender.close(CloseCode::GOING_AWAY, "");
                self.flush()
            }
            State::Draining => Ok(()),
        }
    }

    /// Nothing more will be written.
    fn end(&mut self) -> io::Result<()> {
        self.arm();
        self.state = State::Draining;
        self.socket.shutdown(Shutdown::Write)
    }

    fn arm(&mut self) {
        self.deadline.get_or_insert_with(|| Instant::now() + self.patience);
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
