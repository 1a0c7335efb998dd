//! SHA-1 of a key, the only thing that is hashed, and base64, for machines without an allocator: a sixth of the code of
//! the libraries, and nothing that can panic.

use core::array;

use super::{GUID, Key};

/// Space for a key, the GUID, and the padding of SHA-1 (RFC 3174 §4): two blocks.
const PADDED: [[u8; 64]; 2] = {
    let mut padded = [[0; 64]; 2];
    let mut index = 0;
    while index < GUID.len() {
        padded[0][size_of::<Key>() + index] = GUID[index];
        index += 1;
    }
    let len = size_of::<Key>() + GUID.len();
    padded[0][len] = 0x80;
    let bits = (len as u16 * 8).to_be_bytes();
    (padded[1][62], padded[1][63]) = (bits[0], bits[1]);
    padded
};

pub(crate) fn sha1(key: &Key) -> [u8; 20] {
    let [mut first, second] = PADDED;
    if let Some(front) = first.first_chunk_mut() {
        *front = *key;
    }
    let start = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];
    let state = compress(compress(start, &first), &second);
    let mut hash = [0; 20];
    for (bytes, word) in hash.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

/// Adds one block to the hash (RFC 3174 §6.2): its 80 words take turns in 16 places.
fn compress(state: [u32; 5], block: &[u8; 64]) -> [u32; 5] {
    let mut words = [0; 16];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    let [mut a, mut b, mut c, mut d, mut e] = state;
    for round in 0..80 {
        if round >= 16 {
            let mixed =
                words[(round + 13) % 16] ^ words[(round + 8) % 16] ^ words[(round + 2) % 16] ^ words[round % 16];
            words[round % 16] = mixed.rotate_left(1);
        }
        let mixed = match round {
            0..20 => (b & c | !b & d).wrapping_add(0x5A82_7999),
            20..40 => (b ^ c ^ d).wrapping_add(0x6ED9_EBA1),
            40..60 => (b & c | b & d | c & d).wrapping_add(0x8F1B_BCDC),
            _ => (b ^ c ^ d).wrapping_add(0xCA62_C1D6),
        };
        let next = a.rotate_left(5).wrapping_add(mixed).wrapping_add(e).wrapping_add(words[round % 16]);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    let mut mixed = [a, b, c, d, e].into_iter().zip(state).map(|(after, before)| before.wrapping_add(after));
    array::from_fn(|_| mixed.next().unwrap_or_default())
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Fills `text`, which has the length of the encoded `bytes` (RFC 4648 §4).
pub(crate) fn base64(bytes: &[u8], text: &mut [u8]) {
    let mut bytes = bytes.iter();
    for four in text.as_chunks_mut().0 {
        let three = [bytes.next(), bytes.next(), bytes.next()];
        let word = three.iter().fold(0, |word, byte| word << 8 | byte.map_or(0, |byte| u32::from(*byte)));
        let [a, b, c, d] = [18, 12, 6, 0].map(|shift| ALPHABET[(word >> shift) as usize % 64]);
        *four = [a, b, if three[1].is_some() { c } else { b'=' }, if three[2].is_some() { d } else { b'=' }];
    }
}
