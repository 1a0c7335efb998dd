//! Properties of all frames, all messages and all bytes.

mod common;

use common::{Mode, Opening, Seen, frame, stores};
use proptest::prelude::*;
use websocket_proto::{
    Config, Exchange, Input, UncleanEnd, Uri,
    frame::{FirstByte, Header, MaskingKey, Opcode},
    proxy,
};

fn opcode() -> impl Strategy<Value = Opcode> {
    prop::sample::select(vec![
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Close,
        Opcode::Ping,
        Opcode::Pong,
    ])
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![0..200_u64, 65_500..65_600_u64, 0..1_u64 << 63, Just((1 << 63) - 1)]
}

fn header() -> impl Strategy<Value = Header> {
    (any::<bool>(), 0..8_u8, opcode(), any::<Option<[u8; 4]>>(), length()).prop_map(|(fin, rsv, opcode, mask, len)| {
        let control = opcode.is_control();
        Header {
            first: FirstByte { fin: fin || control, rsv: rsv << 4, opcode },
            mask: mask.map(MaskingKey),
            payload_len: if control { len % 126 } else { len },
        }
    })
}

/// Places to cut, in proportion to the length.
fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

fn at(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Bytes that are frames more often than random ones.
fn wire(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..10),
        "\\PC{0,60}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 120..130),
    ];
    let first = prop::sample::select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A, 0x83, 0xC1]);
    let part = prop_oneof![
        20 => (first, payload).prop_map(move |(first, payload)| frame(first, &payload, masked)),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn a_header_that_is_encoded_parses_as_itself(header in header(), behind in prop::collection::vec(any::<u8>(), 0..20)) {
        let encoded = header.encode();
        let bytes = encoded.as_slice();
        prop_assert_eq!(bytes.len(), header.encoded_len());
        prop_assert_eq!(Header::parse(&[bytes, &behind].concat()), Ok(Some((header, bytes.len()))));
        for cut in 0..bytes.len() {
            prop_assert_eq!(Header::parse(&bytes[..cut]), Ok(None));
        }
    }

    #[test]
    fn a_header_that_parses_encodes_as_itself(bytes: [u8; 14]) {
        if let Ok(Some((header, used))) = Header::parse(&bytes) {
            let encoded = header.encode();
            prop_assert_eq!(encoded.as_slice(), &bytes[..used]);
        }
    }

    #[test]
    fn masking_is_its_own_inverse_and_any_piece_can_be_done_apart(
        key: [u8; 4],
        payload in prop::collection::vec(any::<u8>(), 0..200),
        cuts in cuts(),
        start in 0..9_usize,
    ) {
        let naive: Vec<u8> = payload.iter().enumerate().map(|(index, byte)| byte ^ key[(index + start) % 4]).collect();
        let mut pieces = payload.clone();
        let mut running = MaskingKey(key).at(start);
        let mut done = 0;
        for end in at(&cuts, payload.len()).into_iter().chain([payload.len()]) {
            running = running.apply(&mut pieces[done..end]);
            done = end;
        }
        prop_assert_eq!(&pieces, &naive);
        prop_assert_eq!(running, MaskingKey(key).at(start + payload.len()));
        MaskingKey(key).at(start).apply(&mut pieces);
        prop_assert_eq!(pieces, payload);
    }

    /// Threat 2 and invariant 2: nothing depends on the cuts, not even how garbage fails.
    #[test]
    fn any_bytes_come_to_the_same_in_any_cut(
        to_server in wire(true),
        to_client in wire(false),
        garbage in prop::collection::vec(any::<u8>(), 0..60),
        cuts in cuts(),
    ) {
        let opening = Opening::new(Config::new().max_frame(150).max_message(200).max_fragments(4));
        for (masked, bytes) in [(true, &to_server), (false, &to_client), (true, &garbage), (false, &garbage)] {
            let run = |cuts: Vec<usize>, mode| {
                let mut trace = opening.feed(stores(), masked, bytes, cuts, mode);
                trace.failed_after = None;
                trace
            };
            for mode in [Mode::Whole, Mode::Chunks] {
                let whole = run(vec![], mode);
                prop_assert_eq!(&run((0..bytes.len()).collect(), mode), &whole, "byte by byte");
                prop_assert_eq!(&run(at(&cuts, bytes.len()), mode), &whole, "cut by chance");
            }
            // Both functions return the same.
            let (whole, mut chunks) = (run(vec![], Mode::Whole), run(at(&cuts, bytes.len()), Mode::Chunks));
            chunks.partial.clear();
            prop_assert_eq!(whole, chunks);
        }
    }

    #[test]
    fn a_message_survives_any_fragmentation_and_any_cut(
        text in "\\PC{0,200}",
        binary in prop::collection::vec(any::<u8>(), 0..400),
        fragments in cuts(),
        cuts in cuts(),
        masked: bool,
    ) {
        let mut bytes = Vec::new();
        let mut seen = Vec::new();
        for (first, payload) in [(0x01, text.as_bytes()), (0x02, &binary)] {
            let mut start = 0;
            let ends = at(&fragments, payload.len());
            for (index, end) in ends.iter().copied().chain([payload.len()]).enumerate() {
                let opcode = if index == 0 { first } else { 0 };
                let fin = if index == ends.len() { 0x80 } else { 0 };
                bytes.extend(frame(opcode | fin, &payload[start..end], masked));
                bytes.extend(frame(0x89, &[index as u8], masked));
                seen.push(Seen::Ping(vec![index as u8]));
                start = end;
            }
            let message = if first == 1 { Seen::Text(text.clone()) } else { Seen::Binary(binary.clone()) };
            seen.insert(seen.len() - 1, message);
        }
        let opening = Opening::new(Config::new());
        for mode in Mode::ALL {
            let cuts = at(&cuts, bytes.len());
            let trace = opening.feed(stores(), masked, &bytes, cuts, mode);
            prop_assert_eq!(&trace.seen, &seen, "{:?}", mode);
            prop_assert_eq!(trace.end, Err(UncleanEnd::WithoutClose));
        }
    }
}

