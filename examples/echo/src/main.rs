//! An echo server for test suites: one thread per connection, every message back unchanged.
//!
//! The path of the address selects another answer:
//!
//! | path | what happens |
//! |-|-|
//! | `/` | echo |
//! | `/status/NNN` | the handshake is refused with this HTTP status |
//! | `/close/CODE/REASON` | the handshake is accepted, and the connection closed at once |
//! | `/fragment/N` | echo in fragments of N bytes |
//! | `/ping/TEXT` | a Ping first, then echo; every Pong is answered by a text, `ponged TEXT` |

use std::{
    convert::Infallible,
    error::Error,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{self, ExitCode},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use arguments::Arguments;
use websocket_proto::{
    Config, Connection, Event, Input, ReadBuffer, SendError, Sender, Server, Transport,
    deflate::{self, WindowBits},
    frame::CloseCode,
    server,
};

const HELP: &str = "\
An echo server for test suites, with a thread for each connection.

Usage: echo [OPTIONS]

  --listen ADDR:PORT   where to listen; port 0 is any free one (127.0.0.1:9002)
  --patience SECONDS   how long a peer may take over its handshake, over its answer
                       to a Close, and to read 64 KiB of what is sent to it (10)
  --max-frame BYTES    the largest frame that is accepted
  --max-message BYTES  the largest message that is accepted
  --max-fragments N    the most fragments of a message
  --no-deflate         no compression (permessage-deflate)
  --window BITS        the size of both compression windows, 8 to 15
  --no-takeover        compress every message by itself, and ask the same of peers
  --threshold BYTES    send shorter messages uncompressed
  --help               show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

/// The largest backlog while there are messages to answer: one read can decompress to a thousand times its length.
const BACKLOG: usize = 64 << 10;

/// How often a waiting thread checks whether the server is ending.
const TICK: Duration = Duration::from_millis(250);

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

/// How long a peer may take to end the stream after we did.
const LINGER: Duration = Duration::from_secs(2);

/// A signal asked the server to end.
static ENDING: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    let options = Options::parse();
    let listener = match TcpListener::bind(&options.listen) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("echo: cannot listen on {}: {error}", options.listen);
            return ExitCode::FAILURE;
        }
    };
    let address = listener.local_addr().map_or(options.listen.clone(), |address| address.to_string());
    let (signal, signaled) = mpsc::channel();
    let handler = move || {
        if ENDING.swap(true, Ordering::Relaxed) {
            process::exit(1);
        }
        let _ = signal.send(());
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        eprintln!("echo: cannot wait for signals: {error}");
        return ExitCode::FAILURE;
    }
    println!("listening on ws://{address}/");

    // Nothing is sent: the channel ends when the last thread drops its sender.
    let (running, ended) = mpsc::channel();
    thread::spawn(move || accept(&listener, &options, &running));
    let _ = signaled.recv();
    // Wakes the accepting thread, so that it ends.
    let _ = TcpStream::connect(address);
    let _ = ended.recv_timeout(ENDING_PATIENCE);
    ExitCode::SUCCESS
}

fn accept(listener: &TcpListener, options: &Options, running: &mpsc::Sender<Infallible>) {
    let (config, patience) = (options.config, options.patience);
    for socket in listener.incoming() {
        if ENDING.load(Ordering::Relaxed) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let running = running.clone();
        thread::spawn(move || {
            let mut socket = Timed::new(socket, patience);
            if let Err(error) = serve(&mut socket, config) {
                eprintln!("echo: {error}");
            }
            linger(&mut socket);
            drop(running);
        });
    }
}

struct Options {
    listen: String,
    config: Config,
    patience: Duration,
}

