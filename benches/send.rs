//! Messages to bytes. A server copies the payload once, or not at all in a vectored write. A client masks it, with a
//! key from the generator that applications use. The socket takes everything at once. Throughput counts payload.

mod common;

use std::{hint::black_box, str};

use common::{KIB, ascii, binary, connect, criterion};
use criterion::{Criterion, Throughput};
use websocket_proto::{Message, Role, Sender, Storage};

const SIZES: [(&str, usize); 3] = [("125 B", 125), ("1 KiB", KIB), ("64 KiB", 64 * KIB)];

fn main() {
    let mut criterion = criterion();
    send(&mut criterion);
    criterion.final_summary();
}

fn send(criterion: &mut Criterion) {
    let (mut client, mut server) = connect();
    let mut group = criterion.benchmark_group("send");
    for (name, len) in SIZES {
        let payload = binary(len);
        let message = Message::from(&payload[..]);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("server/binary/{name}"), |bencher| {
            bencher.iter(|| copy(&mut server.sender, message))
        });
        group.bench_function(format!("server/vectored/{name}"), |bencher| {
            bencher.iter(|| lend(&mut server.sender, message));
        });
        group.bench_function(format!("client/binary/{name}"), |bencher| {
            bencher.iter(|| copy(&mut client.sender, message))
        });
    }

    let payload = ascii(64 * KIB);
    let text = Message::from(str::from_utf8(&payload).unwrap());
    group.bench_function("server/text/64 KiB", |bencher| bencher.iter(|| copy(&mut server.sender, text)));
    group.finish();
}

fn copy<R: Role, S: Storage>(sender: &mut Sender<R, S>, message: Message<'_>) {
    sender.send(black_box(message)).unwrap();
    sender.consume(black_box(sender.pending()).len());
}

fn lend<R: Role, S: Storage>(sender: &mut Sender<R, S>, message: Message<'_>) {
    let frame = sender.vectored_frame(black_box(message)).unwrap();
    let written = black_box(frame.slices()).iter().map(|slice| slice.len()).sum();
    frame.sent(written);
}
