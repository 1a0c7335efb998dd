//! The rows F1 to F22 of the conformance table: input bytes, and the expected events, replies and outcome.
//!
//! Every row runs in both roles; for whole messages, for chunks and for both by turns; in every cut; over a store that
//! grows and one with just enough space; and again with more bytes behind it.

mod common;

use common::{
    Fixed, Mode, Opening,
    Part::{self, F, H, Long, WrongMask},
    Seen, Trace, close,
    cuts::every_cut,
    encode, feed, fixed, frame, header, open, stores, text,
};
use websocket_proto::{
    Config, Failure, UncleanEnd,
    frame::{CloseCode, CloseError, ForbiddenCloseCode, HeaderError},
};

/// The limits of all rows that don't set others.
const LIMITS: Config = Config::new().max_frame(130).max_message(200).max_fragments(3);

/// The smallest stores for these limits: for the longest message, and the longest replies of a row.
fn tight() -> [Fixed; 2] {
    [fixed(200), fixed(524)]
}

/// Feeds a store that grows, and checks that the same happens over one that does not.
#[track_caller]
fn feed_both(opening: &Opening, masked: bool, bytes: &[u8], cuts: &[usize], mode: Mode) -> Trace {
    let trace = opening.feed(stores(), masked, bytes, cuts.iter().copied(), mode);
    let over_tight = opening.feed(tight(), masked, bytes, cuts.iter().copied(), mode);
    assert_eq!(over_tight, trace, "over a fixed store, masked {masked}, {mode:?}, cut at {cuts:?}");
    trace
}

/// The place in the last part that proves the failure.
#[derive(Clone, Copy, Debug)]
enum At {
    /// At this byte of its header, counted from 1.
    Byte(usize),
    /// At this byte of its payload, counted from 1; 0 is the end of its header.
    Payload(usize),
}
use At::{Byte, Payload};

