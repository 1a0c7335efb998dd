//! An echo server on tokio with everything that a server on the open internet needs: time limits for each step, Pings
//! for silent peers, a response to requests that are not for a WebSocket, an orderly end, and a line of log that says how
//! each connection ended.
//!
//! ```text
//! cargo run --release -p echo_tokio -- 127.0.0.1:9004
//! ```
//!
//! It waits until a socket is *ready*, then reads without waiting. So a buffer is needed only between two awaits, and
//! one buffer serves all connections of a thread. No message is borrowed across an await.
//!
//! A stream that can't say when it is ready, such as TLS, needs a buffer of its own in each task:
//! `reader.read(buffer.room_for(&mut receiver))` in place of `readable()`, and `input = Input::default()` before the
//! `select!`, because the last input still borrows the buffer. Such a stream may also buffer writes: then call `flush`
//! when nothing is pending any more.

use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    net::SocketAddr,
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use arguments::Arguments;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use websocket_proto::{
    Config, Error, Event, Input, Outcome, ReadBuffer, Sender, Server, ServerConnection, Traffic, Transport,
    frame::CloseCode,
    server,
    time::{Patience, TimedOut, Watch},
};

const HELP: &str = "\
An echo server on tokio, with a task for each connection.

Usage: echo_tokio [OPTIONS] [ADDR:PORT]

  ADDR:PORT           where to listen; port 0 is any free one (127.0.0.1:9004)
  --patience SECONDS  how long a peer may take over its request (10), over its answer
                      to our Close (10), and to end the stream after that (2)
  --silence SECONDS   how long a peer may be silent before it gets a Ping, and then
                      again before it counts as gone (25); 0 is for ever
  --verbose           the log also has what each connection has received and sent
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

/// A peer that doesn't take its echoes isn't read while its backlog is this long.
const BACKLOG: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<ReadBuffer<Vec<u8>>> = RefCell::new(ReadBuffer::new(vec![0; 32 << 10]));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let (mut listen, mut patience, mut traffic) = (String::from("127.0.0.1:9004"), Patience::new(), None);
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--patience" => {
                let time = arguments.seconds();
                patience = patience.opening(time).closing(time).end(time);
            }
            "--silence" => {
                let time = arguments.seconds();
                patience = patience.silence(time).answer(time);
            }
            "--verbose" => traffic = Some(Traffic::new()),
            option if option.starts_with('-') => arguments.unknown(),
            _ => listen = argument,
        }
    }

    let listener = TcpListener::bind(listen).await?;
    let mut signaled = pin!(signals::stop());
    // Every connection holds a receiver: so all learn that the server ends, and the sender learns when all are gone.
    let (ending, alive) = watch::channel(());
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            result = &mut signaled => break result?,
        };
        match accepted {
            Ok((socket, address)) => {
                let (accepted, watch) = (Instant::now(), Watch::new(patience, Duration::ZERO));
                let peer = Peer { socket, address, accepted, watch, traffic };
                drop(tokio::spawn(peer.serve(alive.clone())));
            }
            // Most likely there are no file descriptors left; some will be closed.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, alive));
    let _ = ending.send(());
    select! {
        _ = timeout(ENDING_PATIENCE, ending.closed()) => Ok(ExitCode::SUCCESS),
        _ = signals::stop() => Ok(ExitCode::FAILURE),
    }
}

struct Peer {
    socket: TcpStream,
    address: SocketAddr,
    accepted: Instant,
    watch: Watch,
    /// Counted only for the log.
    traffic: Option<Traffic>,
}

impl Peer {
    /// What the watch takes for the time.
    fn now(&self) -> Duration {
        self.accepted.elapsed()
    }

    /// A connection from its first byte to its last.
    async fn serve(mut self, mut ending: watch::Receiver<()>) {
        // Every write is whole messages: waiting for more would only delay them.
        let _ = self.socket.set_nodelay(true);
        let opened = select! {
            opened = self.open() => opened,
            _ = ending.changed() => return,
        };
        let outcome = match opened {
            Ok((mut connection, early)) => match self.talk(&mut connection, early, &mut ending).await {
                Ok(()) => connection.outcome(),
                Err(timed_out) => return self.log(connection.outcome().or_timed_out(timed_out)),
            },
            Err(error) => error.into(),
        };
        self.log(outcome);
        self.linger().await;
    }

    /// One line for each connection.
    fn log(&self, outcome: Outcome) {
        let mut line = format!("{}: {outcome}", self.address);
        if let Some(time) = self.watch.smoothed_round_trip() {
            line += &format!("; round trip {time:.1?}");
        }
        if let Some(traffic) = &self.traffic {
            line += &format!("; {traffic}");
        }
        eprintln!("{line}");
    }