impl Options {
    fn parse() -> Self {
        let mut listen = String::from("127.0.0.1:9002");
        let mut patience = Duration::from_secs(10);
        let mut config = Config::new();
        let (mut compress, mut deflate) = (true, deflate::Config::new());
        let mut arguments = Arguments::new(HELP);
        while let Some(flag) = arguments.next() {
            match flag.as_str() {
                "--listen" => listen = arguments.value("ADDR:PORT"),
                "--patience" => patience = Duration::from_secs(arguments.value::<u32>("a number of seconds").into()),
                "--max-frame" => config = config.max_frame(arguments.value("a number of bytes")),
                "--max-message" => {
                    let max: u32 = arguments.value("a number of bytes");
                    // The whole echo waits for the socket, behind earlier ones. Small fragments make it longer.
                    config = config.max_message(max.into()).high_water(2 * max as usize + (1 << 20));
                }
                "--max-fragments" => config = config.max_fragments(arguments.value("a number")),
                "--no-deflate" => compress = false,
                "--window" => {
                    let bits = WindowBits::new(arguments.value("8 to 15"));
                    let bits = bits.unwrap_or_else(|| arguments.wrong("--window needs 8 to 15"));
                    deflate = deflate.send_window(bits).receive_window(bits);
                }
                "--no-takeover" => deflate = deflate.send_takeover(false).receive_takeover(false),
                "--threshold" => deflate = deflate.threshold(arguments.value("a number of bytes")),
                _ => arguments.unknown(),
            }
        }
        Self { listen, config: if compress { config.deflate(deflate) } else { config }, patience }
    }
}

/// What the path selects.
enum Manner {
    Echo,
    Refuse(u16),
    Close(CloseCode, String),
    Fragments(usize),
    Ping(String),
}

impl Manner {
    fn of(path: &str) -> Option<Self> {
        let mut parts = path.splitn(4, '/').skip(1);
        let (verb, first, second) = (parts.next()?, parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        Some(match verb {
            "status" => Self::Refuse(first.parse().ok()?),
            "close" => Self::Close(CloseCode::new(first.parse().ok()?).ok()?, second.into()),
            "fragment" => Self::Fragments(first.parse().ok().filter(|size| *size > 0)?),
            "ping" => Self::Ping(first.into()),
            _ => Self::Echo,
        })
    }
}

fn serve(socket: &mut Timed, config: Config) -> Result<(), Box<dyn Error>> {
    socket.socket.set_nodelay(true)?;
    let mut buffer = ReadBuffer::new(vec![0; 32 << 10]);
    let mut handshake = server::Handshake::new(config);
    let mut input = loop {
        let n = socket.read(buffer.room())?;
        let mut input = buffer.received(n);
        if handshake.read(&mut input) || n == 0 {
            break input;
        }
    };
    let request = match handshake.into_request() {
        Ok(request) => request,
        Err(refusal) => return Ok(respond(socket, refusal.response())?),
    };
    let Some(manner) = Manner::of(request.path()) else {
        return Ok(respond(socket, server::Response::new(404))?);
    };
    if let Manner::Refuse(status) = manner {
        let body = format!("refused with {status}\n");
        return Ok(respond(
            socket,
            server::Response::new(status).headers(&[("X-Refused", "yes")]).body(body.as_bytes()),
        )?);
    }
    let upgrade = match request.upgrade() {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(respond(socket, refusal.response())?),
    };
    let subprotocol = upgrade.subprotocols().next().map(String::from);
    let connection = upgrade.accept(&server::Accept::new().subprotocol(subprotocol.as_deref()))?;
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    socket.in_handshake = false;

    match &manner {
        Manner::Close(code, reason) => tx.close(*code, reason)?,
        Manner::Ping(text) => tx.send_ping(text.as_bytes())?,
        _ => {}
    }
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            // Messages may arrive after our Close; they can't be answered.
            match event {
                Event::Text(text) if tx.is_open() => send_text(&mut tx, text, &manner)?,
                Event::Binary(data) if tx.is_open() => send_binary(&mut tx, data, &manner)?,
                Event::Pong(payload) if tx.is_open() && matches!(manner, Manner::Ping(_)) => {
                    tx.send_text(&format!("ponged {}", String::from_utf8_lossy(payload)))?;
                }
                _ => {}
            }
            if tx.backlog() > BACKLOG {
                flush(socket, &mut tx)?;
            }
        }
        if ENDING.load(Ordering::Relaxed) {
            // Fails if either end has closed already.
            let _ = tx.close(CloseCode::GOING_AWAY, "");
        }
        flush(socket, &mut tx)?;
        if tx.transport() == Transport::CloseNow {
            return Ok(rx.end_of_input()?);
        }
        socket.allow(TICK, tx.is_open());
        input = match socket.read(buffer.room_for(&mut rx)) {
            Ok(0) => return Ok(rx.end_of_input()?),
            Ok(n) => buffer.received(n),
            Err(error) if error.kind() == ErrorKind::TimedOut && tx.is_open() => Input::default(),
            Err(error) => return Err(error.into()),
        };
    }
}

