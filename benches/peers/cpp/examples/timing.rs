//! A rough idea of the cost of a message for a server. The harness measures it properly.

use cpp_peers::{Peer, Role, Seen, peers};
use std::hint::black_box;
use std::io::IoSlice;
use std::time::Instant;

fn input(length: usize, masked: bool) -> Vec<u8> {
    let mut input = Vec::new();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    while input.len() < 1 << 18 {
        let bit = if masked { 0x80 } else { 0 };
        if length < 126 {
            input.extend([0x82, bit | length as u8]);
        } else {
            input.extend([0x82, bit | 127]);
            input.extend((length as u64).to_be_bytes());
        }
        if masked {
            input.extend(key);
        }
        input.extend((0..length).map(|i| i as u8 ^ if masked { key[i % 4] } else { 0 }));
    }
    input
}

/// Nanoseconds for a message: the least of several runs.
fn time(messages: usize, mut batch: impl FnMut() -> Seen) -> f64 {
    let times = (0..15).map(|_| {
        let start = Instant::now();
        assert_eq!(black_box(batch()).messages, messages as u64);
        start.elapsed().as_nanos() as f64 / messages as f64
    });
    times.fold(f64::INFINITY, f64::min)
}

fn main() {
    println!("{:12} {:8} {:>7} {:>7} {:>9} {:>9} {:>9}", "", "", "bytes", "read", "receive", "echo", "send/16");
    for kind in peers() {
        for role in [Role::Server, Role::Client] {
            for (length, messages) in [(125, 100_000), (65_536, 2_000)] {
                let input = input(length, role == Role::Server);
                let payload = vec![7; length];
                for read in [4_096, 65_536] {
                    let Some(mut peer) = Peer::new(*kind, role) else { continue };
                    let mut offset = 0;
                    let receive = time(messages, || peer.receive(&input, read, &mut offset, messages, false));
                    let echo = time(messages, || peer.echo(&input, read, &mut offset, messages, false));
                    let payloads = vec![IoSlice::new(&payload); messages];
                    let send = time(messages, || peer.send(&payloads, false, 16));
                    println!("{:12} {role:8?} {length:7} {read:7} {receive:9.1} {echo:9.1} {send:9.1}", kind.name());
                }
            }
        }
        println!("{:12} idle: {:?} bytes", kind.name(), kind.idle_bytes());
    }
}
