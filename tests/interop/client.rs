//! The client for servers of other implementations: runs every scenario of `tests/interop/README.md` with one of them.
//!
//! `interop_client --url ws://127.0.0.1:PORT`; one line per scenario, exit code 0 when all passed. The variable
//! `INTEROP_MODE` tells how the server compresses.

mod http2;

use std::{
    collections::VecDeque,
    env,
    error::Error,
    fmt::Debug,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::ExitCode,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use arguments::Arguments;
use http2::Ending;
use websocket_proto::{
    Client, Config, Connection, Event, Input, Kind, Receiver, Sender, SystemRandom, Transport, Uri, client,
    deflate::{self, Prepared, WindowBits},
    frame::CloseCode,
};

const HELP: &str = "\
The client that is tested with the servers of others: a line for each scenario.

Usage: interop_client [--http2 [--end HOW]] --url URL

  --url URL  the address of a server, such as ws://127.0.0.1:9002
  --http2    each WebSocket is a stream of one HTTP/2 connection, in clear text
  --end HOW  who ends a stream after both Closes: the server first, the client
             first, or the client by a reset (server)
  --help     show this

INTEROP_MODE says how the server is set to compress: plain, deflate or limits.
INTEROP_SKIP names scenarios to leave out. Exit code 0 when all others passed.
";

type Outcome<T = ()> = Result<T, Box<dyn Error>>;
type Scenario = fn(&str) -> Outcome;

/// For any one thing to happen.
const LIMIT: Duration = Duration::from_secs(10);

/// The connection of all WebSockets, if it is one of HTTP/2.
static HTTP2: Mutex<Option<http2::Connection>> = Mutex::new(None);

const SCENARIOS: [(&str, Scenario); 18] = [
    ("text", text),
    ("binary", binary),
    ("text-1-mib", large_text),
    ("fragments-sent", fragments_sent),
    ("fragments-received", fragments_received),
    ("ping-between-fragments", ping_between_fragments),
    ("ping", ping),
    ("ping-from-server", ping_from_server),
    ("subprotocol", subprotocol),
    ("no-subprotocol", no_subprotocol),
    ("close-by-client", close_by_client),
    ("close-by-server", close_by_server),
    ("refuse-403", refused),
    ("pipelined", pipelined),
    ("extensions", extensions),
    ("compressed", compressed),
    ("remembered", remembered),
    ("compressed-or-not", compressed_or_not),
];

/// In the mode "deflate" only: each parameter that a client can ask for, alone.
const OFFERS: [(&str, Scenario); 7] = [
    ("server-no-takeover", server_no_takeover),
    ("client-no-takeover", client_no_takeover),
    ("server-window", server_window),
    ("server-window-8-or-any", server_window_8),
    ("client-window", client_window),
    ("client-window-8", client_window_8),
    ("threshold", threshold),
];

fn main() -> ExitCode {
    let (mut url, mut over_http2, mut ending) = (String::new(), false, Ending::Server);
    let mut arguments = Arguments::new(HELP);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--url" => url = arguments.value("a URL"),
            "--http2" => over_http2 = true,
            "--end" => {
                ending = match arguments.value::<String>("server, client or reset").as_str() {
                    "server" => Ending::Server,
                    "client" => Ending::Client,
                    "reset" => Ending::Reset,
                    _ => arguments.wrong("--end needs server, client or reset"),
                }
            }
            _ => arguments.unknown(),
        }
    }
    if url.is_empty() {
        arguments.wrong("--url is missing");
    }
    if over_http2 {
        match http2::Connection::new(&url, ending) {
            Ok(connection) => *http2() = Some(connection),
            Err(error) => {
                println!("FAILED http2: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    let mut failed = 0;
    let offers = if mode() == "deflate" { &OFFERS[..] } else { &[] };
    let skip = env::var("INTEROP_SKIP").unwrap_or_default();
    for (name, scenario) in SCENARIOS.iter().chain(offers) {
        if skip.split(' ').any(|skipped| skipped == *name) {
            continue;
        }
        match scenario(&url) {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                println!("FAILED {name}: {error}");
                failed += 1;
            }
        }
    }
    if let Some(connection) = http2().take() {
        match connection.finish() {
            Ok(()) => println!("ok http2"),
            Err(error) => {
                println!("FAILED http2: {error}");
                failed += 1;
            }
        }
    }
    ExitCode::from(u8::from(failed > 0))
}

fn http2() -> MutexGuard<'static, Option<http2::Connection>> {
    HTTP2.lock().expect("no scenario panics")
}

/// How the server compresses: see `README.md`.
fn mode() -> String {
    env::var("INTEROP_MODE").unwrap_or_else(|_| "plain".into())
}

/// A message, Pong or Close, as it was received.
#[derive(Debug, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    End,
}