fn respond(socket: &mut Timed, response: server::Response<'_>) -> io::Result<()> {
    let mut out = Vec::new();
    response.write(&mut out).map_err(io::Error::other)?;
    socket.write_all(&out)?;
    socket.flush()
}

/// Writes all pending bytes, in pieces. Each piece has its own time limit: on a slow network a large message may take
/// long.
fn flush(socket: &mut Timed, tx: &mut Sender<Server, Vec<u8>>) -> io::Result<()> {
    while !tx.is_empty() {
        socket.allow(socket.patience, tx.is_open());
        let len = tx.pending().len().min(BACKLOG);
        socket.write_all(&tx.pending()[..len])?;
        tx.consume(len);
    }
    // A socket ignores this. A stream that buffers, such as TLS, needs it.
    socket.flush()
}

fn send_text(tx: &mut Sender<Server, Vec<u8>>, mut text: &str, manner: &Manner) -> Result<(), SendError> {
    if let Manner::Fragments(size) = manner {
        while text.len() > *size {
            // A fragment of text may end inside a code point; a `str` can't.
            let cut = (1..=*size).rev().find(|cut| text.is_char_boundary(*cut));
            let (fragment, rest) = text.split_at(cut.unwrap_or_else(|| text.chars().next().map_or(1, char::len_utf8)));
            tx.send_text_fragment(fragment, false)?;
            text = rest;
        }
        return tx.send_text_fragment(text, true);
    }
    tx.send_text(text)
}

fn send_binary(tx: &mut Sender<Server, Vec<u8>>, mut data: &[u8], manner: &Manner) -> Result<(), SendError> {
    if let Manner::Fragments(size) = manner {
        while data.len() > *size {
            let (fragment, rest) = data.split_at(*size);
            tx.send_binary_fragment(fragment, false)?;
            data = rest;
        }
        return tx.send_binary_fragment(data, true);
    }
    tx.send_binary(data)
}

/// Ends the connection so that the last bytes arrive. Closing a socket with unread bytes resets it, and the reset
/// overtakes the Close frame.
fn linger(socket: &mut Timed) {
    let _ = socket.socket.shutdown(Shutdown::Write);
    socket.deadline = Instant::now() + LINGER;
    let mut buf = [0; 4096];
    while matches!(socket.read(&mut buf), Ok(1..)) {}
}

/// A socket whose reads and writes fail with `TimedOut` at a deadline. A time-out for each call is not enough: a peer
/// that sends or takes a byte now and then would never be late.
struct Timed {
    socket: TcpStream,
    patience: Duration,
    deadline: Instant,
    in_handshake: bool,
    /// When the closing handshake must be over, once it began.
    closing: Option<Instant>,
}

impl Timed {
    /// Begins with the deadline for the opening handshake.
    fn new(socket: TcpStream, patience: Duration) -> Self {
        Self { socket, patience, deadline: Instant::now() + patience, in_handshake: true, closing: None }
    }

    /// Sets a new deadline while the connection is open. The closing handshake has one deadline for all its steps.
    fn allow(&mut self, time: Duration, is_open: bool) {
        let now = Instant::now();
        self.deadline = if is_open { now + time } else { *self.closing.get_or_insert(now + self.patience) };
    }

    /// Calls `io` with a time-out, repeatedly, until it succeeds or the deadline is over. When the server ends, a
    /// handshake in progress ends with it.
    fn by_deadline<T>(&self, mut io: impl FnMut(&TcpStream, Option<Duration>) -> io::Result<T>) -> io::Result<T> {
        loop {
            let remaining = self.deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() || self.in_handshake && ENDING.load(Ordering::Relaxed) {
                return Err(ErrorKind::TimedOut.into());
            }
            match io(&self.socket, Some(remaining.min(TICK))) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                }
                result => return result,
            }
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.by_deadline(|mut socket, remaining| {
            socket.set_read_timeout(remaining)?;
            socket.read(buf)
        })
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.by_deadline(|mut socket, remaining| {
            socket.set_write_timeout(remaining)?;
            socket.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        (&self.socket).flush()
    }
}
