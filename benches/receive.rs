//! Bytes to messages.
//!
//! A receiver unmasks in place, so the same buffer can't be read twice, and a fresh copy for each iteration would cost
//! as much as the measured work. So each byte of the masking key is 1: unmasking twice restores the bytes, and once
//! gives others of the same kind (ASCII stays ASCII, Cyrillic stays Cyrillic). Nothing is copied, and only the receiver
//! is measured. Throughput counts payload.

mod common;

use std::hint::black_box;

use common::{KIB, ServerEnd, ascii, binary, connect, criterion, cyrillic, message};
use criterion::{Criterion, Throughput};
use websocket_proto::{ChunkEvent, Connection, Event, Input, Kind, ReadBuffer, Role, Storage, frame::MaskingKey};

const KEY: MaskingKey = MaskingKey([1; 4]);

/// The longest read: small messages arrive many at a time.
const READ: usize = 64 * KIB;

fn main() {
    let mut criterion = criterion();
    server(&mut criterion);
    server_in_parts(&mut criterion);
    client(&mut criterion);
    criterion.final_summary();
}

fn server(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive/server");
    let mut bench = |name: &str, kind, payload: &[u8]| {
        let count = (READ / payload.len()).max(1);
        let mut wire = message(kind, payload, payload.len(), Some(KEY)).repeat(count);
        let mut connection = connect().1;
        group.throughput(Throughput::Bytes((payload.len() * count) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| read(&mut connection, &mut wire, usize::MAX, count)));
    };
    bench("binary/16 B", Kind::Binary, &binary(16));
    bench("binary/125 B", Kind::Binary, &binary(125));
    bench("binary/1 KiB", Kind::Binary, &binary(KIB));
    bench("binary/64 KiB", Kind::Binary, &binary(64 * KIB));
    bench("ascii/1 KiB", Kind::Text, &ascii(KIB));
    bench("ascii/64 KiB", Kind::Text, &ascii(64 * KIB));
    bench("cyrillic/1 KiB", Kind::Text, &cyrillic(KIB));
    bench("cyrillic/64 KiB", Kind::Text, &cyrillic(64 * KIB));
    group.finish();
}

/// Messages that are not in one piece, so they are stored or streamed.
fn server_in_parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive/server, 64 KiB in parts");
    group.throughput(Throughput::Bytes(64 * KIB as u64));

    let mut wire = message(Kind::Binary, &binary(64 * KIB), 64 * KIB, Some(KEY));
    let mut connection = connect().1;
    group.bench_function("binary/reads of 4 KiB", |bencher| {
        bencher.iter(|| read(&mut connection, &mut wire, 4 * KIB, 1));
    });

    let mut connection = connect().1;
    let mut buffer = ReadBuffer::new(vec![0; 128 * KIB]);
    group.bench_function("binary/reads of 4 KiB into a buffer of its own", |bencher| {
        bencher.iter(|| read_into(&mut connection, &mut buffer, black_box(&wire), 4 * KIB));
    });

    let wire = message(Kind::Text, &ascii(64 * KIB), 64 * KIB, Some(KEY));
    let mut connection = connect().1;
    let mut buffer = ReadBuffer::new(vec![0; 128 * KIB]);
    group.bench_function("ASCII/reads of 4 KiB into a buffer of its own", |bencher| {
        bencher.iter(|| read_into(&mut connection, &mut buffer, black_box(&wire), 4 * KIB));
    });

    let mut wire = message(Kind::Binary, &binary(64 * KIB), 4 * KIB, Some(KEY));
    let mut connection = connect().1;
    group.bench_function("binary/fragments of 4 KiB", |bencher| {
        bencher.iter(|| read(&mut connection, &mut wire, usize::MAX, 1));
    });
    group.bench_function("binary/fragments of 4 KiB, streamed", |bencher| {
        bencher.iter(|| stream(&mut connection, &mut wire));
    });

    // An odd length cuts letters in two.
    let mut wire = message(Kind::Text, &cyrillic(64 * KIB), 4 * KIB - 1, Some(KEY));
    let mut connection = connect().1;
    group.bench_function("cyrillic/fragments of 4095 B", |bencher| {
        bencher.iter(|| read(&mut connection, &mut wire, usize::MAX, 1));
    });
    group.finish();
}

fn client(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive/client");
    let mut bench = |name: &str, kind, payload: &[u8]| {
        let count = (READ / payload.len()).max(1);
        let mut wire = message(kind, payload, payload.len(), None).repeat(count);
        let mut connection = connect().0;
        group.throughput(Throughput::Bytes((payload.len() * count) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| read(&mut connection, &mut wire, usize::MAX, count)));
    };
    bench("binary/16 B", Kind::Binary, &binary(16));
    bench("binary/125 B", Kind::Binary, &binary(125));
    bench("binary/1 KiB", Kind::Binary, &binary(KIB));
    bench("ascii/64 KiB", Kind::Text, &ascii(64 * KIB));
    bench("cyrillic/64 KiB", Kind::Text, &cyrillic(64 * KIB));
    group.finish();
}

/// Reads whole messages, and asserts their number: a failure would be fast.
fn read<R: Role, S: Storage>(connection: &mut Connection<R, S, S>, wire: &mut [u8], most: usize, expected: usize) {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut count = 0;
    for piece in wire.chunks_mut(most.min(wire.len())) {
        let mut input = Input::new(piece);
        while let Some(event) = rx.next_message(&mut input, tx) {
            count += usize::from(matches!(black_box(event), Event::Text(_) | Event::Binary(_)));
        }
    }
    assert_eq!(count, expected);
}

/// The same from a `ReadBuffer`. The copy into it, which the kernel would do, is part of the time.
fn read_into(connection: &mut ServerEnd, buffer: &mut ReadBuffer<Vec<u8>>, wire: &[u8], most: usize) {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut count = 0;
    for piece in wire.chunks(most) {
        buffer.room_for(rx)[..piece.len()].copy_from_slice(piece);
        let mut input = buffer.received(piece.len());
        while let Some(event) = rx.next_message(&mut input, tx) {
            count += usize::from(matches!(black_box(event), Event::Text(_) | Event::Binary(_)));
        }
    }
    assert_eq!(count, 1);
}

fn stream<R: Role, S: Storage>(connection: &mut Connection<R, S, S>, wire: &mut [u8]) {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut input = Input::new(wire);
    let mut is_complete = false;
    while let Some(event) = rx.next_chunk(&mut input, tx) {
        is_complete = matches!(black_box(event), ChunkEvent::Binary(chunk) if chunk.last);
    }
    assert!(is_complete);
}
