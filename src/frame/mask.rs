#[cfg(feature = "std")]
use fearless_simd::{Level, prelude::*};

use crate::{STRAIGHT_PATHS, bytes::copy};

/// The 32 bits that a client XORs over each frame's payload, so that no script in a browser can choose the bytes
/// that a proxy sees (RFC 6455 §5.3, §10.3).
///
/// ```
/// use websocket_proto::frame::MaskingKey;
///
/// let key = MaskingKey([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = *b"Hello";
/// key.apply(&mut payload);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
///
/// // Masking is its own inverse, and may be done piece by piece.
/// let next = key.apply(&mut payload[..3]);
/// next.apply(&mut payload[3..]);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "four bytes, and nothing else will be")]
pub struct MaskingKey(pub [u8; 4]);

impl MaskingKey {
    /// Masks or unmasks `payload`, which starts on this key's first byte, and returns the key for what follows it.
    #[inline]
    pub fn apply(self, payload: &mut [u8]) -> Self {
        xor(payload, self);
        self.at(payload.len())
    }

    /// The same; returns whether what has come out is ASCII, all of it.
    pub(crate) fn apply_to_ascii(self, payload: &mut [u8]) -> bool {
        #[cfg(feature = "std")]
        if payload.len() >= LONG {
            return xor_long::<true>(payload, self);
        }
        xor(payload, self);
        payload.is_ascii()
    }

    /// Copies `from` to `to`, which is as long, masked on the way; returns the key for what follows.
    #[inline]
    pub(crate) fn apply_copied(self, from: &[u8], to: &mut [u8]) -> Self {
        xor_copied(from, to, self);
        self.at(from.len())
    }

    /// The key as it stands at `offset` bytes into a payload: its bytes rotated by `offset` modulo 4.
    ///
    /// ```
    /// # use websocket_proto::frame::MaskingKey;
    /// assert_eq!(MaskingKey([1, 2, 3, 4]).at(6), MaskingKey([3, 4, 1, 2]));
    /// ```
    #[inline]
    pub const fn at(self, offset: usize) -> Self {
        let bits = (offset % 4) as u32 * 8;
        Self(u32::from_be_bytes(self.0).rotate_left(bits).to_be_bytes())
    }

    /// Twice the key, as it stands in memory.
    #[inline(always)]
    fn word(self) -> u64 {
        let word = u64::from(u32::from_ne_bytes(self.0));
        word | word << 32
    }
}

/// From here on it pays to ask for the machine's widest vectors, in bytes.
#[cfg(feature = "std")]
const LONG: usize = 256;

/// From here on it pays to begin with a whole line of the cache.
#[cfg(feature = "std")]
const VERY_LONG: usize = 2048;

/// So many vectors are done in each turn of the loop.
#[cfg(feature = "std")]
const UNROLLED: usize = 4;

/// A line of the cache. A vector that lies in two of them is loaded twice, and stored twice.
#[cfg(feature = "std")]
const LINE: usize = 64;

/// How many bytes are done in each turn of a loop without vectors of its own.
const BLOCK: usize = 32;

#[inline]
fn xor(bytes: &mut [u8], key: MaskingKey) {
    #[cfg(feature = "std")]
    if bytes.len() >= LONG {
        xor_long::<false>(bytes, key);
        return;
    }
    xor_blocks(bytes, key.word());
}

/// Compiled once for each width of vectors: what there is, is found out when the program runs. Sees on the way, if it is to `LOOK`, whether
/// what comes out is ASCII.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_long<const LOOK: bool>(bytes: &mut [u8], key: MaskingKey) -> bool {
    let before = if bytes.len() < VERY_LONG { 0 } else { bytes.as_ptr().align_offset(LINE).min(bytes.len()) };
    let (front, lines) = bytes.split_at_mut(before);
    xor_blocks(front, key.word());
    let word = key.at(before).word();
    let (rest, is_ascii) = fearless_simd::dispatch!(Level::new(), simd => xor_vectors::<_, LOOK>(simd, lines, word));
    if !rest.is_empty() {
        xor_blocks(rest, word);
    }
    LOOK && is_ascii && front.is_ascii() && rest.is_ascii()
}

/// XORs all whole vectors, and returns what is behind them, and whether they were seen to be ASCII then.
// Left to itself, the compiler may prefer to gather every eighth word with AVX-512, which takes four times as long.
#[cfg(feature = "std")]
#[inline(always)]
fn xor_vectors<S: Simd, const LOOK: bool>(simd: S, bytes: &mut [u8], word: u64) -> (&mut [u8], bool) {
    let key: S::u8s = S::u64s::splat(simd, word).bitcast();
    let mut seen = S::u8s::splat(simd, 0);
    let mut xor = |vector: &mut [u8]| {
        let plain = S::u8s::from_slice(simd, vector) ^ key;
        if LOOK {
            seen |= plain;
        }
        plain.store_slice(vector);
    };
    let mut blocks = bytes.chunks_exact_mut(UNROLLED * S::u8s::LEN);
    for block in &mut blocks {
        block.chunks_exact_mut(S::u8s::LEN).for_each(&mut xor);
    }
    let mut vectors = blocks.into_remainder().chunks_exact_mut(S::u8s::LEN);
    vectors.by_ref().for_each(xor);
    (vectors.into_remainder(), seen.as_slice().is_ascii())
}