    /// The opening handshake. Also returns the bytes behind the request. Mostly there are none: few clients send before
    /// the response.
    async fn open(&mut self) -> Result<(ServerConnection, Vec<u8>), Error> {
        let mut handshake = server::Handshake::new(Config::new());
        let early = loop {
            let wait = self.watch.check_opening(self.now())?;
            self.readable(wait).await;
            let head = self.try_read(|mut input| {
                let is_end = input.is_empty();
                (handshake.read(&mut input) || is_end).then(|| input.remaining().to_vec())
            });
            if let Some(Some(early)) = head {
                break early;
            }
        };
        // A response is short, and a fresh socket has space for it. If the socket is lost, this is found later.
        match handshake.into_request().and_then(server::Request::upgrade) {
            Ok(upgrade) => {
                let mut connection = upgrade.accept(&server::Accept::new())?;
                let _ = self.socket.write_all(connection.sender.pending()).await;
                connection.sender.consume(usize::MAX);
                Ok((connection, early))
            }
            Err(refusal) => {
                let mut response = Vec::new();
                refusal.response().write(&mut response)?;
                let _ = self.socket.write_all(&response).await;
                Err(refusal.into())
            }
        }
    }

    /// An open connection, and its closing handshake.
    async fn talk(
        &mut self,
        connection: &mut ServerConnection,
        mut early: Vec<u8>,
        ending: &mut watch::Receiver<()>,
    ) -> Result<(), TimedOut> {
        self.echo(connection, Input::new(&mut early));
        loop {
            let sender = &mut connection.sender;
            self.write(sender);
            let reads = sender.backlog() < BACKLOG;
            self.watch.reading(reads, self.now());
            let wait = self.watch.check(sender, self.now())?;
            if sender.transport() == Transport::CloseNow {
                return Ok(());
            }
            select! {
                // What was received counts before what is due.
                biased;
                _ = ending.changed(), if sender.is_open() => {
                    // Fails if either end has closed already.
                    let _ = sender.close(CloseCode::GOING_AWAY, "");
                }
                _ = self.socket.readable(), if reads => if self.try_echo(connection) == Some(0) { return Ok(()) },
                _ = self.socket.writable(), if !sender.is_empty() => {}
                () = sleep(wait.unwrap_or(Duration::MAX)) => {}
            }
        }
    }

    /// Reads and answers what can be read now. Returns the number of bytes, as [`at_once`] does.
    fn try_echo(&mut self, connection: &mut ServerConnection) -> Option<usize> {
        BUFFER.with_borrow_mut(|buffer| {
            let n = at_once(self.socket.try_read(buffer.room_for(&mut connection.receiver)))?;
            self.watch.heard(self.now());
            self.echo(connection, buffer.received(n));
            Some(n)
        })
    }

    /// Answers what was received. Pings and Closes are answered already, and a failure is explained to the peer.
    fn echo(&mut self, ServerConnection { receiver, sender }: &mut ServerConnection, mut input: Input<'_>) {
        if let Some(traffic) = &mut self.traffic {
            traffic.add_received(&input);
        }
        while let Some(event) = receiver.next_message(&mut input, sender) {
            if let Event::Pong(payload) = event {
                self.watch.pong(payload, self.now());
            } else if let Some(message) = event.message()
                && sender.send(message).is_err()
            {
                // There is no memory for it. If it is refused because a Close was sent, this changes nothing.
                let _ = sender.close(CloseCode::INTERNAL_ERROR, "");
            }
        }
    }

    /// Writes as many pending bytes as the socket takes now.
    fn write(&mut self, sender: &mut Sender<Server, Vec<u8>>) {
        while !sender.is_empty() {
            match at_once(self.socket.try_write(sender.pending())) {
                None => break,
                Some(0) => sender.transport_lost(),
                Some(n) => {
                    if let Some(traffic) = &mut self.traffic {
                        traffic.add_sent(&sender.pending()[..n]);
                    }
                    sender.consume(n);
                    self.watch.wrote(n, sender.backlog(), self.now());
                }
            }
        }
    }

    /// Ends the stream so that the last bytes arrive. Closing a socket with unread bytes resets it, and the reset
    /// overtakes the Close frame.
    async fn linger(&mut self) {
        let _ = self.socket.shutdown().await;
        while let Ok(wait) = self.watch.check_end(self.now())
            && self.try_read(|input| input.is_empty()) != Some(true)
        {
            self.readable(wait).await;
        }
    }

    /// Waits until the socket can be read, but no longer than this.
    async fn readable(&self, wait: Option<Duration>) {
        let _ = timeout(wait.unwrap_or(Duration::MAX), self.socket.readable()).await;
    }

    /// Reads what can be read now, and passes it to `take`; an empty input at the end of the stream. `None` if there is
    /// nothing yet.
    fn try_read<T>(&self, take: impl FnOnce(Input<'_>) -> T) -> Option<T> {
        BUFFER.with_borrow_mut(|buffer| {
            let n = at_once(self.socket.try_read(buffer.room()))?;
            Some(take(buffer.received(n)))
        })
    }
}

/// How many bytes were read or written without waiting: 0 if the stream has ended or is lost, `None` if that is not
/// possible yet.
fn at_once(result: io::Result<usize>) -> Option<usize> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
        result => Some(result.unwrap_or(0)),
    }
}
