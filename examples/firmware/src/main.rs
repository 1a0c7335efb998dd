//! A WebSocket client on the first UART and a server on the second, without an allocator: see README.md.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "server")]
mod server;

use board::{host, stack};
use cortex_m_rt::entry;

/// All the memory that a connection needs beside its state. It is lent to the library: an owned array would be moved,
/// over the stack, at each step of the handshake.
#[cfg_attr(not(any(feature = "client", feature = "server")), allow(dead_code))]
struct Room {
    /// The bytes of one read: any size. A message that arrives in one read is lent from it.
    read: [u8; 64],
    /// The head of the handshake, then a message that arrives in pieces.
    input: [u8; INPUT],
    /// The request or response of the handshake, then frames that wait for the UART.
    output: [u8; 512],
}

/// A browser's request has 500 to 1000 bytes, a server's response 130 to 300.
const INPUT: usize = if cfg!(feature = "server") { 1024 } else { 512 };

#[entry]
fn main() -> ! {
    static mut ROOM: Room = Room { read: [0; 64], input: [0; INPUT], output: [0; 512] };
    let well = run(ROOM);
    host::report(c"stack", stack::deepest());
    host::exit(well)
}

#[cfg_attr(not(any(feature = "client", feature = "server")), allow(unused_variables))]
fn run(room: &mut Room) -> bool {
    #[cfg(feature = "client")]
    match client::talk(board::Uart::first(), room) {
        Ok(()) => host::say(c"client: ok\n"),
        Err(reason) => {
            host::say(c"client: ");
            host::say(reason);
            host::say(c"\n");
            return false;
        }
    }
    #[cfg(feature = "server")]
    match server::serve(board::Uart::second(), room) {
        Ok(()) => host::say(c"server: ok\n"),
        Err(reason) => {
            host::say(c"server: ");
            host::say(reason);
            host::say(c"\n");
            return false;
        }
    }
    true
}
