//! A WebSocket client for the terminal and for pipes: it sends lines from stdin as messages, and prints received
//! messages on stdout.
//!
//! ```text
//! cargo run -p wscat -- ws://localhost:9002/
//! ```
//!
//! It shows the client's part of the crate, and the two halves of a connection in different threads:
//!
//! ```text
//!                 lines.rs                    link.rs
//!      stdin ───▶ a thread ──── messages ───▶ Sender  ───▶ a thread ───▶ socket
//!                                               ▲                          │
//!                                            replies                       │
//!                 output.rs                     │                          │
//!     stdout ◀─── chunks of messages ─────── Receiver ◀────────────────────┘
//!                                            this file, the main thread
//! ```
//!
//! The receiver never waits for the writer, nor for stdin. So both ends make progress even if the peer sends without
//! reading. One [`Watch`](websocket_proto::time::Watch), beside the sender, has all deadlines.
//!
//! With `--reconnect`, `run` makes one connection after the other, each with its own threads but the one for stdin.

mod connect;
mod lines;
mod link;
mod options;
mod output;
mod proxy;
mod screen;
mod socket;
mod tls;

use std::{
    env,
    fmt::{self, Display},
    io::{self, ErrorKind, IsTerminal, Read, Write},
    net::Shutdown,
    process::ExitCode,
    sync::{Arc, LazyLock},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    ChunkEvent, Client, Connection, Ended, Input, Outcome, Receiver, Reply, SystemRandom, Transport,
    frame::CloseCode,
    time::{Retry, TimedOut},
};

use crate::{
    connect::Connected, lines::Stdin, link::Link, options::Options, output::Output, screen::Harmless, socket::Socket,
};

/// How often a read that waits for the peer is interrupted: another thread may have sent a Close, whose answer has a
/// deadline.
const TICK: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let end = match Options::parse(env::args_os().skip(1)) {
        Ok(None) => {
            // Unlike `print!`, this does not panic in `wscat --help | head -1`.
            let _ = io::stdout().write_all(options::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Ok(Some(options)) => run(options),
        Err(wrong) => End::usage(format!("{wrong} (see wscat --help)")),
    };
    if end.code == 0 {
        screen::note(&end.words);
    } else {
        screen::error(&end.words);
    }
    // The other threads end with this one: the one that reads stdin can't be woken.
    ExitCode::from(end.code)
}

/// Makes one connection, or with `--reconnect` one after the other.
fn run(mut options: Options) -> End {
    screen::set_up(options.quiet);
    let mut backoff = options.backoff.take();
    let mut output = match Output::new(options.output.as_deref()) {
        Ok(output) => output,
        Err(error) => return End::local(error),
    };
    let mut random = match SystemRandom::new() {
        Ok(random) => random,
        Err(error) => return End::local(error),
    };
    let stdin = Arc::new(Stdin::read());
    loop {
        let end = match connect::connect(&options) {
            Ok(connected) => {
                if let Some(backoff) = &mut backoff {
                    backoff.up(now());
                }
                serve(connected, &stdin, &options, &mut output)
            }
            Err(end) => end,
        };
        match backoff.as_mut().and_then(|backoff| backoff.delay(end.retry, now(), &mut random)) {
            Some(delay) => {
                screen::error(&format_args!("{}; again in {:.1} s", end.words, delay.as_secs_f64()));
                // Ctrl-C ends the process, here as everywhere.
                thread::sleep(delay);
            }
            None if end.code == 0 && lines::have_failed() => return End::local("not all lines could be sent"),
            None => return end,
        }
    }
}

/// One connection, until it is over.
fn serve(connected: Connected, stdin: &Arc<Stdin>, options: &Options, output: &mut Output) -> End {
    let Connected { socket, connection: Connection { receiver, sender }, early, watch } = connected;
    if io::stdin().is_terminal() {
        screen::note(&"every line is sent as a message; /help lists the commands");
    }
    let socket = Arc::new(socket);
    let link = Arc::new(Link::new(sender, watch));

    let (writer_socket, writer_link) = (Arc::clone(&socket), Arc::clone(&link));
    let writer = thread::spawn(move || {
        if let Err(error) = writer_link.write_to(&writer_socket) {
            screen::note(&format_args!("cannot send: {error}"));
            // The receiver wakes up, and finds out how the connection ended.
            let _ = writer_socket.shutdown(Shutdown::Both);
        }
    });
    let (lines_stdin, lines_link, wait) = (Arc::clone(stdin), Arc::clone(&link), options.wait);
    thread::spawn(move || lines_stdin.send(lines_link, wait));

    let end = receive(&socket, receiver, early, &link, output, options);
    link.end();
    let _ = socket.shutdown(Shutdown::Both);
    // Now it is certain how much the socket took.
    let _ = writer.join();
    stdin.wake();
    end
}

/// Passes received messages to the output, until the connection is over.
///
/// `early` holds bytes that were received with the handshake's response.
fn receive(
    mut socket: &Socket,
    mut receiver: Receiver<Client<SystemRandom>, Vec<u8>>,
    mut early: Vec<u8>,
    link: &Link,
    output: &mut Output,
    options: &Options,
) -> End {
    let mut reason = String::new();
    let mut buf = vec![0; 64 << 10];
    let mut input = Input::new(&mut early);
    let timed_out = loop {
        // A message has arrived, or a part of it.
        let mut message = None;
        let is_heard = !input.is_empty();
        // A reply goes to the sender at once. That takes a lock, but never waits for the socket.
        while let Some(event) = receiver.next_chunk(&mut input, &mut |reply: Reply<'_>| link.reply(reply)) {
            match event {
                ChunkEvent::Text(chunk) => {
                    message = Some(chunk.last);
                    output.text(chunk);
                }
                ChunkEvent::Binary(chunk) => {
                    message = Some(chunk.last);
                    output.binary(chunk);
                }
                ChunkEvent::Ping(payload) => screen::note(&format_args!("ping {}", Harmless(payload))),
                ChunkEvent::Pong(payload) => match link.pong(payload) {
                    Some(Some(time)) => screen::note(&format_args!("pong {} ({})", Harmless(payload), Millis(time))),
                    Some(None) => screen::note(&format_args!("pong {}", Harmless(payload))),
                    None => {}
                },
                ChunkEvent::Close { reason: words, .. } => reason = Harmless(words.as_bytes()).to_string(),
                _ => {}
            }
        }
        output.flush();
        screen::refresh();
        if output.is_broken() {
            // The reader of stdout is gone: `wscat … | head`. Tell the peer, and drop what it still sends.
            let _ = link.close(Some((CloseCode::GOING_AWAY, "")));
        }
        // Only now, because the output may have blocked until its reader took it. That is not the peer's fault.
        if is_heard {
            link.heard(message.filter(|_| !output.is_broken()), options);
        }
        let wait = match link.check() {
            Ok((transport, wait)) => {
                if transport == Transport::CloseNow {
                    // If a socket is closed with unread bytes, the peer may never see our last bytes.
                    let _ = socket.shutdown(Shutdown::Write);
                }
                wait.unwrap_or(TICK).min(TICK)
            }
            Err(timed_out) => break Some(timed_out),
        };
        let n = match socket.set_read_timeout(Some(wait)).and_then(|()| socket.read(&mut buf)) {
            Ok(0) => break None,
            Ok(n) => n,
            Err(error) if is_no_error(&error) => 0,
            // Many servers end TLS without a `close_notify`.
            Err(_) if receiver.end_of_input().is_ok() => break None,
            Err(error) => {
                screen::note(&format_args!("cannot receive: {error}"));
                break None;
            }
        };
        input = Input::new(&mut buf[..n]);
    };
    let is_cut_short = output.end();
    match output.take_error() {
        Some(error) => End::local(error),
        None => End::of_connection(&receiver, link, timed_out, &reason, is_cut_short),
    }
}

/// The time since the program began.
fn now() -> Duration {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ORIGIN.elapsed()
}

/// Nothing was received in time, or a signal interrupted the read.
fn is_no_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

struct Millis(Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", 1000.0 * self.0.as_secs_f64())
    }
}

