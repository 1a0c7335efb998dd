//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455 §1.3): the proof that the server speaks WebSocket.
//!
//! Neither is a secret: everything that they are computed from is public, so they need not be compared in constant
//! time.

#[cfg(feature = "alloc")]
mod libraries;
#[cfg(any(not(feature = "alloc"), test))]
mod small;

#[cfg(feature = "alloc")]
pub(crate) use libraries::base64;
#[cfg(feature = "alloc")]
use libraries::sha1;
#[cfg(not(feature = "alloc"))]
pub(crate) use small::base64;
#[cfg(not(feature = "alloc"))]
use small::sha1;

const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A `Sec-WebSocket-Accept`: 20 bytes of SHA-1 in base64.
pub(crate) type AcceptKey = [u8; 28];

/// A `Sec-WebSocket-Key`: 16 random bytes in base64.
pub(crate) type Key = [u8; 24];

pub(crate) fn encode_key(nonce: [u8; 16]) -> Key {
    let mut key = [0; 24];
    base64(&nonce, &mut key);
    key
}

/// "a base64-encoded [...] value that, when decoded, is 16 bytes in length" (§4.2.1)
// That is 22 digits. Their last four bits belong to no byte: some clients fill them at random.
pub(crate) fn parse(value: &[u8]) -> Option<Key> {
    let key = Key::try_from(value).ok()?;
    let digits = key.strip_suffix(b"==")?;
    let is_digit =
        |byte: u8| (byte | 0x20).is_ascii_lowercase() | byte.is_ascii_digit() | (byte == b'+') | (byte == b'/');
    digits.iter().fold(true, |all, byte| all & is_digit(*byte)).then_some(key)
}

/// The answer to a key. The text of the key is hashed, not its 16 bytes.
pub(crate) fn accept_key(key: &Key) -> AcceptKey {
    let mut accept = [0; 28];
    base64(&sha1(key), &mut accept);
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
        assert!(parse(b"dGhlIHNhbXBsZSBub25jZR==").is_some(), "the bits after the last byte don't matter");
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn small_is_the_same() {
        let mut nonce = 1_u128;
        for _ in 0..1000 {
            nonce = nonce.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645).wrapping_add(1);
            let bytes = nonce.to_be_bytes();
            for len in 0..=bytes.len() {
                let (mut expected, mut text) = ([0; 24], [0; 24]);
                let text_len = len.div_ceil(3) * 4;
                libraries::base64(&bytes[..len], &mut expected[..text_len]);
                small::base64(&bytes[..len], &mut text[..text_len]);
                assert_eq!(text, expected, "{nonce:#x}");
            }
            let key = encode_key(bytes);
            assert_eq!(parse(&key), Some(key));
            assert_eq!(small::sha1(&key), libraries::sha1(&key), "{nonce:#x}");
        }
    }
}
