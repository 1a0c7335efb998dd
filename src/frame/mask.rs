#[cfg(feature = "std")]
use rten_simd::{Isa, Simd, SimdOp, ops::NumOps};

use crate::{SHORTCUTS, storage::copy};

/// The 32 bits that a client XORs with the payload of a frame (RFC 6455 §5.3).
///
/// Masking prevents a script in a browser from choosing the bytes that a proxy sees (§10.3).
///
/// ```
/// use websocket_proto::frame::MaskingKey;
///
/// let key = MaskingKey([0x37, 0xfa, 0x21, 0x3d]);
/// let mut payload = *b"Hello";
/// key.apply(&mut payload);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
///
/// // Masking is its own inverse. A payload can be masked in pieces.
/// let next = key.apply(&mut payload[..3]);
/// next.apply(&mut payload[3..]);
/// assert_eq!(&payload, b"Hello");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a masking key is four bytes")]
pub struct MaskingKey(pub [u8; 4]);

impl MaskingKey {
    /// Masks or unmasks `payload`, beginning with the key's first byte. Returns the key for the bytes that follow.
    #[inline]
    pub fn apply(self, payload: &mut [u8]) -> Self {
        xor(payload, self);
        self.at(payload.len())
    }

    /// Masks or unmasks `payload`, and returns whether the result is all ASCII.
    pub(crate) fn apply_to_ascii(self, payload: &mut [u8]) -> bool {
        #[cfg(feature = "std")]
        if payload.len() >= LONG {
            return xor_long::<true>(payload, self);
        }
        xor(payload, self);
        payload.is_ascii()
    }

    /// Copies `from` to `to`, which has the same length, and masks the copy. Returns the key for the bytes that follow.
    // Whether the compiler inlines it otherwise depends on the size of modules that have nothing to do with it.
    #[cfg_attr(feature = "std", inline(always))]
    #[cfg_attr(not(feature = "std"), inline)]
    pub(crate) fn apply_copied(self, from: &[u8], to: &mut [u8]) -> Self {
        xor_copied(from, to, self);
        self.at(from.len())
    }

    /// Returns the key for the part of a payload that begins at `offset`: the bytes, rotated by `offset` modulo 4.
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

    /// Returns the key twice, in memory order.
    #[inline(always)]
    fn word(self) -> u64 {
        let word = u64::from(u32::from_ne_bytes(self.0));
        word | word << 32
    }
}

/// The least length at which it pays to ask for vectors wider than those that the target always has.
#[cfg(feature = "std")]
const LONG: usize = 512;

/// The least length at which it pays to align to a cache line first.
#[cfg(feature = "std")]
const VERY_LONG: usize = 2048;

/// The length of a cache line. A vector that crosses into the next line costs two loads and two stores.
#[cfg(feature = "std")]
const LINE: usize = 64;

/// The width of vectors that every target with vectors has. The compiler generates these from plain loops.
#[cfg(feature = "std")]
const NARROW: usize = 16;

/// The number of vectors per iteration.
#[cfg(feature = "std")]
const UNROLLED: usize = 8;

/// The number of bytes per iteration of a plain loop.
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

/// XORs a long slice with wide vectors if the processor has them. With `LOOK`, returns whether the result is ASCII.
// Not inlined, to keep the code for short payloads short.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_long<const LOOK: bool>(bytes: &mut [u8], key: MaskingKey) -> bool {
    Xor::<LOOK> { bytes, key }.dispatch()
}

/// The work of [`xor_long`], compiled once for each width of vectors.
// A plain loop would be shorter. But the compiler turns some plain loops into AVX-512 gathers of every eighth word,
// which take four times as long.
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

/// The work of [`xor_long`] without wide vectors.
// Not inlined, because one copy is enough for all widths.
#[cfg(feature = "std")]
#[inline(never)]
fn xor_plainly<const LOOK: bool>(bytes: &mut [u8], key: MaskingKey) -> bool {
    xor_blocks(bytes, key.word());
    LOOK && bytes.is_ascii()
}

/// XORs blocks of words, which the compiler turns into vectors, then the remaining words, then 4 bytes, then up to 3.
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

/// XORs all whole words. Returns the bytes that follow them.
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
        let mut targets = to.chunks_exact_mut(UNROLLED * simd.len());
        for (block, target) in (&mut blocks).zip(&mut targets) {
            for (from, to) in block.chunks_exact(simd.len()).zip(target.chunks_exact_mut(simd.len())) {
                simd.store(simd.xor(simd.load(from), keys), to);
            }
        }
        let rest = blocks.remainder();
        if !rest.is_empty() {
            xor_plainly_copied(rest, targets.into_remainder(), key);
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
    let ((blocks, from), (targets, to)) = (from.as_chunks::<BLOCK>(), to.as_chunks_mut::<BLOCK>());
    for (block, target) in blocks.iter().zip(targets) {
        // Through registers, because the compiler cannot tell that the two slices do not overlap.
        let mut block = *block;
        xor_words(&mut block, word);
        *target = block;
    }
    // The rest is less than a block and in the innermost cache, so a copy is cheap.
    debug_assert_eq!(from.len(), to.len(), "both slices have the same length");
    if copy(from, to).is_some() {
        xor_blocks(to, word);
    }
}

/// The work of [`xor_blocks_copied`] in less code.
fn xor_fours_copied(from: &[u8], to: &mut [u8], MaskingKey(key): MaskingKey) {
    let ((fours, from), (targets, to)) = (from.as_chunks(), to.as_chunks_mut());
    for (four, target) in fours.iter().zip(targets) {
        *target = (u32::from_ne_bytes(*four) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for ((byte, target), key) in from.iter().zip(to).zip(key) {
        *target = byte ^ key;
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec::Vec;

    use super::*;

    /// The loop that the RFC describes (RFC 6455 §5.3).
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