/// A socket, or a stream of HTTP/2.
trait Stream: Read + Write {
    /// Ends it from our side.
    fn end(&mut self) -> io::Result<()>;

    fn ending(&self) -> Ending {
        Ending::Server
    }
}

impl Stream for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Both)
    }
}

/// A WebSocket, before its first message.
struct Opened {
    response: client::Response<SystemRandom, Vec<u8>, Vec<u8>>,
    stream: Box<dyn Stream>,
    /// What was received behind the head of the response.
    input: Vec<u8>,
}

fn open_http1(config: Config, request: &client::Request<'_>, uri: Uri<'_>) -> Outcome<Opened> {
    let mut socket = TcpStream::connect((uri.host(), uri.port()))?;
    socket.set_read_timeout(Some(LIMIT))?;
    let mut handshake = client::Handshake::new(config, request, SystemRandom::new()?)?;
    socket.write_all(handshake.pending())?;
    let mut buf = [0; 4096];
    let mut input = loop {
        let n = read(&mut socket, &mut buf)?;
        let mut input = Input::new(&mut buf[..n]);
        if handshake.read(&mut input) || n == 0 {
            break input.remaining().to_vec();
        }
    };
    let response = handshake.into_response()?;
    if response.status() != 101 {
        socket.read_to_end(&mut input)?;
        return Err(refusal(&response, &input));
    }
    Ok(Opened { response, stream: Box::new(socket), input })
}

fn refusal(response: &client::Response<SystemRandom, Vec<u8>, Vec<u8>>, body: &[u8]) -> Box<dyn Error> {
    let header =
        response.headers().get("X-Refused").map_or("no X-Refused".into(), |value| value.escape_ascii().to_string());
    format!("{} {header} {:?}", response.status(), String::from_utf8_lossy(body)).into()
}

struct Session {
    stream: Box<dyn Stream>,
    rx: Receiver<Client<SystemRandom>, Vec<u8>>,
    tx: Sender<Client<SystemRandom>, Vec<u8>>,
    subprotocol: Option<String>,
    seen: VecDeque<Seen>,
    /// How many bytes were on the wire.
    sent: usize,
    received: usize,
}

impl Session {
    fn open(address: &str, subprotocols: &[&str]) -> Outcome<Self> {
        let deflate = Some(deflate::Config::new().threshold(0)).filter(|_| mode() != "plain");
        Self::open_with(deflate, address, subprotocols)
    }

    fn open_with(deflate: Option<deflate::Config>, address: &str, subprotocols: &[&str]) -> Outcome<Self> {
        let mut config = Config::new().max_frame(64 << 20).max_message(64 << 20).high_water(64 << 20);
        if let Some(deflate) = deflate {
            config = config.deflate(deflate);
        }
        let uri = Uri::parse(address)?;
        let request = client::Request::new(uri).subprotocols(subprotocols);
        let Opened { response, stream, mut input } = match &mut *http2() {
            Some(connection) => connection.open(config, &request)?,
            None => open_http1(config, &request, uri)?,
        };
        let subprotocol = response.subprotocol().map(String::from);
        let Connection { receiver, sender } = response.upgrade()?;
        let mut session =
            Self { stream, rx: receiver, tx: sender, subprotocol, seen: VecDeque::new(), sent: 0, received: 0 };
        session.take(&mut Input::new(&mut input));
        Ok(session)
    }