/// A message: whether it is text, the letters that it repeats, and its least length.
fn long_message() -> impl Strategy<Value = (bool, &'static str, usize)> {
    let letters = prop::sample::select(vec!["a", "ж", "世界", "a line of ASCII, and then ж"]);
    let len = prop_oneof![0..3000_usize, 16_000..17_000_usize, 60_000..70_000_usize, 0..150_000_usize];
    (any::<bool>(), letters, len)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Lent from the buffer, copied from it, or never in it: a long message arrives unchanged, and so does the next
    /// one.
    #[test]
    fn long_messages_survive_any_read_buffer_and_any_cut(
        messages in prop::collection::vec(long_message(), 1..6),
        fragment in prop_oneof![1000..20_000_usize, Just(usize::MAX)],
        capacity in prop_oneof![1..2000_usize, 60_000..140_000_usize],
        keep in prop::sample::select(vec![0, 200_000]),
        cuts in cuts(),
        masked: bool,
    ) {
        let mut bytes = Vec::new();
        let mut seen = Vec::new();
        for (is_text, letters, len) in messages {
            let text = letters.repeat(len.div_ceil(letters.len()));
            let fragments = text.as_bytes().chunks(fragment);
            let last = fragments.len().saturating_sub(1);
            let first = if is_text { 0x01 } else { 0x02 };
            for (index, piece) in fragments.enumerate() {
                let opcode = if index == 0 { first } else { 0 };
                bytes.extend(frame(if index == last { 0x80 | opcode } else { opcode }, piece, masked));
            }
            if text.is_empty() {
                bytes.extend(frame(0x80 | first, &[], masked));
            }
            seen.push(if is_text { Seen::Text(text) } else { Seen::Binary(text.into_bytes()) });
        }
        let opening = Opening::new(Config::new().keep(keep));
        for mode in [Mode::Buffered(capacity), Mode::MixedBuffered(capacity)] {
            let trace = opening.feed(stores(), masked, &bytes, at(&cuts, bytes.len()), mode);
            prop_assert!(trace.seen == seen, "{:?}: {} of {} messages", mode, trace.seen.len(), seen.len());
            prop_assert_eq!(trace.end, Err(UncleanEnd::WithoutClose));
        }
    }
}

proptest! {
    /// Any bytes, percent-encoded where it is necessary and where it is not. The credentials for SOCKS5 show what was
    /// decoded.
    #[test]
    fn user_information_is_decoded_to_what_was_encoded(
        user in prop::collection::vec((any::<u8>(), any::<bool>()), 1..20),
        password in prop::collection::vec((any::<u8>(), any::<bool>()), 1..20),
    ) {
        let encode = |bytes: &[(u8, bool)]| -> String {
            let encode = |(byte, escaped): &(u8, bool)| match char::from(*byte) {
                plain if !escaped && plain.is_ascii_alphanumeric() => plain.to_string(),
                _ => format!("%{byte:02x}"),
            };
            bytes.iter().map(encode).collect()
        };
        let address = format!("ws://{}:{}@h/", encode(&user), encode(&password));
        let (uri, credentials) = Uri::parse_with_credentials(&address).unwrap();
        prop_assert_eq!(uri.to_string(), "ws://h/");

        let mut tunnel = proxy::Socks5::new(&proxy::Request::new(uri).credentials(credentials)).unwrap();
        tunnel.consume(usize::MAX);
        prop_assert!(!tunnel.read(&mut Input::new(&mut [5, 2])));
        let mut expected = vec![1];
        for bytes in [user, password] {
            expected.push(bytes.len() as u8);
            expected.extend(bytes.into_iter().map(|(byte, _)| byte));
        }
        prop_assert_eq!(tunnel.pending(), expected);
    }
}
