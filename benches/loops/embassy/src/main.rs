//! The program of `examples/embassy`, with the other server.

#[path = "../../../../examples/embassy/src/bridge.rs"]
mod bridge;
#[path = "../../../../examples/embassy/src/host.rs"]
mod host;

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use arguments::Arguments;
use async_io::Async;
use embassy_executor::{Executor, Spawner};
use embassy_net::{Stack, tcp::TcpSocket};
use loops_embassy::server::{CONTROL, Patience, serve};

const HELP: &str = "\
An echo server on embassy, whose network stack runs in this process.

Usage: embassy_server [OPTIONS] [ADDR:PORT]

  ADDR:PORT           where to listen; port 0 is any free one (127.0.0.1:9010)
  --patience SECONDS  how long a peer may take over its request (10), and to end the
                      stream after both ends have closed (2)
  --silence SECONDS   how long a peer may be silent before it gets a Ping, and then
                      again before it counts as gone (25); 0 is for ever
  --help              show this
";

/// The largest message. A device has less memory, and needs less.
const MESSAGE: usize = 64 << 10;

/// What a socket of the stack can receive, and can keep until it is acknowledged.
pub(crate) const WINDOW: usize = 4 << 10;

/// How many connections are served at once. More wait in the operating system.
pub(crate) const CLIENTS: usize = 4;

/// A server needs a moment after its connection has ended, so there are more of them.
const SERVERS: usize = 2 * CLIENTS;

const PORT: u16 = 80;

fn main() -> std::io::Result<()> {
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 9010));
    let [two, ten, silence] = [2, 10, 25].map(|seconds| Some(Duration::from_secs(seconds)));
    let mut patience = Patience { opening: ten, silence, answer: silence, end: two };
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--patience" => {
                let time = arguments.seconds();
                patience = Patience { opening: time, end: time, ..patience };
            }
            "--silence" => {
                let time = arguments.seconds();
                patience = Patience { silence: time, answer: time, ..patience };
            }
            option if option.starts_with('-') => arguments.unknown(),
            address => listen = address.parse().unwrap_or_else(|_| arguments.wrong("ADDR:PORT is needed")),
        }
    }
    let listener = Box::leak(Box::new(Async::<TcpListener>::bind(listen)?));
    println!("listening on ws://{}/", listener.get_ref().local_addr()?);
    let executor = Box::leak(Box::new(Executor::new()));
    executor.run(|spawner| start(spawner, listener, patience))
}

fn start(spawner: Spawner, listener: &'static Async<TcpListener>, patience: Patience) {
    let stack = host::stack::<{ SERVERS + CLIENTS }>(spawner);
    let free = "a task of this pool is free";
    for _ in 0..SERVERS {
        spawner.spawn(server(stack, patience).expect(free));
    }
    for _ in 0..CLIENTS {
        spawner.spawn(bridge::bridge(stack, listener, (host::ADDRESS, PORT).into()).expect(free));
    }
}

/// Serves one client after the other, and says how each connection ended.
#[embassy_executor::task(pool_size = SERVERS)]
async fn server(stack: Stack<'static>, patience: Patience) {
    let (mut receive, mut send) = ([0; WINDOW], [0; WINDOW]);
    let mut buffer = [0; MESSAGE + CONTROL];
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    while let Ok(outcome) = serve(&mut socket, PORT, patience, &mut buffer).await {
        eprintln!("{outcome}");
    }
}
