//! A stack for this machine. Its network is a wire that leads back to it.

extern crate std;

use std::boxed::Box;

use embassy_executor::Spawner;
use embassy_net::{
    Config, Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4,
    driver::{HardwareAddress, LinkState},
};
use embassy_net_driver_channel::{self as channel, Device};

/// The address of the stack.
pub const ADDRESS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);

/// The length of a packet, and how many can be under way: more than fit all windows.
const PACKET: usize = 1500;
const PACKETS: usize = 256;

/// Returns a stack for this many sockets. A process can have one.
pub fn stack<const SOCKETS: usize>(spawner: Spawner) -> Stack<'static> {
    let state = Box::leak(Box::new(channel::State::<PACKET, PACKETS, PACKETS>::new()));
    let (ends, device) = channel::new(state, HardwareAddress::Ip);
    let config = StaticConfigV4 { address: Ipv4Cidr::new(ADDRESS, 24), gateway: None, dns_servers: Default::default() };
    let resources = Box::leak(Box::new(StackResources::<SOCKETS>::new()));
    // A device takes the seed from its random numbers. Here, nobody else is on the wire.
    let (stack, runner) = embassy_net::new(device, Config::ipv4_static(config), resources, 0);
    spawner.spawn(wire(ends).expect("the first wire"));
    spawner.spawn(network(runner).expect("the first network"));
    stack
}

/// Whatever the stack sends, it receives. As on any network, a packet is lost if there is no room for it.
#[embassy_executor::task]
async fn wire(ends: channel::Runner<'static, PACKET>) -> ! {
    let (state, mut to_stack, mut from_stack) = ends.split();
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

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, Device<'static, PACKET>>) -> ! {
    runner.run().await
}
