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
//! reading.

mod connect;
mod lines;
mod link;
mod options;
mod output;
mod screen;

use std::{
    env,
    fmt::{self, Display},
    io::{self, ErrorKind, IsTerminal, Read, Write},
    net::{Shutdown, TcpStream},
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    ChunkEvent, Client, Connection, Failure, Input, Receiver, Reply, SystemRandom, Transport, frame::CloseCode,
};

use crate::{
    connect::Connected,
    link::Link,
    options::{Invocation, Options},
    output::Output,
    screen::Harmless,
};

/// How often a read that waits for the peer is interrupted, to check whether a Close was sent and the time for it is
/// over.
const TICK: Duration = Duration::from_millis(250);

/// How long the server may take to end the stream after both Closes.
const PATIENCE_FOR_THE_END: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let end = match Options::parse(env::args_os().skip(1)) {
        Ok(Invocation::Help) => {
            // Unlike `print!`, this does not panic in `wscat --help | head -1`.
            let _ = io::stdout().write_all(options::HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Ok(Invocation::Run(options)) => run(options).unwrap_or_else(|end| end),
        Err(wrong) => End::Usage(format!("{wrong} (see wscat --help)")),
    };
    if end.code() == 0 {
        screen::note(&end);
    } else {
        screen::error(&end);
    }
    // The other threads end with this one: the one that reads stdin can't be woken.
    ExitCode::from(end.code())
}

fn run(options: Options) -> Result<End, End> {
    screen::set_up(options.quiet);
    let output = Output::new(options.output.as_deref()).map_err(End::Io)?;

    let Connected { socket, connection, early } = connect::connect(&options)?;
    let Connection { receiver, sender } = connection;
    if io::stdin().is_terminal() {
        screen::note(&"every line is sent as a message; /help lists the commands");
    }
    socket.set_read_timeout(Some(TICK)).map_err(|error| End::Io(error.to_string()))?;
    let socket = Arc::new(socket);
    let link = Arc::new(Link::new(sender));

    let (writer_socket, writer_link) = (Arc::clone(&socket), Arc::clone(&link));
    thread::spawn(move || {
        if let Err(error) = writer_link.write_to(&writer_socket) {
            screen::error(&format_args!("cannot send: {error}"));
            // The receiver wakes up, and finds out how the connection ended.
            let _ = writer_socket.shutdown(Shutdown::Both);
        }
    });
    let lines_link = Arc::clone(&link);
    thread::spawn(move || lines::send_lines(&lines_link, io::stdin().lock(), options.wait));

    let end = receive(&socket, receiver, early, &link, output, options.close_timeout);
    if end.code() == 0 && link.lines_failed() {
        return Err(End::Io("not all lines could be sent".into()));
    }
    Ok(end)
}

/// Passes received messages to the output, until the connection is over.
///
/// `early` holds bytes that were received with the handshake's response.
fn receive(
    mut socket: &TcpStream,
    mut receiver: Receiver<Client<SystemRandom>, Vec<u8>>,
    mut early: Vec<u8>,
    link: &Link,
    mut output: Output,
    close_timeout: Duration,
) -> End {
    let mut end = None;
    let mut waiting = Waiting::new();
    let mut buf = vec![0; 64 << 10];
    let mut input = Input::new(&mut early);
    let lost = loop {
        let began = Instant::now();
        // A reply goes to the sender at once. That takes a lock, but never waits for the socket.
        while let Some(event) = receiver.next_chunk(&mut input, &mut |reply: Reply<'_>| link.reply(reply)) {
            match event {
                ChunkEvent::Text(chunk) => output.text(chunk),
                ChunkEvent::Binary(chunk) => output.binary(chunk),
                ChunkEvent::Ping(payload) => screen::note(&format_args!("ping {}", Harmless(payload))),
                ChunkEvent::Pong(payload) => screen::note(&format_args!("pong {}", Harmless(payload))),
                ChunkEvent::Close { code, reason, message_cut_short } => {
                    let ours = code.is_some() && code == link.close_code();
                    end = Some(End::Closed { code, ours, reason: reason.into(), message_cut_short });
                }
                ChunkEvent::Failed(failure) => end = Some(End::Failed(failure)),
                _ => {}
            }
        }
        output.flush();
        screen::refresh();
        // The output may have blocked until its reader took it.
        waiting.excuse(began.elapsed());
        if output.is_broken() {
            // The reader of stdout is gone: `wscat … | head`. Tell the peer, and drop what it still sends.
            let _ = link.close(Some((CloseCode::GOING_AWAY, "")));
        }

        let transport = link.transport();
        let patience = match transport {
            Transport::Open => Duration::MAX,
            Transport::Closing => close_timeout,
            Transport::AwaitEnd => PATIENCE_FOR_THE_END,
            Transport::CloseNow => {
                // If a socket is closed with unread bytes, the peer may never see our last bytes.
                let _ = socket.shutdown(Shutdown::Write);
                PATIENCE_FOR_THE_END
            }
        };
        let progress = (output.chunks(), link.written());
        if waiting.is_over(patience, transport, progress, output.is_between_messages()) {
            break "connection given up: no answer to our Close".into();
        }

        let n = match socket.read(&mut buf) {
            Ok(0) => match receiver.end_of_input() {
                Ok(()) => break String::new(),
                Err(lost) => break lost.to_string(),
            },
            Ok(n) => n,
            Err(error) if is_no_error(&error) => 0,
            Err(error) => break format!("connection lost: {error}"),
        };
        input = Input::new(&mut buf[..n]);
    };
    output.end();
    match output.into_error() {
        Some(error) => End::Io(error),
        // How the stream ends matters only if there was no Close and no failure.
        None => end.unwrap_or(End::Lost(lost)),
    }
}

/// Nothing was received within the tick, or a signal interrupted the read.
fn is_no_error(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Measures how long the peer takes to end the connection.
///
/// A fixed time would cut off a peer that sends much more, or that takes our bytes slowly. So the limit is for silence,
/// which Pings don't break. But a peer that still begins new messages after ten times the limit does not intend to
/// close.
struct Waiting {
    transport: Transport,
    /// When the transport reached this state.
    since: Instant,
    progress: (u64, u64),
    /// When the progress last changed.
    silent_since: Instant,
}

impl Waiting {
    fn new() -> Self {
        Self { transport: Transport::Open, since: Instant::now(), progress: (0, 0), silent_since: Instant::now() }
    }

    /// Adds time that does not count against the peer.
    fn excuse(&mut self, time: Duration) {
        self.since += time;
        self.silent_since += time;
    }

    /// Whether the peer's time is over. `progress` is a value that changes whenever there is progress.
    fn is_over(
        &mut self,
        patience: Duration,
        transport: Transport,
        progress: (u64, u64),
        is_between_messages: bool,
    ) -> bool {
        let now = Instant::now();
        if transport == Transport::Open || transport != self.transport {
            (self.transport, self.since, self.silent_since) = (transport, now, now);
        }
        if progress != self.progress {
            (self.progress, self.silent_since) = (progress, now);
        }
        now - self.silent_since >= patience || (is_between_messages && now - self.since >= patience.saturating_mul(10))
    }
}

/// How the connection ended.
#[derive(Debug)]
enum End {
    /// With the peer's Close; `ours` if it only repeats the code of our own Close.
    Closed { code: Option<CloseCode>, ours: bool, reason: String, message_cut_short: bool },
    /// No connection, or an end without a Close.
    Lost(String),
    /// A file, stdin or stdout failed.
    Io(String),
    /// The command line is wrong, or asks for something that is not supported.
    Usage(String),
    /// The server refused, or is not a WebSocket server.
    Refused(String),
    /// The peer broke the protocol, or exceeded one of our limits.
    Failed(Failure),
}

impl End {
    /// The exit code: see [`options::HELP`].
    fn code(&self) -> u8 {
        match self {
            Self::Closed { code, ours, message_cut_short, .. } => {
                let clean = *ours || matches!(code, None | Some(CloseCode::NORMAL | CloseCode::GOING_AWAY));
                match (clean, message_cut_short) {
                    (true, false) => 0,
                    (true, true) => 1,
                    (false, _) => 4,
                }
            }
            Self::Lost(_) | Self::Io(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Failed(_) => 5,
        }
    }
}

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code, reason, .. } => {
                f.write_str("closed")?;
                if let Some(code) = code {
                    write!(f, ", {code}")?;
                }
                if let Some(description) = code.map(CloseCode::description).filter(|text| !text.is_empty()) {
                    write!(f, " ({description})")?;
                }
                if !reason.is_empty() {
                    write!(f, ": {}", Harmless(reason.as_bytes()))?;
                }
                Ok(())
            }
            Self::Lost(what) | Self::Io(what) | Self::Usage(what) | Self::Refused(what) => f.write_str(what),
            Self::Failed(failure) => write!(f, "failed: {failure}"),
        }
    }
}