/// Runs `check` on the outcome in every role, mode and cut.
#[track_caller]
fn everywhere(config: Config, parts: &[Part<'_>], check: impl Fn(&Trace)) {
    let opening = Opening::new(config);
    for masked in [true, false] {
        let bytes = encode(parts, masked);
        for mode in Mode::ALL {
            for cuts in every_cut(bytes.len()) {
                check(&feed_both(&opening, masked, &bytes, &cuts, mode));
            }
        }
    }
}

/// A row that ends in a failure. The failure is reported once, behind `before`, at the byte that proves it.
#[track_caller]
fn fails(label: &str, parts: &[Part<'_>], before: &[Seen], failure: Failure, code: u16, at: At) {
    fails_with(LIMITS, label, parts, before, failure, code, at);
}

#[track_caller]
fn fails_with(config: Config, label: &str, parts: &[Part<'_>], before: &[Seen], failure: Failure, code: u16, at: At) {
    let trailing = [F(0x81, b"after"), F(0x89, b"after"), F(0x88, b"")];
    for parts in [parts.to_vec(), [parts, &trailing].concat()] {
        everywhere(config, &parts, |trace| {
            let expected: Vec<_> = before.iter().cloned().chain([Seen::Failed(failure)]).collect();
            assert_eq!(trace.seen, expected, "{label}");
            let (first, payload) = trace.replies.last().expect("a Close");
            assert_eq!(
                (*first, &payload[..2], trace.end),
                (0x88, &code.to_be_bytes()[..], Err(UncleanEnd::Failed(failure))),
                "{label}"
            );
            assert_eq!(&payload[2..], failure.reason().as_bytes(), "{label}");
            // Besides, only Pongs for earlier Pings.
            let pings = before.iter().filter(|seen| matches!(seen, Seen::Ping(_))).count();
            assert_eq!(trace.replies.len(), pings + 1, "{label}");
        });
    }
    let opening = Opening::new(config);
    for masked in [true, false] {
        let (last, parts) = parts.split_last().unwrap();
        let before = encode(parts, masked);
        let bytes = [&before[..], &last.encode(masked)].concat();
        let expected = before.len()
            + match at {
                Byte(n) => n,
                Payload(n) => last.header_len(masked) + n,
            };
        for mode in Mode::ALL {
            let byte_by_byte: Vec<_> = (1..bytes.len()).collect();
            let trace = feed_both(&opening, masked, &bytes, &byte_by_byte, mode);
            assert_eq!(trace.failed_after, Some(expected), "{label}: the earliest byte, masked {masked}, {mode:?}");
        }
    }
}

/// A valid row: exactly these events, and these replies.
#[track_caller]
fn passes(label: &str, parts: &[Part<'_>], seen: &[Seen], replies: &[(u8, &[u8])], end: Result<(), UncleanEnd>) {
    everywhere(LIMITS, parts, |trace| {
        assert_eq!(trace.seen, seen, "{label}");
        let replied: Vec<_> = trace.replies.iter().map(|(first, payload)| (*first, &payload[..])).collect();
        assert_eq!(replied, replies, "{label}");
        assert_eq!(trace.end, end, "{label}");
    });
}

const OPEN: Result<(), UncleanEnd> = Err(UncleanEnd::WithoutClose);

#[test]
#[rustfmt::skip]
fn f1_to_f7_headers() {
    let nothing = [];
    let hi = [text("hi")];
    for (label, parts, before, failure, at) in [
        ("F1 RSV1",              &[F(0xC1, b"x")][..],                    &nothing[..], Failure::ReservedBits(0x40), Byte(1)),
        ("F1 RSV2",              &[F(0xA2, b"x")],                        &nothing,     Failure::ReservedBits(0x20), Byte(1)),
        ("F1 RSV3",              &[F(0x81, b"hi"), F(0x91, b"x")],        &hi,          Failure::ReservedBits(0x10), Byte(1)),
        ("F1 RSV3 on a ping",    &[F(0x99, b"x")],                        &nothing,     Failure::ReservedBits(0x10), Byte(1)),
        ("F1 all, on a ping",    &[F(0xF9, b"")],                         &nothing,     Failure::ReservedBits(0x70), Byte(1)),
        ("F2 RSV1 on a continuation", &[F(0x01, b"h"), F(0xC0, b"i")],         &nothing,     Failure::ReservedBits(0x40), Byte(1)),
        ("F3 opcode 3",          &[F(0x83, b"x")],                        &nothing,     Failure::Header(HeaderError::ReservedOpcode(3)), Byte(1)),
        ("F3 opcode 4",          &[F(0x84, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(4)), Byte(1)),
        ("F3 opcode 5",          &[F(0x05, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(5)), Byte(1)),
        ("F3 opcode 6",          &[F(0x86, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(6)), Byte(1)),
        ("F3 opcode 7",          &[F(0x87, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(7)), Byte(1)),
        ("F3 opcode 11",         &[F(0x81, b"hi"), F(0x8B, b"x")],        &hi,          Failure::Header(HeaderError::ReservedOpcode(11)), Byte(1)),
        ("F3 opcode 12",         &[F(0x8C, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(12)), Byte(1)),
        ("F3 opcode 13",         &[F(0x8D, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(13)), Byte(1)),
        ("F3 opcode 14",         &[F(0x8E, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(14)), Byte(1)),
        ("F3 opcode 15",         &[F(0x0F, b"")],                         &nothing,     Failure::Header(HeaderError::ReservedOpcode(15)), Byte(1)),
        ("F4 ping, no FIN",      &[F(0x09, b"x")],                        &nothing,     Failure::Header(HeaderError::FragmentedControl), Byte(1)),
        ("F4 pong, no FIN",      &[F(0x0A, b"x")],                        &nothing,     Failure::Header(HeaderError::FragmentedControl), Byte(1)),
        ("F4 close, no FIN",     &[F(0x08, b"\x03\xE8")],                 &nothing,     Failure::Header(HeaderError::FragmentedControl), Byte(1)),
        ("F4 ping of 126",       &[H(0x89, &[126, 0, 126])],              &nothing,     Failure::Header(HeaderError::ControlTooLong), Byte(2)),
        ("F4 pong of 126",       &[H(0x8A, &[126, 0, 126])],              &nothing,     Failure::Header(HeaderError::ControlTooLong), Byte(2)),
        ("F4 close of 2^16",     &[H(0x88, &[127, 0, 0, 0, 0, 0, 1, 0, 0])], &nothing,  Failure::Header(HeaderError::ControlTooLong), Byte(2)),
        ("F6 125 in two bytes",  &[H(0x82, &[126, 0, 125])],              &nothing,     Failure::Header(HeaderError::LengthNotMinimal { len: 125 }), Byte(4)),
        ("F6 0 in two bytes",    &[H(0x81, &[126, 0, 0])],                &nothing,     Failure::Header(HeaderError::LengthNotMinimal { len: 0 }), Byte(4)),
        ("F6 65535 in eight",    &[H(0x82, &[127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])], &nothing, Failure::Header(HeaderError::LengthNotMinimal { len: 65535 }), Byte(10)),
        ("F6 125 in eight",      &[H(0x82, &[127, 0, 0, 0, 0, 0, 0, 0, 125])], &nothing, Failure::Header(HeaderError::LengthNotMinimal { len: 125 }), Byte(10)),
        ("F7 the top bit alone", &[H(0x82, &[127, 0x80, 0, 0, 0, 0, 0, 0, 0])], &nothing, Failure::Header(HeaderError::LengthTopBit), Byte(3)),
        ("F7 all bits",          &[H(0x82, &[127, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])], &nothing, Failure::Header(HeaderError::LengthTopBit), Byte(3)),
    ] {
        fails(label, parts, before, failure, 1002, at);
    }
}

#[test]
fn f5_masks() {
    let opening = Opening::new(LIMITS);
    for wrong in [WrongMask(0x81, &[2]), WrongMask(0x89, &[0]), WrongMask(0x82, &[126, 1, 0])] {
        for (masked, failure) in [(true, Failure::Unmasked), (false, Failure::Masked)] {
            let before = frame(0x81, b"hi", masked);
            let bytes = [&before[..], &wrong.encode(masked)].concat();
            for mode in Mode::ALL {
                for cuts in every_cut(bytes.len()) {
                    let trace = feed_both(&opening, masked, &bytes, &cuts, mode);
                    assert_eq!(trace.seen, [text("hi"), Seen::Failed(failure)]);
                    assert_eq!(trace.replies[0].1[..2], 1002_u16.to_be_bytes());
                    if cuts.len() > 1 {
                        assert_eq!(trace.failed_after, Some(before.len() + 2), "F5 on byte 2");
                    }
                }
            }
        }
    }
}

/// Bytes 1 and 2 may have more than one fault: which one is reported must not depend on the cuts.
#[test]
fn the_same_of_several_faults_is_reported_in_every_cut() {
    let opening = Opening::new(Config::new());
    for first in 0..=255_u8 {
        for second in [0_u8, 1, 125, 126, 127, 128, 129, 253, 254, 255] {
            let bytes = [first, second, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
            for mode in [Mode::Whole, Mode::Chunks] {
                let run = |cuts: Vec<usize>| {
                    let trace = feed(opening.server(stores()), &bytes, cuts, mode);
                    (trace.seen, trace.partial, trace.replies, trace.end)
                };
                let whole = run(vec![]);
                assert_eq!(run((1..bytes.len()).collect()), whole, "{first:#x} {second:#x}");
                for split in 1..bytes.len() {
                    assert_eq!(run(vec![split]), whole, "{first:#x} {second:#x} at {split}");
                }
            }
        }
    }
}

/// A length of 2^63 - 1: the largest one.
const HUGE: &[u8] = &[127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

#[test]
#[rustfmt::skip]
fn f8_lengths_over_a_limit_fail_at_the_header() {
    fails("F8 frame", &[H(0x82, &[126, 0, 131])], &[], Failure::FrameTooLong { len: 131, limit: 130 }, 1009, Byte(4));
    fails("F8 frame of 2^63 - 1", &[H(0x82, HUGE)], &[], Failure::FrameTooLong { len: (1 << 63) - 1, limit: 130 }, 1009, Byte(10));
    fails("F8 message", &[Long(0x02, 130), H(0x80, &[71])], &[], Failure::MessageTooLong { len: 201, limit: 200 }, 1009, Byte(2));
    fails("F8 message, longer", &[Long(0x02, 130), H(0x80, &[126, 0, 126])], &[], Failure::MessageTooLong { len: 256, limit: 200 }, 1009, Byte(4));
    fails("F8 message of many", &[Long(0x02, 130), F(0x00, b""), H(0x80, &[71])], &[], Failure::MessageTooLong { len: 201, limit: 200 }, 1009, Byte(2));
    // The same if the whole frame was received.
    fails("F8 whole fragment", &[F(0x02, b"x"), Long(0x80, 131)], &[], Failure::FrameTooLong { len: 131, limit: 130 }, 1009, Byte(4));
    fails("F8 whole message", &[Long(0x02, 130), Long(0x80, 126)], &[], Failure::MessageTooLong { len: 256, limit: 200 }, 1009, Byte(4));
    // The sum of fragments must not wrap around.
    let any_frame = LIMITS.max_frame(u64::MAX);
    fails_with(any_frame, "F8 sum beyond 2^63", &[F(0x02, b"x"), F(0x00, b"y"), H(0x00, HUGE)], &[], Failure::MessageTooLong { len: (1 << 63) + 1, limit: 200 }, 1009, Byte(10));

    passes("F8 frame at the limit", &[Long(0x82, 130)], &[Seen::Binary(vec![b'x'; 130])], &[], OPEN);
    passes("F8 message at the limit", &[Long(0x02, 130), Long(0x80, 70)], &[Seen::Binary(vec![b'x'; 200])], &[], OPEN);
}

/// Lengths around the limits of each form, and at the ends of reads.
#[test]
fn lengths_at_the_borders_of_their_forms() {
    let opening = Opening::new(Config::new());
    for len in [0, 1, 124, 125, 126, 127, 128, 65535, 65536, 65537] {
        for masked in [true, false] {
            let bytes = frame(0x82, &vec![7; len], masked);
            for mode in Mode::ALL {
                for cuts in [vec![], (1..bytes.len().min(20)).collect(), vec![bytes.len() - 1]] {
                    for trace in [
                        opening.feed(stores(), masked, &bytes, cuts.clone(), mode),
                        opening.feed([fixed(len.max(200)), fixed(300)], masked, &bytes, cuts, mode),
                    ] {
                        assert!(trace.seen == [Seen::Binary(vec![7; len])], "{len}");
                    }
                }
            }
        }
    }
}

#[test]
#[rustfmt::skip]
fn f9_f11_fragments() {
    for (label, parts, before, failure, code) in [
        ("F9 continuation alone",    &[F(0x80, b"x")][..],                                    vec![],           Failure::NothingToContinue, 1002),
        ("F9 continuation, no FIN",  &[F(0x00, b"x")],                                        vec![],           Failure::NothingToContinue, 1002),
        ("F9 continuation after",    &[F(0x01, b"h"), F(0x80, b"i"), F(0x80, b"x")],          vec![text("hi")], Failure::NothingToContinue, 1002),
        ("F9 text inside",           &[F(0x01, b"h"), F(0x81, b"x")],                         vec![],           Failure::MessageInsideMessage, 1002),
        ("F9 binary inside",         &[F(0x01, b""), F(0x89, b"p"), F(0x02, b"x")],           vec![Seen::Ping(b"p".into())], Failure::MessageInsideMessage, 1002),
        ("F11 four of three",        &[F(0x01, b"a"), F(0x00, b"b"), F(0x00, b"c"), F(0x80, b"d")], vec![],     Failure::TooManyFragments { limit: 3 }, 1008),
        ("F11 empty ones count",     &[F(0x02, b""), F(0x00, b""), F(0x00, b""), F(0x00, b"")], vec![],         Failure::TooManyFragments { limit: 3 }, 1008),
        ("F11 control frames don't", &[F(0x02, b""), F(0x8A, b""), F(0x00, b""), F(0x8A, b""), F(0x00, b""), F(0x00, b"")], vec![Seen::Pong(vec![]), Seen::Pong(vec![])], Failure::TooManyFragments { limit: 3 }, 1008),
    ] {
        fails(label, parts, &before, failure, code, Byte(1));
    }
    let three = [F(0x01, b"a"), F(0x00, b""), F(0x80, b"c"), F(0x02, b"d"), F(0x00, b"e"), F(0x80, b"f")];
    passes("F11 at the limit, twice", &three, &[text("ac"), Seen::Binary(b"def".into())], &[], OPEN);
}

#[test]
#[rustfmt::skip]
fn f10_text_that_is_not_utf8() {
    let bad = Failure::InvalidUtf8;
    for (label, parts, at) in [
        ("F10 lone continuation",     &[F(0x81, b"ab\x80cd")][..],                    3),
        ("F10 overlong /",            &[F(0x81, b"\xC0\xAF")],                        1),
        ("F10 overlong, three bytes", &[F(0x81, b"a\xE0\x80\x80")],                   3),
        ("F10 surrogate",             &[F(0x81, b"\xED\xA0\x80")],                    2),
        ("F10 beyond U+10FFFF",       &[F(0x81, b"\xF4\x90\x80\x80")],                2),
        ("F10 0xFF",                  &[F(0x81, b"\xFF")],                            1),
        ("F10 cut at the end",        &[F(0x81, b"abc\xE4\xB8")],                     5),
        ("F10 cut by an empty last",  &[F(0x01, b"abc\xE4\xB8"), F(0x80, b"")],       0),
        ("F10 cut by the next frame", &[F(0x01, b"\xE4"), F(0x00, b"\xB8"), F(0x80, b"a")], 1),
        ("F10 not the last fragment", &[F(0x01, b"ok\xE4\xB8\x96"), F(0x00, b"\xFEmore")], 1),
        ("F10 split surrogate",       &[F(0x01, b"\xED"), F(0x80, b"\xA0\x80")],      1),
    ] {
        fails(label, parts, &[], bad, 1007, Payload(at));
    }
    let message = "Κόσμε 世界 🦀!";
    passes("F10 good", &[F(0x81, message.as_bytes())], &[text(message)], &[], OPEN);
    passes("F10 good, cut everywhere", &[F(0x01, b"\xCE\x9A\xE4"), F(0x00, b"\xB8\x96\xF0\x9F"), F(0x80, b"\xA6\x80!")], &[text("Κ世🦀!")], &[], OPEN);
    let opening = Opening::new(Config::new());
    // The same text in fragments of every size, also cut inside code points.
    for size in 1..message.len() {
        for masked in [true, false] {
            let pieces: Vec<_> = message.as_bytes().chunks(size).collect();
            let bytes: Vec<u8> = pieces.iter().enumerate().flat_map(|(index, piece)| {
                let first = u8::from(index == 0) | if index + 1 == pieces.len() { 0x80 } else { 0 };
                frame(first, piece, masked)
            }).collect();
            for mode in Mode::ALL {
                for cuts in [vec![], (1..bytes.len()).collect()] {
                    let trace = feed_both(&opening, masked, &bytes, &cuts, mode);
                    assert_eq!(trace.seen, [text(message)], "in pieces of {size}");
                }
            }
        }
    }
}

/// Chunks deliver all valid text before they fail, in every cut.
#[test]
fn f10_chunks_deliver_the_valid_text_before_the_failure() {
    let opening = Opening::new(LIMITS);
    for masked in [true, false] {
        let payload = ["good: 世界 🦀".as_bytes(), b"\xFE and more"].concat();
        let bytes = frame(0x81, &payload, masked);
        for split in 0..=bytes.len() {
            let trace = feed_both(&opening, masked, &bytes, &[split], Mode::Chunks);
            assert_eq!(trace.partial, "good: 世界 🦀".as_bytes(), "cut at {split}");
            assert_eq!(trace.seen, [Seen::Failed(Failure::InvalidUtf8)]);
        }
    }
}

/// Long text is handled in other ways than short text, and ASCII in others than the rest: lent from the buffer, read
/// straight to the store, or copied. The results must be the same, and a fault must be found in the read that brings
/// it.
#[test]
fn f10_long_text_is_checked_as_it_arrives() {
    const LEN: usize = 40_000;
    let ascii: Vec<u8> = (0..LEN).map(|index| b' ' + (index % 90) as u8).collect();
    let places = [0, 1, 3000, 4095, 4096, 8191, 16_384, 32_767, LEN - 3, LEN - 1];
    let mut texts = vec![(ascii.clone(), None)];
    for place in places {
        let mut bad = ascii.clone();
        bad[place] = 0xFF;
        texts.push((bad, Some(place)));
        // A letter of two bytes, whole and cut; and behind it a wrong byte.
        let mut good = ascii.clone();
        good[place] = 0xD0;
        match good.get_mut(place + 1) {
            None => texts.push((good, Some(place))),
            Some(next) => {
                *next = 0xB6;
                texts.push((good.clone(), None));
                good[LEN - 1] = 0x80;
                texts.push((good, Some(LEN - 1)));
            }
        }
    }
    let modes = [
        Mode::Whole,
        Mode::Chunks,
        Mode::Buffered(3000),
        Mode::Buffered(17_000),
        Mode::Buffered(100_000),
        Mode::MixedBuffered(3000),
        Mode::MixedBuffered(100_000),
    ];
    let opening = Opening::new(Config::new());
    for (payload, bad) in &texts {
        for (masked, fragment) in [(true, LEN), (false, LEN), (true, 15_000), (false, 15_000)] {
            let (mut bytes, mut proved_at) = (Vec::new(), None);
            for (index, piece) in payload.chunks(fragment).enumerate() {
                let start = index * fragment;
                let first = u8::from(index == 0) | if start + piece.len() == LEN { 0x80 } else { 0 };
                bytes.extend(frame(first, piece, masked));
                if let Some(at) = bad.filter(|at| (start..start + piece.len()).contains(at)) {
                    proved_at = Some(bytes.len() - (start + piece.len() - at) + 1);
                }
                bytes.extend(frame(0x89, &[index as u8], masked));
            }
            bytes.extend(frame(0x81, "and ж".as_bytes(), masked));
            for mode in modes {
                for size in [1009, 4096, 33_333] {
                    let cuts: Vec<usize> = (1..).map(|n| n * size).take_while(|cut| *cut < bytes.len()).collect();
                    let label = format!("{bad:?}, masked {masked}, frames of {fragment}, reads of {size}, {mode:?}");
                    for trace in [
                        opening.feed(stores(), masked, &bytes, cuts.clone(), mode),
                        opening.feed([fixed(LEN), fixed(LEN)], masked, &bytes, cuts.clone(), mode),
                    ] {
                        let seen = trace.seen.iter().filter(|seen| !matches!(seen, Seen::Ping(_)));
                        let messages: Vec<_> = seen.collect();
                        match proved_at {
                            None => {
                                let whole = text(str::from_utf8(payload).unwrap());
                                assert!(messages == [&whole, &text("and ж")], "{label}");
                            }
                            Some(at) => {
                                let failed = messages == [&Seen::Failed(Failure::InvalidUtf8)];
                                assert!(failed, "{label}: {:?}", messages.len());
                                let read = cuts.iter().copied().find(|cut| *cut >= at).unwrap_or(bytes.len());
                                assert_eq!(trace.failed_after, Some(read), "{label}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
#[rustfmt::skip]
fn f12_f13_pings_and_pongs() {
    let ping = |payload: &[u8]| Seen::Ping(payload.into());
    let pong = |payload: &[u8]| Seen::Pong(payload.into());
    passes("F12 empty", &[F(0x89, b"")], &[ping(b"")], &[(0x8A, b"")], OPEN);
    passes("F12 payload", &[F(0x89, b"\x00\xFFhey")], &[ping(b"\x00\xFFhey")], &[(0x8A, b"\x00\xFFhey")], OPEN);
    passes("F12 125 bytes", &[F(0x89, &[0xFE; 125])], &[ping(&[0xFE; 125])], &[(0x8A, &[0xFE; 125])], OPEN);
    passes("F12 one after another", &[F(0x89, b"1"), F(0x89, b""), F(0x89, b"3")], &[ping(b"1"), ping(b""), ping(b"3")], &[(0x8A, b"1"), (0x8A, b""), (0x8A, b"3")], OPEN);
    // No byte of an earlier frame is left in the answer to a later one.
    passes("F12 long, then short", &[F(0x89, &[1; 100]), F(0x89, b""), F(0x89, b"ab")], &[ping(&[1; 100]), ping(b""), ping(b"ab")], &[(0x8A, &[1; 100]), (0x8A, b""), (0x8A, b"ab")], OPEN);
    passes("F12 between fragments, inside a code point", &[F(0x01, b"\xE4\xB8"), F(0x89, b"?"), F(0x00, b""), F(0x8A, b"!"), F(0x80, b"\x96")],
        &[ping(b"?"), pong(b"!"), text("世")], &[(0x8A, b"?")], OPEN);
    passes("F12 long, between fragments", &[F(0x01, b"\xE4\xB8"), F(0x89, b"?"), F(0x00, b""), F(0x89, &[7; 125]), F(0x80, b"\x96")],
        &[ping(b"?"), ping(&[7; 125]), text("世")], &[(0x8A, b"?"), (0x8A, &[7; 125])], OPEN);
    passes("F13 pong", &[F(0x8A, b"unasked"), F(0x81, b"hi")], &[pong(b"unasked"), text("hi")], &[], OPEN);
}

const LONGEST_CLOSE: [u8; 125] = {
    let mut body = [b'r'; 125];
    [body[0], body[1]] = 1000_u16.to_be_bytes();
    body
};

#[test]
#[rustfmt::skip]
fn f14_to_f19_closes() {
    passes("F14 empty", &[F(0x88, b"")], &[close(None, "")], &[(0x88, b"")], Ok(()));
    passes("F16 reason", &[F(0x88, b"\x0F\xA0b\xC3\xA9")], &[close(4000, "bé")], &[(0x88, b"\x0F\xA0b\xC3\xA9")], Ok(()));
    passes("F19 all discarded", &[F(0x88, b"\x03\xE8"), F(0x81, b"late"), F(0x89, b"late"), F(0x88, b""), F(0xFF, b"")], &[close(1000, "")], &[(0x88, b"\x03\xE8")], Ok(()));
    let cut = Seen::Close { code: Some(1001), reason: "".into(), cut_short: true };
    passes("F18 inside a message", &[F(0x01, b"begun"), F(0x88, b"\x03\xE9")], &[cut], &[(0x88, b"\x03\xE9")], Ok(()));
    passes("F16 the longest reason", &[F(0x88, &LONGEST_CLOSE)], &[close(1000, &"r".repeat(123))], &[(0x88, &LONGEST_CLOSE)], Ok(()));

    fails("F15 one byte", &[F(0x88, b"\x03")], &[], Failure::Close(CloseError::OneByte), 1002, Byte(2));
    fails("F17 reason", &[F(0x88, b"\x03\xE8ab\xFFc")], &[], Failure::Close(CloseError::Reason), 1007, Payload(5));
    fails("F17 reason, cut", &[F(0x88, b"\x03\xE8ab\xE4\xB8")], &[], Failure::Close(CloseError::Reason), 1007, Payload(6));
    fails("F17 reason, surrogate", &[F(0x88, b"\x03\xE8\xED\xA0\x80")], &[], Failure::Close(CloseError::Reason), 1007, Payload(4));
}

#[test]
fn f15_f16_every_close_code() {
    let opening = Opening::new(LIMITS);
    for code in 0..=u16::MAX {
        let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        for masked in [true, false] {
            let bytes = frame(0x88, &code.to_be_bytes(), masked);
            // Whole, and cut in the middle of the code.
            let cuts = if code % 2 == 0 { vec![] } else { vec![bytes.len() - 1] };
            let mode = if masked { Mode::Whole } else { Mode::Chunks };
            let trace = opening.feed(stores(), masked, &bytes, cuts, mode);
            if allowed {
                assert_eq!(trace.seen, [close(code, "")]);
                assert_eq!(trace.replies, [(0x88, code.to_be_bytes().to_vec())]);
                assert_eq!(trace.end, Ok(()));
            } else {
                let failure = Failure::Close(CloseError::Code(ForbiddenCloseCode(code)));
                assert_eq!(trace.seen, [Seen::Failed(failure)]);
                assert_eq!(trace.replies[0].1[..2], 1002_u16.to_be_bytes());
            }
        }
        assert_eq!(CloseCode::new(code).is_ok(), allowed);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, u16::MAX] {
        let failure = Failure::Close(CloseError::Code(ForbiddenCloseCode(code)));
        fails("F15 code", &[F(0x88, &code.to_be_bytes())], &[], failure, 1002, Payload(2));
    }
    for code in [1000, 1003, 1007, 1014, 3000, 4999_u16] {
        let body = code.to_be_bytes();
        passes("F16 code", &[F(0x88, &body)], &[close(code, "")], &[(0x88, &body)], Ok(()));
    }
    // A wrong code is found before the reason is received.
    let failure = Failure::Close(CloseError::Code(ForbiddenCloseCode(1005)));
    fails("F15 bad code, long reason", &[F(0x88, b"\x03\xEDreason")], &[], failure, 1002, Payload(2));
}

#[test]
#[rustfmt::skip]
fn f20_f21_order_and_ends() {
    fails("F20 message, then failure", &[F(0x81, b"good"), F(0x89, b"p"), F(0x83, b"")], &[text("good"), Seen::Ping(b"p".into())],
        Failure::Header(HeaderError::ReservedOpcode(3)), 1002, Byte(1));
    let inside = Err(UncleanEnd::InsideMessage);
    passes("F21 nothing", &[], &[], &[], OPEN);
    passes("F21 between messages", &[F(0x81, b"hi"), F(0x82, b"")], &[text("hi"), Seen::Binary(vec![])], &[], OPEN);
    passes("F21 inside a frame", &[H(0x82, &[5])], &[], &[], inside);
    passes("F21 inside a ping", &[H(0x89, &[5])], &[], &[], inside);
    passes("F21 between fragments", &[F(0x02, b"a")], &[], &[], inside);
    passes("F21 behind an empty fragment", &[F(0x02, b"")], &[], &[], inside);
    passes("F21 after Close", &[F(0x88, b"")], &[close(None, "")], &[(0x88, b"")], Ok(()));
    let opening = Opening::new(LIMITS);
    for masked in [true, false] {
        let header = header(0x82, &[126, 0, 130], masked);
        for (end, mode) in (1..=header.len()).flat_map(|end| Mode::ALL.map(|mode| (end, mode))) {
            let trace = feed_both(&opening, masked, &header[..end], &[], mode);
            assert_eq!((trace.seen, trace.replies, trace.end), (vec![], vec![], inside), "F21 inside a header");
        }
    }
}

/// If one read brings a message and a bad frame behind it, the echo is sent before the Close.
#[test]
fn f20_an_echo_can_be_sent_before_the_failure() {
    let (server, _) = open(Config::new());
    let (mut rx, mut tx) = (server.receiver, server.sender);
    let mut bytes = [frame(0x81, b"good", true), frame(0x83, b"", true)].concat();
    let mut input = websocket_proto::Input::new(&mut bytes);
    let Some(websocket_proto::Event::Text(text)) = rx.next_message(&mut input, &mut tx) else { panic!() };
    tx.send_text(text).unwrap();
    assert!(matches!(rx.next_message(&mut input, &mut tx), Some(websocket_proto::Event::Failed(_))));
    assert_eq!(tx.send_text("more"), Err(websocket_proto::SendError::Closing));
    let sent = common::frames(tx.pending());
    assert_eq!(sent[0], (0x81, b"good".to_vec()));
    assert_eq!((sent[1].0, &sent[1].1[..2]), (0x88, &1002_u16.to_be_bytes()[..]));
}

/// F10: if the valid beginning of a text was delivered, the end of the stream reports the failure even if nobody asks
/// for another event.
#[test]
fn f10_the_end_of_the_stream_reports_the_failure() {
    let (mut server, _) = open(Config::new());
    let mut bytes = common::frame(0x81, b"good\xFF, and more", true);
    let come = bytes.len() - ", and more".len();
    let mut input = websocket_proto::Input::new(&mut bytes[..come]);
    let Some(websocket_proto::ChunkEvent::Text(chunk)) = server.receiver.next_chunk(&mut input, &mut server.sender)
    else {
        panic!()
    };
    assert_eq!((chunk.data, chunk.last), ("good", false));
    assert_eq!(server.receiver.end_of_input(), Err(UncleanEnd::Failed(Failure::InvalidUtf8)));
    assert!(server.receiver.next_chunk(&mut input, &mut server.sender).is_some());
    assert_eq!(server.receiver.payload_remaining(), 0, "nothing more is to come");
}

/// F22: a length beyond 32 bits is never truncated to the size of a pointer: it can be streamed, over any store.
#[test]
fn f22_lengths_beyond_32_bits() {
    let opening = Opening::new(Config::new().max_frame(u64::MAX).max_message(u64::MAX));
    // Truncated to 32 bits, they would be 5, 0 and 2^32 - 1 bytes.
    for len in [(1 << 32) + 5, 1 << 32, (1_u64 << 63) - 1] {
        for masked in [true, false] {
            let length = [&[127][..], &len.to_be_bytes()].concat();
            let bytes = [encode(&[F(0x81, b"before"), H(0x82, &length)], masked), vec![9; 20]].concat();
            for cuts in every_cut(bytes.len()) {
                let trace = feed_both(&opening, masked, &bytes, &cuts, Mode::Chunks);
                assert_eq!(trace.seen, [text("before")]);
                assert_eq!((trace.partial.len(), trace.end), (20, Err(UncleanEnd::InsideMessage)), "{cuts:?}");
                assert_eq!(trace.replies, []);
            }
        }
    }
}

/// F22: over a store that grows, a length is refused if no memory could hold it, and accepted otherwise; so is the sum
/// of fragments.
#[test]
#[cfg(feature = "alloc")]
fn f22_lengths_beyond_memory() {
    let opening = Opening::new(Config::new().max_frame(u64::MAX).max_message(u64::MAX));
    let length = |len: u64| [&[127][..], &len.to_be_bytes()].concat();
    for masked in [true, false] {
        let in_one_frame = header(0x82, &length((1 << 32) + 5), masked);
        let in_two = encode(&[F(0x02, b"12345"), H(0x80, &length(1 << 32))], masked);
        for bytes in [in_one_frame, in_two] {
            for cuts in every_cut(bytes.len()) {
                let trace = opening.feed(stores(), masked, &bytes, cuts, Mode::Whole);
                let failure = Failure::MessageTooLong { len: (1 << 32) + 5, limit: isize::MAX as u64 };
                if usize::BITS == 32 {
                    assert_eq!(
                        (trace.seen, trace.end),
                        (vec![Seen::Failed(failure)], Err(UncleanEnd::Failed(failure)))
                    );
                } else {
                    assert_eq!((trace.seen, trace.end), (vec![], Err(UncleanEnd::InsideMessage)));
                }
            }
        }
    }
}

/// Owned events are those of whole messages, at the same byte.
#[cfg(feature = "alloc")]
#[test]
fn owned_events_are_the_same() {
    use common::cuts::pieces;
    use websocket_proto::{Input, OwnedEvent};

    let streams = [
        [frame(0x01, b"frag", true), frame(0x89, b"in between", true), frame(0x80, "mänts".as_bytes(), true)].concat(),
        [frame(0x82, &[7; 300], true), frame(0x81, b"", true), frame(0x8A, b"", true), frame(0x82, b"", true)].concat(),
        [frame(0x02, b"", true), frame(0x80, b"end", true), frame(0x81, b"cut", true)[..8].to_vec()].concat(),
        [frame(0x01, b"a", true), frame(0x88, b"\x03\xE8bye", true), frame(0x81, b"ignored", true)].concat(),
        [frame(0x81, b"good", true), frame(0x81, b"ba\xFFd", true)].concat(),
        [frame(0x02, b"good", true), frame(0x81, b"not yet", true)].concat(),
    ];
    let opening = Opening::new(Config::new());
    for stream in streams {
        for cuts in every_cut(stream.len()) {
            let [mut owned, mut lent] = [(); 2].map(|()| opening.server([(); 2].map(|()| Vec::new())));
            for piece in pieces(&stream, &cuts) {
                let (mut one, mut two) = (piece.to_vec(), piece.to_vec());
                let (mut one, mut two) = (Input::new(&mut one), Input::new(&mut two));
                loop {
                    let event = owned.receiver.next_owned(&mut one, &mut owned.sender);
                    let expected = lent.receiver.next_message(&mut two, &mut lent.sender).map(OwnedEvent::from);
                    assert_eq!(event, expected, "{cuts:?}");
                    if event.is_none() {
                        break;
                    }
                }
                assert!(one.is_empty());
            }
            assert_eq!(owned.receiver.end_of_input(), lent.receiver.end_of_input());
            assert_eq!(owned.sender.pending(), lent.sender.pending());
        }
    }
}
