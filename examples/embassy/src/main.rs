//! Runs the server on this machine, in a stack of its own. Its network is a wire that leads back to itself.
//!
//! ```text
//! cargo run --release --manifest-path examples/embassy/Cargo.toml -- 127.0.0.1:9009
//! ```

mod bridge;

use std::net::{SocketAddr, TcpListener};

use arguments::Arguments;
use async_io::Async;
use embassy_executor::{Executor, Spawner};
use embassy_net::{
    Config, Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4,
    driver::{HardwareAddress, LinkState},
    tcp::TcpSocket,
};
use embassy_net_driver_channel::{self as channel, Device};
use embassy_server::server::serve;
use websocket_proto::time::Patience;

const HELP: &str = "\
An echo server on embassy, whose network stack runs in this process.

Usage: embassy_server [OPTIONS] [ADDR:PORT]

  ADDR:PORT           where to listen; port 0 is any free one (127.0.0.1:9009)
  --patience SECONDS  how long a peer may take over its request (10), over its answer
                      to our Close (10), and to end the stream after that (2)
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

/// The length of a packet, and how many can be under way: more than fit all windows.
const PACKET: usize = 1500;
const PACKETS: usize = 256;

const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const PORT: u16 = 80;

fn main() -> std::io::Result<()> {
    let (mut listen, mut patience) = (SocketAddr::from(([127, 0, 0, 1], 9009)), Patience::new());
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
    let state = Box::leak(Box::new(channel::State::<PACKET, PACKETS, PACKETS>::new()));
    let (wire_end, device) = channel::new(state, HardwareAddress::Ip);
    let config = StaticConfigV4 { address: Ipv4Cidr::new(ADDRESS, 24), gateway: None, dns_servers: Default::default() };
    let resources = Box::leak(Box::new(StackResources::<{ SERVERS + CLIENTS }>::new()));
    // A device takes the seed from its random numbers. Here, nobody else is on the wire.
    let (stack, runner) = embassy_net::new(device, Config::ipv4_static(config), resources, 0);
    let free = "a task of this pool is free";
    spawner.spawn(wire(wire_end).expect(free));
    spawner.spawn(network(runner).expect(free));
    for _ in 0..SERVERS {
        spawner.spawn(server(stack, patience).expect(free));
    }
    for _ in 0..CLIENTS {
        spawner.spawn(bridge::bridge(stack, listener, (ADDRESS, PORT).into()).expect(free));
    }
}

/// Serves one client after the other, and says how each connection ended.
#[embassy_executor::task(pool_size = SERVERS)]
async fn server(stack: Stack<'static>, patience: Patience) {
    let (mut receive, mut send) = ([0; WINDOW], [0; WINDOW]);
    let (mut input, mut output) = ([0; MESSAGE], [0; MESSAGE + WINDOW + 256]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    while let Ok(outcome) = serve(&mut socket, PORT, patience, &mut input, &mut output).await {
        eprintln!("{outcome}");
    }
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Device<'static, PACKET>>) -> ! {
    runner.run().await
}

/// Whatever the stack sends, it receives. As on any network, a packet is lost if there is no room for it.
#[embassy_executor::task]
async fn wire(runner: channel::Runner<'static, PACKET>) -> ! {
    let (state, mut to_stack, mut from_stack) = runner.split();
    state.set_link_state(LinkState::Up);
    loop {
        let packet = from_stack.tx_buf().await;
        let len = packet.len();
        if let Some(room) = to_stack.try_rx_buf() {
            room[..len].copy_from_slice(packet);
            to_stack.rx_done(len);
        }
        from_stack.tx_done();
    }
}
