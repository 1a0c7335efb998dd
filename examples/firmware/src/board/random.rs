/// **Not for a product.** QEMU's machine has no source of randomness, so these numbers can be predicted from the time
/// of day. A masking key must not be predictable (RFC 6455 §10.3). On a real chip, read its true random number
/// generator (TRNG; often just "RNG"), or seed a cryptographic generator such as ChaCha from it once.
pub struct XorShift(u32);

impl XorShift {
    pub fn new(seed: u32) -> Self {
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }
}
