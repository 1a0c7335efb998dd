#[cfg(feature = "std")]
use rten_simd::{Isa, Simd, SimdOp, ops::NumOps};

use crate::{SHORTCUTS, storage::copy};

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

    /// Does the same, and returns whether the whole result is ASCII.
    pub(crate) fn apply_to_ascii(self, payload: &mut [u8]) -> bool {
        #[cfg(feature = "std")]
        if payload.len() >= LONG {
            return xor_long::<true>(payload, self);
        }
        xor(payload, self);
        payload.is_ascii()
    }

    /// Copies `from` to `to`, which has the same length, and masks it on the way. Returns the key for what follows.
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

    /// The key twice, in the order of memory.
    #[inline(always)]
    fn word(self) -> u64 {
        let word = u64::from(u32::from_ne_bytes(self.0));
        word | word << 32
    }
}

/// From this length on it pays to look for vectors wider than those that the target always has.
#[cfg(feature = "std")]
const LONG: usize = 512;

/// From this length on it pays to start with a whole cache line.
#[cfg(feature = "std")]
const VERY_LONG: usize = 2048;

/// A cache line. A vector that crosses into the next line costs two loads and two stores.
#[cfg(feature = "std")]
const LINE: usize = 64;

/// Every target that has vectors at all has them in this width, and the compiler makes them out of plain loops.
#[cfg(feature = "std")]
const NARROW: usize = 16;

/// How many vectors each turn of a loop takes.
#[cfg(feature = "std")]
const UNROLLED: usize = 8;

/// How many bytes each turn of a plain loop takes.
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

/// XORs a long slice with wide vectors, where the running machine has them. If it is to `LOOK`, it returns whether the
/// result is ASCII.
// Not inlined: the paths of short payloads stay short.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_long<const LOOK: bool>(bytes: &mut [u8], key: MaskingKey) -> bool {
    Xor::<LOOK> { bytes, key }.dispatch()
}

/// What [`xor_long`] does, compiled once for each width of vectors.
// A plain loop would be shorter, but from some of them the compiler makes one that gathers every eighth word with AVX-512,
// which takes four times as long.
#[cfg(feature = "std")]
struct Xor<'a, const LOOK: bool> {
    bytes: &'a mut [u8],
    key: MaskingKey,
}

#[cfg(feature = "std")]
impl<const LOOK: bool> SimdOp for Xor<'_, LOOK> {
    type Output = bool;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> bool {
        let Self { mut bytes, mut key } = self;
        let simd = isa.u8();
        if simd.len() <= NARROW {
            return xor_plainly::<LOOK>(bytes, key);
        }
        let mut is_ascii = true;
        if bytes.len() >= VERY_LONG {
            let len = bytes.as_ptr().align_offset(LINE).min(bytes.len());
            let (front, lines) = bytes.split_at_mut(len);
            is_ascii = xor_plainly::<LOOK>(front, key);
            (bytes, key) = (lines, key.at(len));
        }

        let keys = isa.i32().splat(i32::from_ne_bytes(key.0)).reinterpret_cast();
        let mut seen = simd.zero();
        let mut xor = |vector: &mut [u8]| {
            let result = simd.xor(simd.load(vector), keys);
            if LOOK {
                seen = simd.or(seen, result);
            }
            simd.store(result, vector);
        };
        let mut blocks = bytes.chunks_exact_mut(UNROLLED * simd.len());
        for block in &mut blocks {
            block.chunks_exact_mut(simd.len()).for_each(&mut xor);
        }
        let mut vectors = blocks.into_remainder().chunks_exact_mut(simd.len());
        vectors.by_ref().for_each(xor);

        let rest = vectors.into_remainder();
        if !rest.is_empty() {
            is_ascii &= xor_plainly::<LOOK>(rest, key);
        }
        LOOK && is_ascii && seen.to_array().as_ref().is_ascii()
    }
}

/// The same without wide vectors.
// Not inlined: once is enough for all widths.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_plainly<const LOOK: bool>(bytes: &mut [u8], key: MaskingKey) -> bool {
    xor_blocks(bytes, key.word());
    LOOK && bytes.is_ascii()
}

/// The compiler turns blocks of several words into vectors. Words follow, then four bytes, then at most three.
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

/// XORs all whole words, and returns the bytes that follow them.
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
        return xor_long_copied(from, to, key);
    }
    if SHORTCUTS { xor_blocks_copied(from, to, key.word()) } else { xor_fours_copied(from, to, key) }
}

/// As [`xor_long`], from one slice to another.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_long_copied(from: &[u8], to: &mut [u8], key: MaskingKey) {
    XorCopied { from, to, key }.dispatch();
}

/// What [`xor_long_copied`] does, compiled once for each width of vectors.
#[cfg(feature = "std")]
struct XorCopied<'a> {
    from: &'a [u8],
    to: &'a mut [u8],
    key: MaskingKey,
}

#[cfg(feature = "std")]
impl SimdOp for XorCopied<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { from, to, key } = self;
        let simd = isa.u8();
        if simd.len() <= NARROW {
            return xor_plainly_copied(from, to, key);
        }
        let keys = isa.i32().splat(i32::from_ne_bytes(key.0)).reinterpret_cast();
        let mut blocks = from.chunks_exact(UNROLLED * simd.len());
        let mut rooms = to.chunks_exact_mut(UNROLLED * simd.len());
        for (block, room) in (&mut blocks).zip(&mut rooms) {
            for (from, to) in block.chunks_exact(simd.len()).zip(room.chunks_exact_mut(simd.len())) {
                simd.store(simd.xor(simd.load(from), keys), to);
            }
        }
        let rest = blocks.remainder();
        if !rest.is_empty() {
            xor_plainly_copied(rest, rooms.into_remainder(), key);
        }
    }
}

/// As [`xor_plainly`], from one slice to another.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_plainly_copied(from: &[u8], to: &mut [u8], key: MaskingKey) {
    xor_blocks_copied(from, to, key.word());
}

#[inline(always)]
fn xor_blocks_copied(from: &[u8], to: &mut [u8], word: u64) {
    let ((blocks, from), (rooms, to)) = (from.as_chunks::<BLOCK>(), to.as_chunks_mut::<BLOCK>());
    for (block, room) in blocks.iter().zip(rooms) {
        // Through registers: the compiler can't tell that the two slices don't overlap.
        let mut block = *block;
        xor_words(&mut block, word);
        *room = block;
    }
    // Less than a block: it is in the innermost cache, so a copy costs little.
    if copy(from, to).is_some() {
        xor_blocks(to, word);
    }
}

/// The same in little code.
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
        for len in [1, 31, 511, 512, 576, 1087, 2300] {
            let mut plain = [b'a'; 2304];
            for start in [0, 1] {
                for odd in (0..len).map(Some).chain([None]) {
                    let text = &mut plain[start..start + len];
                    odd.iter().for_each(|odd| text[*odd] = 0x80);
                    let mut buffer = [0; 2304];
                    let masked = &mut buffer[start..start + len];
                    masked.copy_from_slice(&naive(key, text));
                    assert_eq!(MaskingKey(key).apply_to_ascii(masked), odd.is_none(), "{len} bytes, {odd:?}");
                    assert_eq!(masked, text);
                    odd.iter().for_each(|odd| text[*odd] = b'a');
                }
            }
        }
    }
}
