//! Messages that an HTTP library hands out as `Bytes`, as h2 does: what it costs that an `Input` wants `&mut [u8]`.
//!
//! The frames of HTTP/2 have at most 16 KiB, so a longer message is in several. As in `receive.rs` each byte of the
//! masking key is 1: unmasking twice restores the bytes. Throughput counts payload.

mod common;

use std::hint::black_box;

use bytes::{Buf, Bytes, BytesMut};
use common::{KIB, ServerEnd, binary, connect, criterion, message};
use criterion::Throughput;
use websocket_proto::{Connection, Event, Input, Kind, ReadBuffer, frame::MaskingKey};

const KEY: MaskingKey = MaskingKey([1; 4]);
const FRAME: usize = 16 * KIB;

fn main() {
    let mut criterion = criterion();
    for (name, len) in [("16 B", 16), ("1 KiB", KIB), ("16 KiB", FRAME - 8), ("1 MiB", 1024 * KIB)] {
        let wire = message(Kind::Binary, &binary(len), len, Some(KEY));
        let mut group = criterion.benchmark_group(format!("bytes/{name}"));
        group.throughput(Throughput::Bytes(len as u64));

        // The lower bound: memory that is the caller's own.
        let (mut connection, mut own) = (connect().1, wire.clone());
        group.bench_function("no copy", |bencher| {
            bencher.iter(|| count(&mut connection, own.chunks_mut(FRAME), receive));
        });

        let (mut connection, shared) = (connect().1, Bytes::from(wire.clone()));
        let mut buffer = ReadBuffer::new(vec![0; FRAME]);
        group.bench_function("copied to a ReadBuffer", |bencher| {
            bencher.iter(|| {
                count(&mut connection, frames(&shared), |connection, mut data| {
                    let mut messages = 0;
                    while !data.is_empty() {
                        let room = buffer.room_for(&mut connection.receiver);
                        let count = room.len().min(data.len());
                        data.copy_to_slice(&mut room[..count]);
                        messages += events(connection, buffer.received(count));
                    }
                    messages
                })
            });
        });

        let mut connection = connect().1;
        group.bench_function("BytesMut::from, shared", |bencher| {
            bencher.iter(|| {
                count(&mut connection, frames(&shared), |connection, data| {
                    receive(connection, &mut BytesMut::from(data))
                })
            });
        });

        // Nothing else refers to the memory of a frame.
        let mut connection = connect().1;
        let mut unique: Vec<Bytes> = wire.chunks(FRAME).map(|frame| frame.to_vec().into()).collect();
        group.bench_function("BytesMut::from, unique", |bencher| {
            bencher.iter(|| {
                count(&mut connection, unique.iter_mut(), |connection, frame| {
                    let mut data = BytesMut::from(std::mem::take(frame));
                    let messages = receive(connection, &mut data);
                    *frame = data.freeze();
                    messages
                })
            });
        });
        group.finish();
    }
    criterion.final_summary();
}

fn frames(wire: &Bytes) -> impl Iterator<Item = Bytes> {
    (0..wire.len()).step_by(FRAME).map(|start| wire.slice(start..wire.len().min(start + FRAME)))
}

/// All frames must make one message.
fn count<T>(
    connection: &mut ServerEnd,
    frames: impl Iterator<Item = T>,
    mut receive: impl FnMut(&mut ServerEnd, T) -> usize,
) {
    let messages: usize = frames.map(|frame| receive(connection, frame)).sum();
    assert_eq!(messages, 1);
}

fn receive(connection: &mut ServerEnd, frame: &mut [u8]) -> usize {
    events(connection, Input::new(frame))
}

fn events(connection: &mut ServerEnd, mut input: Input<'_>) -> usize {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut count = 0;
    while let Some(event) = rx.next_message(&mut input, tx) {
        count += usize::from(matches!(black_box(event), Event::Binary(_)));
    }
    count
}
