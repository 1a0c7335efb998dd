//! Compressed messages, each compared with the necessary calls of zlib-rs on the same bytes. The difference is the cost
//! of frames, pieces, limits and UTF-8.
//!
//! A receiver unmasks in place, so with most keys the next iteration would find other bytes. A key of zeros changes
//! none and costs the same. Throughput counts the decompressed bytes.
//!
//! With takeover, messages refer to earlier ones. The first of [`messages`] is compressed by a new context, so it
//! refers to none. Together they are longer than a window, so every iteration begins in the same state.

mod common;

use std::{hint::black_box, str};

use common::{KIB, connect_as, criterion};
use criterion::{Criterion, Throughput};
use websocket_proto::{
    Config, Event, Input, deflate,
    frame::{FirstByte, Header, MaskingKey, Opcode},
};
use zlib_rs::{DeflateFlush, Inflate, InflateFlush};

const KEY: MaskingKey = MaskingKey([0; 4]);

/// The bytes that a sender removes and a receiver adds (RFC 7692 §7.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

fn main() {
    let mut criterion = criterion();
    receive(&mut criterion);
    send(&mut criterion);
    criterion.final_summary();
}

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deflate/receive");
    for (name, takeover, messages) in cases() {
        let packed = packed(&messages, takeover);
        let mut wire = packed.iter().flat_map(|payload| frame(payload)).collect::<Vec<_>>();
        let (_, mut server) = connect_as(config(takeover));
        group.throughput(Throughput::Bytes(total(&messages)));
        group.bench_function(format!("{name}/ours"), |bencher| {
            bencher.iter(|| {
                let mut input = Input::new(black_box(&mut wire));
                let mut count = 0;
                while let Some(event) = server.receiver.next_message(&mut input, &mut server.sender) {
                    count += usize::from(matches!(black_box(event), Event::Text(_)));
                }
                assert_eq!(count, messages.len());
            });
        });

        let mut inflate = Inflate::new(false, 15);
        let mut room = vec![0; 128 * KIB];
        group.bench_function(format!("{name}/raw"), |bencher| {
            bencher.iter(|| {
                for (payload, message) in packed.iter().zip(&messages) {
                    let before = inflate.total_out();
                    inflate.decompress(black_box(payload), &mut room, InflateFlush::SyncFlush).unwrap();
                    let len = (inflate.total_out() - before) as usize;
                    inflate.decompress(&TAIL, &mut room[len..], InflateFlush::SyncFlush).unwrap();
                    assert_eq!(black_box(&room[..len]).len(), message.len());
                    if !takeover {
                        inflate.reset(false);
                    }
                }
            });
        });
    }
    group.finish();
}

fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deflate/send");
    for (name, takeover, messages) in cases() {
        let (_, mut server) = connect_as(config(takeover));
        group.throughput(Throughput::Bytes(total(&messages)));
        group.bench_function(format!("{name}/ours"), |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    server.sender.send_text(black_box(message)).unwrap();
                    server.sender.consume(black_box(server.sender.pending()).len());
                }
            });
        });

        let mut deflate = compressor();
        let mut room = vec![0; 128 * KIB];
        group.bench_function(format!("{name}/raw"), |bencher| {
            bencher.iter(|| {
                for message in &messages {
                    let before = deflate.total_out();
                    deflate.compress(black_box(message.as_bytes()), &mut room, DeflateFlush::SyncFlush).unwrap();
                    let len = (deflate.total_out() - before) as usize;
                    assert!(black_box(&room[..len]).ends_with(&TAIL));
                    if !takeover {
                        deflate.reset();
                    }
                }
            });
        });
    }
    group.finish();
}

/// The cases: a name, whether messages may refer to earlier ones, and the messages of one iteration.
fn cases() -> Vec<(String, bool, Vec<String>)> {
    let sets =
        [("1 KiB JSON", (0..64).map(|number| json(number, KIB)).collect()), ("64 KiB text", vec![text(64 * KIB)])];
    let cases = sets.into_iter().flat_map(|(name, messages): (_, Vec<_>)| {
        let case = move |takeover: bool| {
            let takeover_name = if takeover { "takeover" } else { "no takeover" };
            (format!("{name}, {takeover_name}"), takeover, messages.clone())
        };
        [true, false].map(case)
    });
    cases.collect()
}

fn config(takeover: bool) -> Config {
    let deflate = deflate::Config::new().send_takeover(takeover).receive_takeover(takeover);
    Config::new().keep(256 * KIB).deflate(deflate)
}

fn total(messages: &[String]) -> u64 {
    messages.iter().map(|message| message.len() as u64).sum()
}

/// With the library's default, level 6.
fn compressor() -> zlib_rs::Deflate {
    zlib_rs::Deflate::new(6, false, 15)
}

fn packed(messages: &[String], takeover: bool) -> Vec<Vec<u8>> {
    let mut deflate = compressor();
    let pack = |message: &String| {
        let mut room = vec![0; 128 * KIB];
        let before = deflate.total_out();
        deflate.compress(message.as_bytes(), &mut room, DeflateFlush::SyncFlush).unwrap();
        room.truncate((deflate.total_out() - before) as usize - TAIL.len());
        if !takeover {
            deflate.reset();
        }
        room
    };
    messages.iter().map(pack).collect()
}

/// A compressed text message from a client.
fn frame(payload: &[u8]) -> Vec<u8> {
    let first = FirstByte { rsv: 0x40, ..FirstByte::last(Opcode::Text) };
    let header = Header { first, mask: Some(KEY), payload_len: payload.len() as u64 };
    [header.encode().as_slice(), payload].concat()
}

/// Pseudo-random numbers, the same in every run.
fn noise(seed: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(seed.wrapping_mul(0x9E37_79B1) | 1), |state| {
        let state = state ^ state << 13;
        let state = state ^ state >> 17;
        Some(state ^ state << 5)
    })
    .skip(1)
}

/// Similar to the messages of a ticker.
fn json(number: u32, len: usize) -> String {
    let mut json = format!(r#"{{"type":"update","sequence":{},"trades":["#, 48_250_331 + number);
    for (index, random) in noise(number + 1).enumerate() {
        let (pair, side) = (["BTC-USD", "ETH-USD", "ETH-BTC"][index % 3], ["buy", "sell"][(random >> 30) as usize & 1]);
        let (price, size) = (25_000 + random % 3_000, (random >> 12) % 1_000_000);
        let trade = format!(r#"{{"product_id":"{pair}","side":"{side}","price":"{price}.25","size":"0.{size:06}"}},"#);
        if json.len() + trade.len() > len {
            break;
        }
        json.push_str(&trade);
    }
    json.truncate(json.trim_end_matches(',').len());
    json.push_str("]}");
    json
}

/// Words, a few of which are very frequent, as in any language.
fn text(len: usize) -> String {
    let words: Vec<String> = noise(1).take(2000).map(word).collect();
    let mut text = String::new();
    for random in noise(2) {
        let rank = (random % 2000) as usize;
        text.push_str(&words[rank * rank / 2000 * rank / 2000]);
        text.push(if random >> 28 == 0 { '.' } else { ' ' });
        if text.len() > len {
            break;
        }
    }
    text.truncate(len);
    text
}

fn word(random: u32) -> String {
    let letters = noise(random).take(2 + random as usize % 8).map(|random| b"etaoinshrdlucmf"[random as usize % 15]);
    str::from_utf8(&letters.collect::<Vec<_>>()).unwrap().to_owned()
}
