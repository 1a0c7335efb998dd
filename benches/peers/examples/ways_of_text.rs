//! Ways to unmask, check and lend (as one `&str`) a text that two reads bring, and the time that each way takes.
//!
//! ```sh
//! cargo run --release --manifest-path benches/peers/Cargo.toml --example ways_of_text
//! ```
//!
//! A read is a copy, as everywhere here. The first way checks nothing. "Late" checks when all bytes are there. The
//! other ways find a wrong byte in the read that brings it. Safe code can lend checked pieces as one text only if it
//! copies them to a `String`, or checks them once more.

use std::{array, hint::black_box, time::Instant};

use fearless_simd::{Level, prelude::*, u8x64};

const KEY: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
/// The length of a vector.
const LEN: usize = 64;
const BLOCK: usize = 8 << 10;
const ROUNDS: usize = 301;
const PAGE: usize = 4096;
/// The distance from the place of one round to the place of the next.
const STRIDE: usize = 1237;

/// The memory that the ways write to.
struct Memory {
    buffer: Vec<u8>,
    bytes: Vec<u8>,
    text: String,
}

struct Way {
    name: &'static str,
    /// Whether this way is enough only for ASCII.
    only_ascii: bool,
    run: fn(&mut Memory, reads: [&[u8]; 2]) -> usize,
}

const WAYS: [Way; 7] = [
    Way {
        name: "only copied and unmasked, in the read buffer",
        only_ascii: false,
        run: |memory, reads| black_box(unmasked(memory, reads)).len(),
    },
    Way {
        name: "late: where it lies, when all is there",
        only_ascii: false,
        run: |memory, reads| lend(simdutf8::basic::from_utf8(unmasked(memory, reads)).unwrap()),
    },
    Way {
        name: "each piece where it lies, then all once more",
        only_ascii: false,
        run: |memory, reads| lend(simdutf8::basic::from_utf8(checked(memory, reads)).unwrap()),
    },
    Way {
        name: "each piece where it lies, then to a `String`",
        only_ascii: false,
        run: |memory, reads| {
            memory.text.clear();
            for read in reads {
                for block in copy(read, &mut memory.buffer, &mut 0).chunks_mut(BLOCK) {
                    xor(block);
                    memory.text.push_str(simdutf8::basic::from_utf8(block).unwrap());
                }
            }
            lend(&memory.text)
        },
    },
    Way {
        name: "each piece where it lies, and nothing more: with `unsafe`",
        only_ascii: false,
        // SAFETY: every block was checked, and text after text is text.
        run: |memory, reads| lend(unsafe { str::from_utf8_unchecked(checked(memory, reads)) }),
    },
    Way {
        name: "unmasked where it lies, noting whether all is ASCII; then all",
        only_ascii: true,
        run: |memory, reads| {
            let (mut at, mut high) = (0, 0);
            for read in reads {
                high |= xor_noting(copy(read, &mut memory.buffer, &mut at));
            }
            black_box(high);
            lend(simdutf8::basic::from_utf8(&memory.buffer[..at]).unwrap())
        },
    },
    Way {
        name: "unmasked to another place, noting whether all is ASCII; then all",
        only_ascii: true,
        run: |memory, reads| {
            let (mut at, mut high) = (0, 0);
            for read in reads {
                let from = copy(read, &mut memory.buffer, &mut 0);
                let to = &mut memory.bytes[at..at + read.len()];
                high |= xor_copied_noting(from, to);
                at += read.len();
            }
            black_box(high);
            lend(simdutf8::basic::from_utf8(&memory.bytes[..at]).unwrap())
        },
    },
];

