use core::fmt::Debug;

use crate::frame::MaskingKey;

/// The end of the connection that this is: [`Server`] or [`Client`].
///
/// A client masks its frames, and a server does not (RFC 6455 §5.1). A server closes the transport first (§7.1.1).
#[expect(private_bounds, reason = "sealed: there are two roles")]
pub trait Role: End {}

#[diagnostic::do_not_recommend]
impl<R: End> Role for R {}

/// Everything in which the two ends differ.
pub(crate) trait End {
    /// Whether the peer is a client, whose frames must be masked and who waits for us to close the transport.
    const PEER_IS_CLIENT: bool;

    /// The key for the next frame that is sent; `None` in a server.
    fn masking_key(&mut self) -> Option<MaskingKey>;
}

/// The end that answered the opening handshake.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Server;

/// The end that began the opening handshake, with the source of its masking keys.
#[derive(Clone, Copy, Debug)]
pub struct Client<K> {
    random: K,
}

impl<K> Client<K> {
    pub(crate) const fn new(random: K) -> Self {
        Self { random }
    }
}

impl End for Server {
    const PEER_IS_CLIENT: bool = true;

    #[inline]
    fn masking_key(&mut self) -> Option<MaskingKey> {
        None
    }
}

impl<K: Randomness> End for Client<K> {
    const PEER_IS_CLIENT: bool = false;

    #[inline]
    fn masking_key(&mut self) -> Option<MaskingKey> {
        Some(MaskingKey(self.random.next_key()))
    }
}

/// A client's source of unpredictable bytes, for the key of the handshake and for the masking key of every frame.
///
/// "The masking key needs to be unpredictable" to the application that supplies the data (RFC 6455 §5.3, §10.3), so a
/// counter or a clock is not enough. With the feature `std` there is [`SystemRandom`]. A closure is a source, too:
///
/// ```
/// use websocket_proto::Randomness;
///
/// fn needs_a_source(source: impl Randomness) {}
///
/// # struct Trng; impl Trng { fn read(&mut self) -> u32 { 4 } } let mut trng = Trng;
/// needs_a_source(move || trng.read().to_ne_bytes());      // a microcontroller's generator
/// ```
pub trait Randomness {
    /// Returns the next four bytes.
    fn next_key(&mut self) -> [u8; 4];
}

impl<F: FnMut() -> [u8; 4]> Randomness for F {
    #[inline]
    fn next_key(&mut self) -> [u8; 4] {
        self()
    }
}

#[cfg(feature = "std")]
pub use system::{RandomnessError, SystemRandom};

#[cfg(feature = "std")]
mod system {
    use core::fmt;

    use chacha20::{
        ChaCha12Rng,
        rand_core::{Rng, SeedableRng},
    };

    use super::Randomness;

    /// The default source of masking keys: ChaCha12, seeded once by the operating system.
    ///
    /// A key takes a few nanoseconds and no system call. Each connection has its own source.
    ///
    /// ```
    /// use websocket_proto::{Randomness, SystemRandom};
    ///
    /// let mut random = SystemRandom::new()?;
    /// assert_ne!(random.next_key(), random.next_key()); // fails once in 2^32 times
    /// # Ok::<(), websocket_proto::RandomnessError>(())
    /// ```
    pub struct SystemRandom(ChaCha12Rng);

    impl SystemRandom {
        /// Returns a generator with a new seed of 256 bits.
        ///
        /// # Errors
        ///
        /// The operating system returned no random bytes.
        pub fn new() -> Result<Self, RandomnessError> {
            let mut seed = [0; 32];
            getrandom::fill(&mut seed).map_err(|_| RandomnessError)?;
            Ok(Self(ChaCha12Rng::from_seed(seed)))
        }
    }

    impl Randomness for SystemRandom {
        #[inline]
        fn next_key(&mut self) -> [u8; 4] {
            self.0.next_u32().to_ne_bytes()
        }
    }

    impl fmt::Debug for SystemRandom {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("SystemRandom")
        }
    }

    /// The operating system returned no random bytes for the seed of a generator.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    pub struct RandomnessError;

    impl fmt::Display for RandomnessError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the operating system returned no random bytes")
        }
    }

    impl core::error::Error for RandomnessError {}
}