/// Blocks of several words are what the compiler turns into vectors; then come words, then at most seven bytes.
#[inline(always)]
fn xor_blocks(bytes: &mut [u8], word: u64) {
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    for block in blocks {
        xor_words(block, word);
    }
    let rest = xor_words(rest, word);
    let (fours, rest) = rest.as_chunks_mut();
    let [a, b, c, d, ..] = word.to_ne_bytes();
    for four in fours {
        *four = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes([a, b, c, d])).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c]) {
        *byte ^= key;
    }
}

/// XORs all whole words, and returns what is behind them.
#[inline(always)]
fn xor_words(bytes: &mut [u8], word: u64) -> &mut [u8] {
    let (words, rest) = bytes.as_chunks_mut();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    rest
}

#[inline]
fn xor_copied(from: &[u8], to: &mut [u8], key: MaskingKey) {
    #[cfg(feature = "std")]
    if from.len() >= LONG {
        return xor_long_copied(from, to, key.word());
    }
    if STRAIGHT_PATHS { xor_blocks_copied(from, to, key.word()) } else { xor_fours_copied(from, to, key) }
}

#[cfg(feature = "std")]
#[inline(never)]
fn xor_long_copied(from: &[u8], to: &mut [u8], word: u64) {
    let len = fearless_simd::dispatch!(Level::new(), simd => xor_vectors_copied(simd, from, to, word));
    match (from.get(len..), to.get_mut(len..)) {
        (Some(from), Some(to)) if !from.is_empty() => xor_blocks_copied(from, to, word),
        _ => {}
    }
}

/// Copies and XORs all whole vectors, and returns how many bytes they have.
#[cfg(feature = "std")]
#[inline(always)]
fn xor_vectors_copied<S: Simd>(simd: S, from: &[u8], to: &mut [u8], word: u64) -> usize {
    let key: S::u8s = S::u64s::splat(simd, word).bitcast();
    let (blocks, rooms) = (from.chunks_exact(UNROLLED * S::u8s::LEN), to.chunks_exact_mut(UNROLLED * S::u8s::LEN));
    let len = blocks.len().min(rooms.len()) * UNROLLED * S::u8s::LEN;
    for (block, room) in blocks.zip(rooms) {
        for (from, to) in block.chunks_exact(S::u8s::LEN).zip(room.chunks_exact_mut(S::u8s::LEN)) {
            (S::u8s::from_slice(simd, from) ^ key).store_slice(to);
        }
    }
    len
}

#[inline(always)]
fn xor_blocks_copied(from: &[u8], to: &mut [u8], word: u64) {
    let ((blocks, from), (rooms, to)) = (from.as_chunks::<BLOCK>(), to.as_chunks_mut::<BLOCK>());
    for (block, room) in blocks.iter().zip(rooms) {
        // By way of registers: that the two don't overlap is then plain to the compiler.
        let mut block = *block;
        xor_words(&mut block, word);
        *room = block;
    }
    // At most a block: a copy in the innermost cache costs little.
    if copy(from, to).is_some() {
        xor_blocks(to, word);
    }
}

/// The same with little code.
fn xor_fours_copied(from: &[u8], to: &mut [u8], MaskingKey(key): MaskingKey) {
    let ((fours, from), (rooms, to)) = (from.as_chunks(), to.as_chunks_mut());
    for (four, room) in fours.iter().zip(rooms) {
        *room = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for ((byte, room), key) in from.iter().zip(to).zip(key) {
        *room = byte ^ key;
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec::Vec;

    use super::*;

    /// The loop that the RFC describes (§5.3).
    fn naive(key: [u8; 4], bytes: &[u8]) -> Vec<u8> {
        bytes.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect()
    }

    #[test]
    fn every_length_and_place_agrees_with_the_naive_loop() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let bytes: Vec<u8> = (0..2400_u32).map(|index| (index * 31 + index / 7) as u8).collect();
        for start in 0..8 {
            for len in (0..600).chain([1000, 1023, 1024, 1025, 2047, 2048, 2111, 2300]) {
                let plain = &bytes[start..start + len];
                let mut masked = bytes.clone();
                let next = MaskingKey(key).apply(&mut masked[start..start + len]);
                assert_eq!(masked[start..start + len], naive(key, plain), "{len} bytes from {start}");
                assert_eq!((&masked[..start], &masked[start + len..]), (&bytes[..start], &bytes[start + len..]));
                assert_eq!(next, MaskingKey(key).at(len));

                let mut copied = bytes.clone();
                let next = MaskingKey(key).apply_copied(plain, &mut copied[8 - start..][..len]);
                assert_eq!(copied[8 - start..][..len], naive(key, plain), "{len} bytes from {start}, copied");
                assert_eq!(
                    (&copied[..8 - start], &copied[8 - start + len..]),
                    (&bytes[..8 - start], &bytes[8 - start + len..])
                );
                assert_eq!(next, MaskingKey(key).at(len));
            }
        }
    }

    #[test]
    fn what_is_not_ascii_is_noticed_wherever_it_is() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in [1, 31, 255, 256, 320, 1087, 2300] {
            let mut plain = [b'a'; 2304];
            for start in [0, 1] {
                for odd in (0..len).map(Some).chain([None]) {
                    let text = &mut plain[start..start + len];
                    odd.iter().for_each(|odd| text[*odd] = 0x80);
                    let mut masked = naive(key, text);
                    assert_eq!(MaskingKey(key).apply_to_ascii(&mut masked), odd.is_none(), "{len} bytes, {odd:?}");
                    assert_eq!(masked, text);
                    odd.iter().for_each(|odd| text[*odd] = b'a');
                }
            }
        }
    }
}