fn main() {
    println!(
        "ns for a text, the median of {ROUNDS} rounds\n\n| way | ASCII, 64 KiB | Cyrillic, 64 KiB | ASCII, 16 KiB | ASCII, 1 MiB |\n|-|-:|-:|-:|-:|"
    );
    let columns = [("a", 64 << 10), ("\u{436}", 64 << 10), ("a", 16 << 10), ("a", 1 << 20)]
        .map(|(letter, len)| (letter.is_ascii(), times(letter, len)));
    for (index, Way { name, only_ascii, .. }) in WAYS.iter().enumerate() {
        let cells = columns.map(
            |(is_ascii, times)| {
                if *only_ascii && !is_ascii { "–".to_owned() } else { times[index].to_string() }
            },
        );
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// All ways take turns. In each round the text is in another place. Where glibc copies by `rep movsb`, the time depends
/// on the offsets of two places in their pages, and on some processors a copy then takes ten times as long as all the
/// rest.
fn times(letter: &str, len: usize) -> [u128; WAYS.len()] {
    let mut masked = letter.repeat(len / letter.len()).into_bytes();
    xor(&mut masked);
    let mut places = vec![1; len + PAGE];
    let mut memory = Memory { buffer: vec![1; len], bytes: vec![1; len], text: String::with_capacity(len) };
    let turns = (16 << 20) / len / 16;
    let mut rounds: [Vec<u128>; WAYS.len()] = array::from_fn(|_| Vec::new());
    for round in 0..ROUNDS {
        let place = &mut places[round * STRIDE % PAGE..][..len];
        place.copy_from_slice(&masked);
        let (front, back) = place.split_at(len / 2);
        for (way, times) in WAYS.iter().zip(&mut rounds) {
            let start = Instant::now();
            for _ in 0..turns {
                assert_eq!((way.run)(&mut memory, [front, back]), len);
            }
            times.push(start.elapsed().as_nanos() / turns as u128);
        }
    }
    rounds.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2]
    })
}

/// Copies what the reads bring into the buffer, and unmasks it there.
fn unmasked<'m>(memory: &'m mut Memory, reads: [&[u8]; 2]) -> &'m [u8] {
    let mut at = 0;
    for read in reads {
        xor(copy(read, &mut memory.buffer, &mut at));
    }
    &memory.buffer[..at]
}

/// The same, but each block is checked as soon as it is unmasked.
fn checked<'m>(memory: &'m mut Memory, reads: [&[u8]; 2]) -> &'m [u8] {
    let mut at = 0;
    for read in reads {
        for block in copy(read, &mut memory.buffer, &mut at).chunks_mut(BLOCK) {
            xor(block);
            simdutf8::basic::from_utf8(block).unwrap();
        }
    }
    &memory.buffer[..at]
}

fn lend(text: &str) -> usize {
    black_box(text).len()
}

fn copy<'m>(read: &[u8], to: &'m mut [u8], at: &mut usize) -> &'m mut [u8] {
    let room = &mut to[*at..*at + read.len()];
    room.copy_from_slice(read);
    *at += read.len();
    room
}

fn xor(bytes: &mut [u8]) {
    fearless_simd::dispatch!(Level::new(), simd => {
        let key = key(simd);
        for vector in bytes.chunks_exact_mut(LEN) {
            (u8x64::from_slice(simd, vector) ^ key).store_slice(vector);
        }
    });
}

/// XORs too, and returns all bytes combined by OR: its highest bit is clear if all is ASCII.
fn xor_noting(bytes: &mut [u8]) -> u8 {
    fearless_simd::dispatch!(Level::new(), simd => {
        let (key, mut high) = (key(simd), u8x64::splat(simd, 0));
        for vector in bytes.chunks_exact_mut(LEN) {
            let plain = u8x64::from_slice(simd, vector) ^ key;
            high |= plain;
            plain.store_slice(vector);
        }
        high.as_slice().iter().fold(0, |all, byte| all | byte)
    })
}

fn xor_copied_noting(from: &[u8], to: &mut [u8]) -> u8 {
    fearless_simd::dispatch!(Level::new(), simd => {
        let (key, mut high) = (key(simd), u8x64::splat(simd, 0));
        for (from, to) in from.chunks_exact(LEN).zip(to.chunks_exact_mut(LEN)) {
            let plain = u8x64::from_slice(simd, from) ^ key;
            high |= plain;
            plain.store_slice(to);
        }
        high.as_slice().iter().fold(0, |all, byte| all | byte)
    })
}

#[inline(always)]
fn key<S: Simd>(simd: S) -> u8x64<S> {
    u8x64::from_slice(simd, &array::from_fn::<u8, LEN, _>(|index| KEY[index % 4]))
}