    fn take(&mut self, input: &mut Input<'_>) {
        while let Some(event) = self.rx.next_message(input, &mut self.tx) {
            self.seen.push_back(match event {
                Event::Text(text) => Seen::Text(text.into()),
                Event::Binary(data) => Seen::Binary(data.into()),
                Event::Ping(payload) => Seen::Ping(payload.into()),
                Event::Pong(payload) => Seen::Pong(payload.into()),
                Event::Close { code, reason, .. } => Seen::Close(code.map(CloseCode::get), reason.into()),
                event => panic!("the server broke the protocol: {event:?}"),
            });
        }
    }

    /// Sends the pending bytes, and reads until an event.
    fn next(&mut self) -> Outcome<Seen> {
        let mut buf = vec![0; 64 << 10];
        loop {
            self.stream.write_all(self.tx.pending())?;
            self.sent += self.tx.pending().len();
            self.tx.consume(usize::MAX);
            if let Some(seen) = self.seen.pop_front() {
                return Ok(seen);
            }
            let n = read(&mut *self.stream, &mut buf)?;
            if n == 0 {
                self.rx.end_of_input()?;
                return Ok(Seen::End);
            }
            self.received += n;
            self.take(&mut Input::new(&mut buf[..n]));
        }
    }

    fn expect(&mut self, expected: Seen) -> Outcome {
        let seen = self.next()?;
        if seen == expected { Ok(()) } else { Err(format!("{} instead of {}", short(&seen), short(&expected)).into()) }
    }

    /// Echoes a text. Returns its bytes on the wire, there and back.
    fn round_trip(&mut self, text: &str) -> Outcome<(usize, usize)> {
        let (sent, received) = (self.sent, self.received);
        self.tx.send_text(text)?;
        self.expect(Seen::Text(text.into()))?;
        Ok((self.sent - sent, self.received - received))
    }

    /// The agreement: our window and the server's, and for each whether it is kept between messages.
    fn agreed(&self) -> Option<(u8, u8, bool, bool)> {
        assert_eq!(self.rx.compression(), self.tx.compression(), "both halves know the same");
        let agreed = self.rx.compression()?;
        Some((agreed.send_window.get(), agreed.receive_window.get(), agreed.send_takeover, agreed.receive_takeover))
    }

    /// A closing handshake that begins here, to the end of the stream.
    fn close(mut self) -> Outcome {
        self.tx.close(CloseCode::NORMAL, "")?;
        self.expect(Seen::Close(Some(1000), String::new()))?;
        self.ended()
    }

    /// After both Closes: the end of the stream.
    fn ended(mut self) -> Outcome {
        if self.tx.transport() != Transport::AwaitEnd {
            return Err(format!("{:?} instead of AwaitEnd", self.tx.transport()).into());
        }
        match self.stream.ending() {
            Ending::Server => {
                self.expect(Seen::End)?;
                self.stream.end()?;
            }
            Ending::Client => {
                self.stream.end()?;
                self.expect(Seen::End)?;
            }
            // hyper resets a stream that is dropped.
            Ending::Reset => {}
        }
        Ok(())
    }
}

fn short(seen: &impl Debug) -> String {
    format!("{seen:?}").chars().take(80).collect()
}

fn same<T: Debug + PartialEq>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected { Ok(()) } else { Err(format!("{what}: {got:?} instead of {expected:?}").into()) }
}

fn text(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    for text in ["hello", "", "naïve Grüße, Κόσμε, 世界", "🦀🎉👩‍👩‍👧‍👦"] {
        session.tx.send_text(text)?;
        session.expect(Seen::Text(text.into()))?;
    }
    session.close()
}

fn binary(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    for len in [0, 1, 125, 126, 65535, 65536, 1 << 20] {
        let data: Vec<u8> = (0..len).map(|index: usize| (index * 31 + index / 251) as u8).collect();
        // Half of them by a vectored write, as far as the socket takes it.
        if len % 2 == 0 {
            let frame = session.tx.vectored_frame(&data[..])?;
            let written = session.stream.write_vectored(&frame.slices())?;
            frame.sent(written);
        } else {
            session.tx.send_binary(&data)?;
        }
        session.expect(Seen::Binary(data))?;
    }
    session.close()
}

fn large_text(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    let text: String = "Überfluß 世界 ".chars().cycle().take(600_000).collect();
    session.tx.send_text(&text)?;
    session.expect(Seen::Text(text))?;
    session.close()
}

