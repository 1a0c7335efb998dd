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
        let next = self.at(payload.len());
        let word = u64::from(u32::from_ne_bytes(self.0));
        let word = word | word << 32;
        // Four words a step are what the compiler turns into the machine's vectors; then words, then at most seven bytes.
        let mut blocks = payload.chunks_exact_mut(32);
        for block in &mut blocks {
            xor_words(block, word);
        }
        let rest = xor_words(blocks.into_remainder(), word);
        for (byte, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
            *byte ^= key;
        }
        next
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
}

/// XORs all whole words, and returns what is behind them.
#[inline(always)]
fn xor_words(bytes: &mut [u8], word: u64) -> &mut [u8] {
    let mut words = bytes.chunks_exact_mut(8);
    for bytes in &mut words {
        if let Ok(array) = <&mut [u8; 8]>::try_from(bytes) {
            *array = (u64::from_ne_bytes(*array) ^ word).to_ne_bytes();
        }
    }
    words.into_remainder()
}
