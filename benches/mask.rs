//! Masking alone, compared with the loop in the RFC and with a copy of the same bytes.

mod common;

use std::hint::black_box;

use common::{KIB, binary, criterion};
use criterion::{Criterion, Throughput};
use websocket_proto::frame::MaskingKey;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn main() {
    let mut criterion = criterion();
    mask(&mut criterion);
    criterion.final_summary();
}

fn mask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    let len = 64 * KIB;
    let mut room = binary(len + 1);
    let copy_of = room.clone();
    let key = MaskingKey(KEY);

    group.throughput(Throughput::Bytes(len as u64));
    group.bench_function("64 KiB", |bencher| bencher.iter(|| black_box(key).apply(black_box(&mut room[..len]))));
    // Behind a header of six or eight bytes, few payloads are aligned.
    group.bench_function("64 KiB, unaligned", |bencher| {
        bencher.iter(|| black_box(key).apply(black_box(&mut room[1..])));
    });
    group.bench_function("64 KiB, byte by byte", |bencher| {
        bencher.iter(|| {
            let (key, payload) = (black_box(KEY), black_box(&mut room[..len]));
            for (index, byte) in payload.iter_mut().enumerate() {
                *byte ^= key[index % 4];
            }
        });
    });
    group.bench_function("64 KiB, copied", |bencher| {
        bencher.iter(|| black_box(&mut room[..len]).copy_from_slice(black_box(&copy_of[..len])));
    });

    group.throughput(Throughput::Bytes(125));
    group.bench_function("125 B", |bencher| bencher.iter(|| black_box(key).apply(black_box(&mut room[..125]))));
    group.finish();
}
