use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::SinkExt;
use tokio::{net::TcpStream, time::timeout};
use tokio_util::io::{InspectReader, InspectWriter};
use yawc::{Frame, OpCode, Options, WebSocket, WebSocketError, close::CloseCode};

use crate::{Mode, Outcome, mode, options};

const LIMIT: Duration = Duration::from_secs(10); // for one scenario
const MIB: usize = 1 << 20;

/// Characters of 1, 2, 3 and 4 bytes: 10 bytes together.
const MIXED: &str = "aß漢😀";

const SCENARIOS: &str = "text-ascii text-multibyte text-emoji text-empty text-1MiB \
    binary-0 binary-1 binary-125 binary-126 binary-65535 binary-65536 binary-1MiB \
    send-fragmented-text send-fragmented-binary receive-fragmented-text receive-fragmented-binary \
    ping-from-client ping-from-server ping-between-fragments compressed remembered \
    close-by-client close-by-server close-1000 refuse-403 pipeline-100";

/// In the mode "deflate" only: each parameter that a client can ask for, alone. yawc can't express 2^8.
const OFFERS: &str = "server-no-takeover client-no-takeover server-window client-window threshold";

pub async fn run(base: &str) -> Outcome<ExitCode> {
    let mut failed = false;
    let offers = if mode() == Mode::Deflate { OFFERS } else { "" };
    for name in SCENARIOS.split_whitespace().chain(offers.split_whitespace()) {
        let outcome = timeout(LIMIT, scenario(name, base)).await;
        match outcome.unwrap_or_else(|_| Err(format!("nothing for {LIMIT:?}").into())) {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                println!("FAILED {name}: {error}");
                failed = true;
            }
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

async fn scenario(name: &str, base: &str) -> Outcome {
    let echo = |frame| echo(base, "/", frame);
    match name {
        "text-ascii" => echo(Frame::text("hello")).await,
        "text-multibyte" => echo(Frame::text("Grüße, 漢字")).await,
        "text-emoji" => echo(Frame::text("😀👩‍👩‍👧🇺🇳")).await,
        "text-empty" => echo(Frame::text("")).await,
        "text-1MiB" => echo(Frame::text(text_1mib())).await,
        "binary-1MiB" => echo(Frame::binary(pattern(MIB))).await,
        "send-fragmented-text" => send_fragmented(base, Frame::text(text_10k())).await,
        "send-fragmented-binary" => send_fragmented(base, Frame::binary(pattern(10_000))).await,
        "receive-fragmented-text" => self::echo(base, "/fragment/1000", Frame::text(text_10k())).await,
        "receive-fragmented-binary" => self::echo(base, "/fragment/1000", Frame::binary(pattern(10_000))).await,
        "ping-from-client" => ping_from_client(base).await,
        "ping-from-server" => ping_from_server(base).await,
        "ping-between-fragments" => ping_between_fragments(base).await,
        "compressed" => compressed(base).await,
        "remembered" => remembered(base, options(), mode() == Mode::Deflate, mode() == Mode::Deflate).await,
        "close-by-client" => Session::open(base, "/", options()).await?.close(3001, "leaving").await,
        "close-by-server" => {
            let mut session = Session::open(base, "/close/4000/goodbye", options()).await?;
            same("close", session.closed().await?, (4000, "goodbye".into()))
        }
        "close-1000" => Session::open(base, "/", options()).await?.close(1000, "").await,
        "refuse-403" => match Session::open(base, "/status/403", options()).await {
            Ok(_) => Err("was accepted".into()),
            Err(error) => same("error", error.to_string(), WebSocketError::InvalidStatusCode(403).to_string()),
        },
        "pipeline-100" => pipeline(base).await,
        "server-no-takeover" => remembered(base, options().server_no_context_takeover(), false, true).await,
        "client-no-takeover" => remembered(base, options().client_no_context_takeover(), true, false).await,
        "server-window" => {
            for bits in 9..15 {
                // 2^11 bytes are too few to reach the message before.
                remembered(base, options().with_server_max_window_bits(bits), bits > 11, true).await?;
            }
            Ok(())
        }
        "client-window" => {
            for bits in 9..15 {
                remembered(base, options().with_client_max_window_bits(bits), true, bits > 11).await?;
            }
            Ok(())
        }
        "threshold" => threshold(base).await,
        _ => match name.strip_prefix("binary-") {
            Some(size) => echo(Frame::binary(pattern(size.parse()?))).await,
            None => Err("no such scenario".into()),
        },
    }
}

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index % 251) as u8).collect()
}

fn text_10k() -> String {
    format!("ß{}12345678", MIXED.repeat(999)) // byte 1000 is inside a character
}