fn fragments_sent(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    for fragment in ["Grüße", "", " an ", "世界"] {
        session.tx.send_text_fragment(fragment, false)?;
    }
    session.tx.send_text_fragment("", true)?;
    session.expect(Seen::Text("Grüße an 世界".into()))?;
    session.tx.send_binary_fragment(&[1; 70_000], false)?;
    session.tx.send_binary_fragment(&[2], true)?;
    let mut whole = vec![1; 70_000];
    whole.push(2);
    session.expect(Seen::Binary(whole))?;
    session.close()
}

fn fragments_received(url: &str) -> Outcome {
    let mut session = Session::open(&format!("{url}/fragment/1000"), &[])?;
    // The peers cut between bytes, so every third cut is inside a character.
    for kind in [Kind::Text, Kind::Binary] {
        let text = "世".repeat(3_333) + "!";
        if kind == Kind::Text {
            session.tx.send_text(&text)?;
            session.expect(Seen::Text(text))?;
        } else {
            session.tx.send_binary(text.as_bytes())?;
            session.expect(Seen::Binary(text.into()))?;
        }
    }
    session.close()
}

fn ping_between_fragments(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    session.tx.send_text_fragment("before ", false)?;
    session.tx.send_ping(b"between")?;
    session.tx.send_text_fragment("after", true)?;
    session.expect(Seen::Pong(b"between".into()))?;
    session.expect(Seen::Text("before after".into()))?;
    session.close()
}

fn ping(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    for payload in [&b""[..], b"are you there?", &[0xFF; 125]] {
        session.tx.send_ping(payload)?;
        session.expect(Seen::Pong(payload.into()))?;
    }
    session.close()
}

fn ping_from_server(url: &str) -> Outcome {
    let mut session = Session::open(&format!("{url}/ping/hello"), &[])?;
    session.expect(Seen::Ping(b"hello".into()))?;
    session.expect(Seen::Text("ponged hello".into()))?;
    session.close()
}

fn subprotocol(url: &str) -> Outcome {
    let session = Session::open(url, &["chat.v2", "chat.v1"])?;
    if session.subprotocol.as_deref() != Some("chat.v2") {
        return Err(format!("{:?} instead of chat.v2", session.subprotocol).into());
    }
    session.close()
}

fn no_subprotocol(url: &str) -> Outcome {
    let session = Session::open(url, &[])?;
    if session.subprotocol.is_some() {
        return Err(format!("{:?} though none was offered", session.subprotocol).into());
    }
    session.close()
}

fn close_by_client(url: &str) -> Outcome {
    for (code, reason) in [(1000, ""), (3001, "enough"), (4999, "Schluß")] {
        let mut session = Session::open(url, &[])?;
        session.tx.close(CloseCode::new(code)?, reason)?;
        match session.next()? {
            // The reason may be repeated or not.
            Seen::Close(Some(echoed), _) if echoed == code => session.ended()?,
            seen => return Err(format!("{} instead of Close {code}", short(&seen)).into()),
        }
    }
    Ok(())
}

fn close_by_server(url: &str) -> Outcome {
    let mut session = Session::open(&format!("{url}/close/3001/bye"), &[])?;
    session.expect(Seen::Close(Some(3001), "bye".into()))?;
    session.ended()
}

fn refused(url: &str) -> Outcome {
    match Session::open(&format!("{url}/status/403"), &[]) {
        Ok(_) => Err("it was accepted".into()),
        Err(error) if error.to_string() == r#"403 yes "refused with 403\n""# => Ok(()),
        Err(error) => Err(error),
    }
}

fn pipelined(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    for number in 0..100 {
        session.tx.send_text(&format!("message {number}"))?;
    }
    for number in 0..100 {
        session.expect(Seen::Text(format!("message {number}")))?;
    }
    session.close()
}

fn extensions(url: &str) -> Outcome {
    let session = Session::open(url, &[])?;
    let expected = match mode().as_str() {
        "plain" => None,
        "limits" => Some((9, 9, false, false)),
        _ => Some((15, 15, true, true)),
    };
    same("agreed", session.agreed(), expected)?;
    session.close()
}

