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
        let word = u64::from(u32::from_ne_bytes(self.0));
        let word = word | word << 32;
        // Eight bytes a step is what the compiler widens to the machine's vectors; the tail is at most seven.
        let mut words = payload.chunks_exact_mut(8);
        for bytes in &mut words {
            if let Ok(array) = <&mut [u8; 8]>::try_from(bytes) {
                *array = (u64::from_ne_bytes(*array) ^ word).to_ne_bytes();
            }
        }
        for (byte, key) in words.into_remainder().iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= key;
        }
        self.at(payload.len())
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
