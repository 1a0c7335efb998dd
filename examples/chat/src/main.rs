//! A chat room: one process, one thread, one port for the page and the WebSocket.
//!
//! ```text
//! cargo run --release -p chat
//! ```
//!
//! | file | what it is |
//! |-|-|
//! | `main.rs` | the event loop: who can be read, what goes to whom |
//! | [`peer.rs`](peer) | one socket, from its handshake to its end |
//! | [`http.rs`](http) | what a request gets: the page, the WebSocket, a refusal |
//! | [`room.rs`](room) | names and messages; knows nothing of sockets |
//! | `index.html` | the page, and at the top of its script the room's protocol |

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

use peer::Peer;
use room::{Id, Post, Room};

const HELP: &str = "\
A chat room in the browser.

Usage: chat [OPTIONS]

  --listen ADDR:PORT  where to listen; port 0 is any free one (127.0.0.1:9001)
  --origin URL        a further address that the page is found at: a name, or that of a
                      proxy before this server, such as https://chat.example.com
                      (repeatable)
  --patience SECONDS  how long a browser may take over its request, and over its answer
                      to a Close (10)
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

/// More connections wait in the kernel's queue until others have gone. With [`peer::CONFIG`] it bounds the memory
/// that anyone can make this process use.
const MAX_PEERS: usize = 256;

/// How often deadlines are looked at. What a peer may say in a second counts on it.
const TICK: Duration = Duration::from_secs(1);

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

const LISTENER: Token = Token(0);
const SIGNAL: Token = Token(1);

fn main() -> ExitCode {
    let mut listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9001));
    let mut origins = Vec::new();
    let mut patience = 10;
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
            "--patience" => patience = arguments.value::<u32>("a number of seconds"),
            _ => arguments.unknown(),
        }
    }
    let mut server = match Server::bind(listen, origins, Duration::from_secs(patience.into())) {
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
    /// None when the server is ending.
    listener: Option<TcpListener>,
    /// When it ends, answered or not.
    ending: Option<Instant>,
    patience: Duration,
    /// Where the page may come from, besides this server.
    origins: Vec<String>,
    peers: BTreeMap<Id, Peer>,
    /// Ids are not used again, so what comes late for someone who is gone reaches nobody else.
    next_id: Id,
    room: Room,
    /// Someone may be waiting: `poll` tells so once, and not again until all were accepted.
    acceptable: bool,
    next_tick: Instant,
}

impl Server {
    fn bind(listen: SocketAddr, origins: Vec<String>, patience: Duration) -> io::Result<Self> {
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
            ending: None,
            patience,
            origins,
            peers: BTreeMap::new(),
            next_id: SIGNAL.0 + 1,
            room: Room::default(),
            acceptable: false,
            next_tick: Instant::now() + TICK,
        })
    }

    /// Where a browser on this machine finds the page.
    fn url(&self) -> String {
        let address = self.listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        format!("http://{address}/")
    }

    /// Serves until a signal asks it to end, and then until all peers have gone.
    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(MAX_PEERS + 1);
        // One for all connections: what a receiver is not done with, it keeps. Small, because compressed bytes can say a
        // thousand times as much: so one read completes two pictures at most, and then everyone's turn comes to take them.
        let mut buf = vec![0; 4 << 10];
        loop {
            if self.ending.is_some_and(|ending| self.peers.is_empty() || ending <= Instant::now()) {
                return Ok(());
            }
            let unread = self.peers.values().any(Peer::is_readable);
            let time = if unread { Duration::ZERO } else { self.next_tick.saturating_duration_since(Instant::now()) };
            match self.poll.poll(&mut events, Some(time)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.acceptable = true,
                    SIGNAL => self.go_away(),
                    Token(id) => {
                        if let Some(peer) = self.peers.get_mut(&id) {
                            peer.notice(event);
                        }
                    }
                }
            }
            self.accept();
            self.read(&mut buf);
            self.tick();
            self.settle();
        }
    }

    /// Accepts nobody any more, and closes what is open.
    fn go_away(&mut self) {
        self.listener = None;
        self.ending = Some(Instant::now() + ENDING_PATIENCE);
        self.peers.values_mut().for_each(Peer::go_away);
    }

    fn accept(&mut self) {
        while self.acceptable && self.peers.len() < MAX_PEERS {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((socket, _)) => {
                    // It can have gone already; then there is no peer.
                    if let Ok(peer) = Peer::new(socket, self.next_id, self.poll.registry(), self.patience) {
                        self.peers.insert(self.next_id, peer);
                        self.next_id += 1;
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.acceptable = false,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // Out of file descriptors, most likely. The next turn may have more luck.
                    _ => break,
                },
            }
        }
    }

    /// Reads once from each, so that nobody who talks without a pause keeps the others waiting.
    fn read(&mut self, buf: &mut [u8]) {
        let readable: Vec<Id> = self.peers.iter().filter(|(_, peer)| peer.is_readable()).map(|(id, _)| *id).collect();
        for id in readable {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let mut posts = Vec::new();
            peer.read(buf, &self.origins, |message| posts.extend(self.room.hear(id, message)));
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

    fn tick(&mut self) {
        let now = Instant::now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        for peer in self.peers.values_mut() {
            peer.tick(now);
        }
    }

    /// Writes what this turn has left to write, and lets go of whoever is done.
    ///
    /// That this looks at everyone is no waste: what was said was said to everyone.
    fn settle(&mut self) {
        loop {
            let mut posts = Vec::new();
            for (id, peer) in &mut self.peers {
                peer.settle(*id, self.poll.registry());
                if let Some((code, reason)) = peer.ending() {
                    posts.extend(self.room.leave(*id, code, reason));
                }
            }
            if posts.is_empty() {
                break;
            }
            // This is to be written, too, and may show that someone else is gone.
            self.deliver(posts);
        }
        self.peers.retain(|_, peer| !peer.is_gone());
    }
}
