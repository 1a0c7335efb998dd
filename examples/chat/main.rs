//! A chat room: one process, one thread, one port for the page and the WebSocket.
//!
//! ```text
//! cargo run --release --example chat
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
    convert::Infallible,
    env,
    io::{self, ErrorKind, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpListener};

use peer::Peer;
use room::{Id, Post, Room};

const HELP: &str = "\
A chat room in the browser.

Usage: chat [--listen ADDR:PORT] [--origin URL]...

  --listen ADDR:PORT  where to listen; port 0 is any free one (default: 127.0.0.1:9001)
  --origin URL        a further address that the page is found at: a name, or that of a
                      proxy before this server, such as https://chat.example.com
  --help              this text
";

/// More connections wait in the kernel's queue until others have gone. With [`peer::CONFIG`] it bounds the memory
/// that anyone can make this process use.
const MAX_PEERS: usize = 256;

/// How often deadlines are looked at. What a peer may say in a second counts on it.
const TICK: Duration = Duration::from_secs(1);

const LISTENER: Token = Token(0);

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print(HELP);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("chat: {problem} (--help shows what there is)");
            return ExitCode::from(2);
        }
    };
    let mut server = match Server::bind(options.listen, options.origins) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("chat: cannot listen on {}: {error}", options.listen);
            return ExitCode::FAILURE;
        }
    };
    print(&format!("open {}\n", server.url()));
    let Err(error) = server.run();
    eprintln!("chat: {error}");
    ExitCode::FAILURE
}

/// Unlike `print!` it flushes, and does not mind when nobody listens.
fn print(text: &str) {
    let mut stdout = io::stdout();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

struct Options {
    listen: SocketAddr,
    origins: Vec<String>,
}

impl Options {
    /// `None`: help was asked for.
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut options = Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9001)), origins: Vec::new() };
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{flag} needs a value"));
            match flag.as_str() {
                "--listen" => {
                    let value = value()?;
                    options.listen = value
                        .parse()
                        .map_err(|_| format!("--listen needs ADDR:PORT, such as 0.0.0.0:9001, not {value:?}"))?;
                }
                "--origin" => {
                    let value = value()?;
                    let origin = http::origin_of(&value)
                        .ok_or(format!("--origin needs a URL, such as https://chat.example.com, not {value:?}"))?;
                    options.origins.push(origin.to_owned());
                }
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("unknown argument {flag:?}")),
            }
        }
        Ok(Some(options))
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
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
    fn bind(listen: SocketAddr, origins: Vec<String>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(listen)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            origins,
            peers: BTreeMap::new(),
            next_id: LISTENER.0 + 1,
            room: Room::default(),
            acceptable: false,
            next_tick: Instant::now() + TICK,
        })
    }

    /// Where a browser on this machine finds the page.
    fn url(&self) -> String {
        let mut address = self.listener.local_addr().unwrap_or_else(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        format!("http://{address}/")
    }

    fn run(&mut self) -> io::Result<Infallible> {
        let mut events = Events::with_capacity(MAX_PEERS + 1);
        // One for all connections: what a receiver is not done with, it keeps. Small, because compressed bytes can say a
        // thousand times as much: so one read completes two pictures at most, and then everyone's turn comes to take them.
        let mut buf = vec![0; 4 << 10];
        loop {
            let unread = self.peers.values().any(Peer::is_readable);
            let patience =
                if unread { Duration::ZERO } else { self.next_tick.saturating_duration_since(Instant::now()) };
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.acceptable = true,
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

    fn accept(&mut self) {
        while self.acceptable && self.peers.len() < MAX_PEERS {
            match self.listener.accept() {
                Ok((socket, _)) => {
                    // It can have gone already; then there is no peer.
                    if let Ok(peer) = Peer::new(socket, self.next_id, self.poll.registry()) {
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