/// How a connection ended, or why there was none.
pub(crate) struct End {
    words: String,
    /// The exit code: see [`options::HELP`].
    code: u8,
    retry: Retry,
}

impl End {
    /// A connection is over.
    fn of_connection(
        receiver: &Receiver<Client<SystemRandom>, Vec<u8>>,
        link: &Link,
        timed_out: Option<TimedOut>,
        reason: &str,
        is_cut_short: bool,
    ) -> Self {
        let outcome = Outcome::new(receiver.end_of_input(), link.closes());
        let outcome = timed_out.map_or(outcome, |timed_out| outcome.or_timed_out(timed_out));
        let mut words = outcome.to_string();
        if !reason.is_empty() {
            words += ": ";
            words += reason;
        }
        if let Some(time) = link.round_trip() {
            words += &format!("; round trip {}", Millis(time));
        }
        let closes = outcome.closes();
        let is_answer = !closes.peer_was_first() && closes.received() == closes.sent();
        let code = match outcome.ended() {
            // 1005: without a code.
            Ended::Closed if !is_answer && !matches!(outcome.code(), 1000 | 1001 | 1005) => 4,
            Ended::Closed if is_cut_short => 1,
            Ended::Closed => 0,
            Ended::Failed(_) => 5,
            _ => 1,
        };
        // We were done, even if the answer to our Close was lost.
        let retry = if link.has_sent_all() { Retry::Never } else { outcome.retry() };
        Self { words, code, retry }
    }

    /// No connection, for a reason that may be over soon.
    fn lost(words: String) -> Self {
        Self { words, code: 1, retry: Retry::Soon }
    }

    /// A file, stdin, stdout or this machine failed.
    fn local(words: impl ToString) -> Self {
        Self { words: words.to_string(), code: 1, retry: Retry::Never }
    }

    /// The command line is wrong, or asks for something that is not supported.
    fn usage(words: impl ToString) -> Self {
        Self { words: words.to_string(), code: 2, retry: Retry::Never }
    }

    /// The server refused, or is not a WebSocket server.
    fn refused(words: String, retry: Retry) -> Self {
        Self { words, code: 3, retry }
    }
}