fn compressed(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    let (sent, received) = session.round_trip(&"Überfluß 世界 ".repeat(50_000))?;
    for count in [sent, received] {
        same(&format!("{count} bytes: compressed"), count < 100_000, mode() != "plain")?;
    }
    session.close()
}

/// 3000 hexadecimal digits without a pattern, which compress to a little more than half.
fn digits() -> String {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize] as char
    };
    (0..3000).map(|_| next()).collect()
}

fn remembered(url: &str) -> Outcome {
    remember(Session::open(url, &[])?)
}

/// A repeated message compresses to almost nothing, if the agreement allows it.
fn remember(mut session: Session) -> Outcome {
    let (send_window, receive_window, send_takeover, receive_takeover) = session.agreed().unwrap_or_default();
    let first = session.round_trip(&digits())?;
    let again = session.round_trip(&digits())?;
    let what = |way| format!("{way} of {first:?}, then {again:?} bytes: remembered");
    // 2^11 bytes are too few to reach the message before.
    same(&what("sent"), again.0 < 300, send_takeover && send_window > 11)?;
    same(&what("received"), again.1 < 300, receive_takeover && receive_window > 11)?;
    session.close()
}

/// Messages that are uncompressed, or in a shared form, do not disturb a receiver that remembers.
fn compressed_or_not(url: &str) -> Outcome {
    let mut session = Session::open(url, &[])?;
    let text = digits();
    let noise: Vec<u8> = text
        .bytes()
        .scan(0_u8, |state, digit| {
            *state = state.wrapping_mul(31).wrapping_add(digit);
            Some(*state)
        })
        .collect();
    for _ in 0..3 {
        session.round_trip(&text)?;
        session.tx.send_binary(&noise)?;
        session.expect(Seen::Binary(noise.clone()))?;
        session.tx.send_prepared(&Prepared::new(text.as_str()))?;
        session.expect(Seen::Text(text.clone()))?;
        session.round_trip(&text)?;
        session.tx.compress(false);
        session.round_trip(&text)?;
        session.tx.compress(true);
    }
    session.close()
}

fn ask(url: &str, deflate: deflate::Config, expected: (u8, u8, bool, bool)) -> Outcome {
    let session = Session::open_with(Some(deflate.threshold(0)), url, &[])?;
    same("agreed", session.agreed(), Some(expected))?;
    remember(session)
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

fn server_no_takeover(url: &str) -> Outcome {
    ask(url, deflate::Config::new().receive_takeover(false), (15, 15, true, false))
}

fn client_no_takeover(url: &str) -> Outcome {
    ask(url, deflate::Config::new().send_takeover(false), (15, 15, false, true))
}

fn server_window(url: &str) -> Outcome {
    (9..15).try_for_each(|n| {
        ask(url, deflate::Config::new().receive_window(bits(n)).receive_window_limit(bits(n)), (15, n, true, true))
    })
}

fn server_window_8(url: &str) -> Outcome {
    // Many servers can't compress with this window. They accept the other offer, of any window.
    let session = Session::open_with(Some(deflate::Config::new().threshold(0).receive_window(bits(8))), url, &[])?;
    if !matches!(session.agreed(), Some((15, 8 | 15, true, true))) {
        return Err(format!("agreed: {:?}", session.agreed()).into());
    }
    remember(session)
}

fn client_window(url: &str) -> Outcome {
    (9..15).try_for_each(|n| ask(url, deflate::Config::new().send_window(bits(n)), (n, 15, true, true)))
}

fn client_window_8(url: &str) -> Outcome {
    ask(url, deflate::Config::new().send_window(bits(8)), (8, 15, true, true))
}

fn threshold(url: &str) -> Outcome {
    let mut session = Session::open_with(Some(deflate::Config::new().threshold(1000)), url, &[])?;
    for size in [999, 1000, 0, 1001, 1] {
        let (sent, _) = session.round_trip(&"a".repeat(size))?;
        same(&format!("{sent} of {size} bytes sent"), sent < 100, !(100..1000).contains(&size))?;
    }
    session.close()
}

/// Reads once, and again after an interruption by a signal.
fn read(stream: &mut dyn Stream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buf) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
