//! Frame headers: a parsed header encodes to the same bytes, an encoded one parses to the same header.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::frame::{FirstByte, Header, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode};

#[derive(Arbitrary, Debug)]
struct Case {
    bytes: [u8; 16],
    mask: Option<[u8; 4]>,
    len: u64,
    first: u8,
}

fuzz_target!(|case: Case| {
    parsed(&case.bytes);
    built(&case);
});

fn parsed(bytes: &[u8]) {
    let verdict = Header::parse(bytes);
    if let Ok(Some((header, used))) = verdict {
        assert_eq!(header.encode().as_slice(), &bytes[..used]);
        assert_eq!(header.encoded_len(), used);
    }
    // Sixteen bytes are enough for any header. Fewer give the same verdict, or none yet.
    assert_ne!(verdict, Ok(None));
    let mut decided = false;
    for len in 0..bytes.len() {
        match Header::parse(&bytes[..len]) {
            Ok(None) => assert!(!decided, "undecided again at {len} bytes"),
            other => {
                assert_eq!(other, verdict);
                decided = true;
            }
        }
    }
}

fn built(case: &Case) {
    let Some(opcode) = Opcode::new(case.first & 0x0F) else { return };
    let is_control = opcode.is_control();
    let fin = is_control || case.first & 0x80 != 0;
    let first = FirstByte { fin, rsv: case.first & 0x70, opcode };
    // All powers of two are equally likely, and so is each form of the length.
    let len = case.len >> (1 + case.len % 63);
    let payload_len = if is_control { len % (MAX_CONTROL_PAYLOAD as u64 + 1) } else { len };
    let header = Header { first, mask: case.mask.map(MaskingKey), payload_len };

    let encoded = header.encode();
    let bytes = encoded.as_slice();
    assert_eq!(bytes.len(), header.encoded_len());
    assert_eq!(Header::parse(bytes), Ok(Some((header, bytes.len()))));
}
