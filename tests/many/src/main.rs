//! `cargo run --release -p many` opens a thousand WebSockets at once, as streams of ten HTTP/2 connections and over as
//! many connections of HTTP/1.1. Numbered messages are echoed, none is lost or out of order, and all WebSockets close
//! cleanly. It prints what each WebSocket and each message costs the server, which is a process of its own.

mod server;
mod websocket;

use std::{error::Error, net::SocketAddr, process::ExitCode, time::Duration};

use arguments::Arguments;
use server::{Kind, Server, Usage};
use tokio::{task::JoinSet, time::timeout};
use websocket::{Dialer, WebSocket};

pub(crate) type Fault = Box<dyn Error + Send + Sync>;

const HELP: &str = "\
A thousand WebSockets at once over HTTP/2 and HTTP/1.1, and what each costs the server.

Usage: many [OPTIONS]

  --websockets N   how many are open at once (1000)
  --streams N      how many of them share a connection of HTTP/2 (100)
  --messages N     how many messages each sends (2000)
  --length BYTES   how long a message is, at most 16384 (100)
  --quick          only 20 messages each
  --help           show this

HTTP/1.1 needs a file for each WebSocket, in both processes: see ulimit -n. The
servers allow 200 streams on a connection (hyper_server) or 128 (h2_server);
with more, opening takes too long.
";

/// How long each phase may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
struct Plan {
    websockets: usize,
    streams: usize,
    messages: u32,
    length: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut plan = Plan { websockets: 1000, streams: 100, messages: 2000, length: 100 };
    let mut arguments = Arguments::new(HELP);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--websockets" => plan.websockets = arguments.value("a number"),
            "--streams" => plan.streams = arguments.value("a number"),
            "--messages" => plan.messages = arguments.value("a number"),
            // More might fill what lies between both ends, while neither reads.
            "--length" => plan.length = arguments.value::<usize>("a number of bytes").clamp(4, 16 << 10),
            "--quick" => plan.messages = 20,
            // For the processes that this program starts.
            "--serve" => return arguments.value::<Kind>("h2 or hyper").serve().await,
            _ => arguments.unknown(),
        }
    }
    println!("{} WebSockets, each {} messages of {} bytes; the server:\n", plan.websockets, plan.messages, plan.length);
    println!("| server | over | connections | KiB of memory each, open | after the messages | CPU to open | to echo |");
    println!("|-|-|-:|-:|-:|-:|-:|");
    for (kind, is_http2) in [(Kind::Hyper, false), (Kind::Hyper, true), (Kind::H2, true)] {
        if let Err(fault) = run(kind, is_http2, plan).await {
            eprintln!("many: {kind:?}, over HTTP/{}: {fault}", if is_http2 { "2" } else { "1.1" });
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn run(kind: Kind, is_http2: bool, plan: Plan) -> Result<(), Fault> {
    let server = Server::start(kind)?;
    // The first WebSocket pays for what all others share.
    each(open(server.address, is_http2, 1, 1).await?, WebSocket::close).await?;
    let before = server.usage()?;

    let opening = open(server.address, is_http2, plan.websockets, plan.streams);
    let websockets = timeout(PATIENCE, opening).await.map_err(|_| "opening takes too long")??;
    let open = server.usage()?;
    let websockets = each(websockets, move |websocket| websocket.talk(plan.messages, plan.length)).await?;
    let after = server.usage()?;
    if websockets.len() != plan.websockets {
        return Err(format!("{} WebSockets are left", websockets.len()).into());
    }
    each(websockets, WebSocket::close).await?;
    server.expect_clean(1 + plan.websockets)?;

    let count = plan.websockets as u64;
    let each_kib = |usage: &Usage| usage.resident_kib.saturating_sub(before.resident_kib) as f64 / count as f64;
    let micros =
        |from: &Usage, to: &Usage, count: u64| (to.cpu - from.cpu).as_nanos() as f64 / 1e3 / count.max(1) as f64;
    println!(
        "| {} | {} | {} | {:.1} | {:.1} | {:.1} µs | {:.2} µs |",
        if kind == Kind::H2 { "h2_server" } else { "hyper_server" },
        if is_http2 { "HTTP/2" } else { "HTTP/1.1" },
        if is_http2 { plan.websockets.div_ceil(plan.streams) } else { plan.websockets },
        each_kib(&open),
        each_kib(&after),
        micros(&before, &open, count),
        micros(&open, &after, count * u64::from(plan.messages)),
    );
    Ok(())
}

/// Opens WebSockets, one after the other. Each sends its first message.
async fn open(server: SocketAddr, is_http2: bool, count: usize, streams: usize) -> Result<Vec<WebSocket>, Fault> {
    let mut dialer = Dialer::new(server, if is_http2 { streams } else { 0 });
    let mut websockets = Vec::new();
    for _ in 0..count {
        websockets.push(dialer.open().await?.talk(1, 4).await?);
    }
    Ok(websockets)
}

/// Does this with all WebSockets at once.
async fn each<F, T>(websockets: Vec<WebSocket>, act: impl Fn(WebSocket) -> F) -> Result<Vec<T>, Fault>
where
    F: Future<Output = Result<T, Fault>> + Send + 'static,
    T: Send + 'static,
{
    let mut tasks: JoinSet<_> = websockets.into_iter().map(|websocket| timeout(PATIENCE, act(websocket))).collect();
    let mut done = Vec::new();
    while let Some(result) = tasks.join_next().await {
        done.push(result?.map_err(|_| "a WebSocket stands still")??);
    }
    Ok(done)
}