fn text_1mib() -> String {
    MIXED.repeat(MIB / 10) + &"a".repeat(MIB % 10)
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

fn same<T: std::fmt::Debug + PartialEq>(what: &str, got: T, want: T) -> Outcome {
    if got == want {
        return Ok(());
    }
    let short = |value: T| format!("{value:?}").chars().take(60).collect::<String>();
    Err(format!("{what}: got {}, want {}", short(got), short(want)).into())
}

type Count = Box<dyn FnMut(&[u8]) + Send>;

struct Session {
    socket: WebSocket<InspectWriter<InspectReader<TcpStream, Count>, Count>>,
    /// The bytes on the wire: sent, received.
    wire: [Arc<AtomicUsize>; 2],
}

impl Session {
    async fn open(base: &str, path: &str, options: Options) -> Outcome<Self> {
        let wire = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let [sent, received] = wire.clone().map(|total| -> Count {
            Box::new(move |bytes| {
                total.fetch_add(bytes.len(), Relaxed);
            })
        });
        let socket = TcpStream::connect(base.trim_start_matches("ws://")).await?;
        socket.set_nodelay(true)?;
        let counted = InspectWriter::new(InspectReader::new(socket, received), sent);
        let socket = WebSocket::handshake(format!("{base}{path}").parse()?, counted, options).await?;
        Ok(Self { socket, wire })
    }

    async fn next(&mut self) -> Outcome<(OpCode, Bytes)> {
        let (opcode, _, payload) = self.socket.next_frame().await?.into_parts();
        Ok((opcode, payload))
    }

    async fn expect(&mut self, opcode: OpCode, payload: impl Into<Bytes>) -> Outcome {
        same("received", self.next().await?, (opcode, payload.into()))
    }

    /// Echoes a message. Returns its bytes on the wire, there and back.
    async fn round_trip(&mut self, message: Frame) -> Outcome<[usize; 2]> {
        let count = |session: &Self| session.wire.each_ref().map(|total| total.load(Relaxed));
        let before = count(self);
        let (opcode, payload) = (message.opcode(), message.payload().clone());
        self.socket.send(message).await?;
        self.expect(opcode, payload).await?;
        let after = count(self);
        Ok([after[0] - before[0], after[1] - before[1]])
    }

    /// Waits for the server's Close, and for the end of the stream.
    async fn closed(&mut self) -> Outcome<(u16, String)> {
        let frame = self.socket.next_frame().await?;
        let code = frame.close_code().ok_or("no close code")?.into();
        let reason = frame.close_reason()?.unwrap_or_default().into();
        match self.socket.next_frame().await {
            Err(WebSocketError::ConnectionClosed) => Ok((code, reason)),
            Err(error) => Err(error.into()),
            Ok(_) => Err("a frame after the Close".into()),
        }
    }

    async fn close(mut self, code: u16, reason: &str) -> Outcome {
        self.socket.send(Frame::close(CloseCode::from(code), reason)).await?;
        same("close code", self.closed().await?.0, code)
    }
}

async fn echo(base: &str, path: &str, message: Frame) -> Outcome {
    let mut session = Session::open(base, path, options()).await?;
    session.round_trip(message).await?;
    session.close(1000, "").await
}

async fn send_fragmented(base: &str, message: Frame) -> Outcome {
    let mut session = Session::open(base, "/", options().with_max_fragment_size(997)).await?;
    session.round_trip(message).await?;
    session.close(1000, "").await
}

async fn ping_from_client(base: &str) -> Outcome {
    let mut session = Session::open(base, "/", options()).await?;
    for payload in [vec![], b"are you there".to_vec(), pattern(125)] {
        session.socket.send(Frame::ping(payload.clone())).await?;
        session.expect(OpCode::Pong, payload).await?;
    }
    session.close(1000, "").await
}

async fn ping_from_server(base: &str) -> Outcome {
    let mut session = Session::open(base, "/ping/hello", options()).await?;
    session.expect(OpCode::Ping, "hello").await?;
    // The second is certainly sent after the Pong.
    for text in ["still here", "and here"] {
        session.socket.send(Frame::text(text)).await?;
        let mut echo = session.next().await?;
        while echo.1 == "ponged hello" {
            echo = session.next().await?; // the peer servers report the pong, the other one need not
        }
        same("echo", echo, (OpCode::Text, text.into()))?;
    }
    session.close(1000, "").await
}

async fn ping_between_fragments(base: &str) -> Outcome {
    let mut session = Session::open(base, "/", options()).await?;
    session.socket.send(Frame::text("one ").with_fin(false)).await?;
    session.socket.send(Frame::ping("between")).await?;
    session.socket.send(Frame::continuation("two")).await?;
    session.expect(OpCode::Pong, "between").await?;
    session.expect(OpCode::Text, "one two").await?;
    session.close(1000, "").await
}

async fn compressed(base: &str) -> Outcome {
    let mut session = Session::open(base, "/", options()).await?;
    for count in session.round_trip(Frame::text(text_1mib())).await? {
        same(&format!("{count} bytes: compressed"), count < MIB / 10, mode() != Mode::Plain)?;
    }
    session.close(1000, "").await
}

/// Whether the two ends refer to bytes that are 3000 bytes back.
async fn remembered(base: &str, options: Options, server: bool, client: bool) -> Outcome {
    let mut session = Session::open(base, "/", options).await?;
    let first = session.round_trip(Frame::text(digits())).await?;
    let again = session.round_trip(Frame::text(digits())).await?;
    let what = format!("sent and received {first:?}, then {again:?} bytes: remembered");
    same(&what, again.map(|count| count < 300), [client, server])?;
    session.close(1000, "").await
}

async fn threshold(base: &str) -> Outcome {
    let mut session = Session::open(base, "/", options().with_compression_threshold(1000)).await?;
    for size in [999, 1000, 0, 1001, 1] {
        let [sent, _] = session.round_trip(Frame::text("a".repeat(size))).await?;
        same(&format!("{sent} of {size} bytes sent"), sent < 100, !(100..1000).contains(&size))?;
    }
    session.close(1000, "").await
}

async fn pipeline(base: &str) -> Outcome {
    let mut session = Session::open(base, "/", options()).await?;
    for number in 0..100 {
        session.socket.feed(Frame::text(format!("message {number}"))).await?;
    }
    session.socket.flush().await?;
    for number in 0..100 {
        session.expect(OpCode::Text, format!("message {number}")).await?;
    }
    session.close(1000, "").await
}
