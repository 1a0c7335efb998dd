//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 §1.3): the proof that the server speaks WebSocket.
//!
//! Neither is a secret: the whole computation is public, so comparing them takes whatever time it takes.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha1_smol::Sha1;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Strict but for the bits behind the last byte, which some clients fill at random.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A `Sec-WebSocket-Accept`: 20 bytes of SHA-1 in base64.
pub(crate) type AcceptKey = [u8; 28];

/// A `Sec-WebSocket-Key`: 16 random bytes in base64.
pub(crate) type Key = [u8; 24];

pub(crate) fn encode_key(nonce: [u8; 16]) -> Key {
    let mut key = [0; 24];
    let _ = BASE64.encode_slice(nonce, &mut key);
    key
}

/// "a base64-encoded [...] value that, when decoded, is 16 bytes in length" (§4.2.1)
pub(crate) fn parse(value: &[u8]) -> Option<Key> {
    let key = Key::try_from(value).ok()?;
    let mut nonce = [0; 18];
    (BASE64.decode_slice(key, &mut nonce) == Ok(16)).then_some(key)
}

/// The answer to a key: its text, not its 16 bytes, is what is hashed.
pub(crate) fn accept_key(key: &Key) -> AcceptKey {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    let mut accept = [0; 28];
    let _ = BASE64.encode_slice(sha1.digest().bytes(), &mut accept);
    accept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        for (key, accept) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        ] {
            let key = parse(key.as_bytes()).unwrap();
            assert_eq!(accept_key(&key), accept.as_bytes());
        }
    }

    #[test]
    fn keys_are_16_bytes_of_base64() {
        assert_eq!(&encode_key(*b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
        for wrong in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",   // no padding
            "dGhlIHNhbXBsZSBub25jZQ=",  // half of it
            "dGhlIHNhbXBsZSBub25jZSE=", // 17 bytes
            "dGhlIHNhbXBsZSBub25j",     // 15 bytes
            "dGhlIHNhbXBsZSBub25jZ!==", // not the alphabet
            "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSA=",
        ] {
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(parse(b"dGhlIHNhbXBsZSBub25jZR==").is_some(), "bits behind the last byte don't matter");
    }
}
