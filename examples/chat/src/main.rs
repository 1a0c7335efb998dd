//! A chat room: one process, one thread, one port for the page and the WebSocket.
//!
//! ```text
//! cargo run --release -p chat
//! ```
//!
//! | file | what it is |
//! |-|-|
//! | `main.rs` | the event loop: which sockets to read, which messages go to whom |
//! | [`peer.rs`](peer) | one socket, from its handshake to its end |
//! | [`http.rs`](http) | the answer to a request: the page, the WebSocket, a refusal |
//! | [`room.rs`](room) | names and messages; knows nothing of sockets |
//! | `index.html` | the page; its script begins with the room's protocol |

mod http;
mod peer;
mod room;

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{self, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use arguments::Arguments;
use mio::{Events, Interest, Poll, Token, Waker, net::TcpListener};
use websocket_proto::time::{Patience, Watch};

use peer::Peer;
use room::{Id, Post, Room};

const HELP: &str = "\
A chat room in the browser.

Usage: chat [OPTIONS]

  --listen ADDR:PORT  where to listen; port 0 is any free one (127.0.0.1:9001)
  --origin URL        another address of the page, by a name or through a proxy,
                      such as https://chat.example.com (repeatable)
  --patience SECONDS  how long a browser may take over its request (10), over its answer
                      to a Close (10), and to end the stream after that (2)
  --silence SECONDS   how long a browser may be silent before it gets a Ping, and then
                      again before it counts as gone (25); 0 is for ever
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

/// Further connections wait in the kernel's queue until others end. With [`peer::CONFIG`] this limits the memory that
/// peers can make this process use.
const MAX_PEERS: usize = 256;

/// The limit for messages per second depends on it.
const TICK: Duration = Duration::from_secs(1);

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

const LISTENER: Token = Token(0);
const SIGNAL: Token = Token(1);

fn main() -> ExitCode {
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9001));
    let mut origins = Vec::new();
    let mut patience = Patience::new();
    let mut arguments = Arguments::new(HELP);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--listen" => listen = arguments.value("ADDR:PORT, such as 0.0.0.0:9001"),
            "--origin" => {
                let url: String = arguments.value("a URL");
                let origin = http::origin_of(&url).unwrap_or_else(|| {
                    arguments.wrong(&format!("--origin needs a URL, such as https://chat.example.com, not {url:?}"))
                });
                origins.push(origin.to_owned());
            }
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
    let mut server = match Server::bind(listen, origins, patience) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("chat: cannot listen on {listen}: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Unlike `println!` this does not panic when nobody listens.
    let _ = writeln!(io::stdout(), "open {}", server.url());
    match server.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Server {
    poll: Poll,
    /// `None` while the server is ending.
    listener: Option<TcpListener>,
    started: Instant,
    /// When the last poll returned, since the start.
    now: Duration,
    /// When the server ends, even without all answers.
    ending: Option<Duration>,
    patience: Patience,
    /// The origins that the page may have, besides this server.
    origins: Vec<String>,
    peers: BTreeMap<Id, Peer>,
    /// Ids are not used twice. So a message for a peer that left never reaches another one.
    next_id: Id,
    room: Room,
    /// A connection may wait: `poll` reports it once, and again only after all were accepted.
    acceptable: bool,
    next_tick: Duration,
    /// The next deadline of a peer, but not later than the next tick.
    due: Duration,
}

impl Server {
    fn bind(listen: SocketAddr, origins: Vec<String>, patience: Patience) -> io::Result<Self> {
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
        let mut listener = TcpListener::bind(listen)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener: Some(listener),
            started: Instant::now(),
            now: Duration::ZERO,
            ending: None,
            patience,
            origins,
            peers: BTreeMap::new(),
            next_id: SIGNAL.0 + 1,
            room: Room::default(),
            acceptable: false,
            next_tick: TICK,
            due: TICK,
        })
    }

    /// The address of the page for a browser on this machine.
    fn url(&self) -> String {
        let address = self.listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        format!("http://{address}/")
    }

    /// Serves until a signal asks the server to end, then until all peers are gone.
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(MAX_PEERS + 1);
        // One buffer for all connections: a receiver stores incomplete messages itself. The buffer is small because
        // compressed bytes can expand to a thousand times their length. So one read completes at most two pictures
        // before the other peers have their turn to take them.
        let mut buf = vec![0; 4 << 10];
        loop {
            if self.ending.is_some_and(|ending| self.peers.is_empty() || ending <= self.now) {
                return Ok(());
            }
            let unread = self.peers.values().any(Peer::is_readable);
            let time = if unread { Duration::ZERO } else { self.due.saturating_sub(self.started.elapsed()) };
            match self.poll.poll(&mut events, Some(time)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.now = self.started.elapsed();
            for event in &events {
                match event.token() {
                    LISTENER => self.acceptable = true,
                    SIGNAL => self.go_away(),
                    Token(id) => {
                        if let Some(peer) = self.peers.get_mut(&id) {
                            peer.notice();
                        }
                    }
                }
            }
            self.accept();
            self.read(&mut buf);
            self.check();
            self.settle();
        }
    }

    /// Stops accepting connections, and closes the open ones.
    fn go_away(&mut self) {
        self.listener = None;
        self.ending = Some(self.now + ENDING_PATIENCE);
        self.peers.values_mut().for_each(Peer::go_away);
    }

    fn accept(&mut self) {
        while self.acceptable && self.peers.len() < MAX_PEERS {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((socket, address)) => {
                    let watch = Watch::new(self.patience, self.now);
                    // The connection may be gone already; then there is no peer.
                    if let Ok(peer) = Peer::new(socket, address, self.next_id, self.poll.registry(), watch) {
                        self.peers.insert(self.next_id, peer);
                        self.next_id += 1;
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.acceptable = false,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Most likely there are no file descriptors left. The next turn tries again.
                    _ => break,
                },
            }
        }
    }

    /// Reads once from each peer, so that a peer that sends without a pause does not hold up the others.
    fn read(&mut self, buf: &mut [u8]) {
        let readable: Vec<Id> = self.peers.iter().filter(|(_, peer)| peer.is_readable()).map(|(id, _)| *id).collect();
        for id in readable {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let mut posts = Vec::new();
            peer.read(buf, &self.origins, self.now, |message| posts.extend(self.room.hear(id, message)));
            self.deliver(posts);
        }
    }

    fn deliver(&mut self, posts: Vec<Post>) {
        for post in posts {
            for id in &post.to {
                if let Some(peer) = self.peers.get_mut(id) {
                    peer.send(&post.message);
                }
            }
        }
    }

    /// Asks every peer for its next deadline: there are few, and [`settle`](Self::settle) visits all of them anyway.
    fn check(&mut self) {
        let is_tick = self.now >= self.next_tick;
        if is_tick {
            self.next_tick = self.now + TICK;
        }
        self.due = self.next_tick;
        for peer in self.peers.values_mut() {
            if is_tick {
                peer.tick();
            }
            if let Some(wait) = peer.check(self.now) {
                self.due = self.due.min(self.now + wait);
            }
        }
    }

    /// Writes what this turn left pending, and removes peers that are done.
    ///
    /// It visits all peers, because messages go to all of them.
    fn settle(&mut self) {
        loop {
            let mut posts = Vec::new();
            for (id, peer) in &mut self.peers {
                peer.settle(*id, self.poll.registry(), self.now);
                if let Some((code, reason)) = peer.ending()
                    && let Some((name, post)) = self.room.leave(*id, code, reason)
                {
                    posts.push(post);
                    peer.name = name;
                }
            }
            if posts.is_empty() {
                break;
            }
            // This message must be written, too, and the write may find another lost peer.
            self.deliver(posts);
        }
        self.peers.values().filter(|peer| peer.is_gone()).for_each(Peer::log);
        self.peers.retain(|_, peer| !peer.is_gone());
    }
}
