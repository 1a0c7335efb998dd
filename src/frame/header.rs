use core::fmt;

use super::{MAX_CONTROL_PAYLOAD, MaskingKey, Opcode};

/// The header of a frame: everything before its payload (RFC 6455 §5.2).
///
/// [`parse`](Self::parse) refuses headers that no endpoint may send. The rules that depend on the connection are left
/// to the [`Receiver`](crate::Receiver): who masks, which RSV bits an extension has claimed, and whether a message is
/// open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the RFC defines these fields and no others")]
pub struct Header {
    /// FIN, the three RSV bits and the opcode.
    pub first: FirstByte,
    /// The masking key; `None` in frames from a server.
    pub mask: Option<MaskingKey>,
    /// The length of the payload in bytes, below 2^63. It may be larger than `usize::MAX`.
    pub payload_len: u64,
}

impl Header {
    /// The length of the longest header in bytes: two bytes, a 64-bit length and a masking key.
    pub const MAX_LEN: usize = 14;

    /// The length of the longest payload in bytes: "the most significant bit MUST be 0" (RFC 6455 §5.2).
    pub const MAX_PAYLOAD: u64 = u64::MAX >> 1;

    /// Returns the header of a final frame, with all RSV bits clear.
    pub const fn new(opcode: Opcode, mask: Option<MaskingKey>, payload_len: u64) -> Self {
        Self { first: FirstByte::last(opcode), mask, payload_len }
    }

    /// Parses the header at the front of `bytes`, and returns it with its length: 2 to 14 bytes.
    ///
    /// `None` if `bytes` ends before the header does: call again with the same bytes and more.
    ///
    /// # Errors
    ///
    /// The header is invalid (see [`HeaderError`]). This is reported at the first byte that proves it, even if the
    /// header is incomplete. A length that is not in its shortest form is reported as soon as the length is complete.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeaderError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let first = FirstByte::parse(first)?;
        let Some((payload_len, used)) = payload_len(first, bytes)? else { return Ok(None) };
        Ok(Self::with_mask(first, payload_len, used, bytes))
    }

    /// Returns the header with its masking key, which begins after `used` bytes if the MASK bit is set.
    ///
    /// `None` if the key is incomplete.
    #[inline]
    pub(crate) fn with_mask(first: FirstByte, payload_len: u64, used: usize, bytes: &[u8]) -> Option<(Self, usize)> {
        if !bytes.get(1).is_some_and(|second| is_masked(*second)) {
            return Some((Self { first, mask: None, payload_len }, used));
        }
        let key: &[u8; 4] = bytes.get(used..)?.first_chunk()?;
        Some((Self { first, mask: Some(MaskingKey(*key)), payload_len }, used + key.len()))
    }

    /// Returns the length of the [encoded](Self::encode) header: 2 to 14 bytes.
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        let length = match self.payload_len {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + if self.mask.is_some() { 4 } else { 0 }
    }

    /// Encodes the header, with the length in its shortest form.
    // The bytes are assembled in registers, as numbers with the lowest byte first, and written with one or two moves.
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        let (mask_bit, key, key_len) = match self.mask {
            Some(MaskingKey(key)) => (0x80, u64::from(u32::from_le_bytes(key)), 4),
            None => (0, 0, 0),
        };
        let first = |short: u64| u64::from(self.first.encode()) | (mask_bit | short) << 8;
        let (front, back, len) = match self.payload_len {
            len @ 0..=125 => (first(len) | key << 16, 0, 2),
            len @ 126..=0xFFFF => (first(126) | u64::from((len as u16).swap_bytes()) << 16 | key << 32, 0, 4),
            len => {
                let len = len.swap_bytes();
                (first(127) | len << 16, len >> 48 | key << 16, 10)
            }
        };
        EncodedHeader { halves: [front.to_le_bytes(), back.to_le_bytes()], len: len + key_len }
    }
}

/// The first byte of a frame: FIN, RSV1–3 and the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "these fields cover all eight bits")]
pub struct FirstByte {
    /// Whether this is the last frame of its message (the FIN bit).
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 at their places in the byte (0x40, 0x20, 0x10); zero unless an extension defines them.
    pub rsv: u8,
    /// The type of the frame.
    pub opcode: Opcode,
}

impl FirstByte {
    /// Returns the first byte of a final frame, with all RSV bits clear.
    pub const fn last(opcode: Opcode) -> Self {
        Self { fin: true, rsv: 0, opcode }
    }

    /// Parses the first byte of a frame.
    ///
    /// # Errors
    ///
    /// The opcode is reserved, or a control frame is not final: "Control frames themselves MUST NOT be fragmented"
    /// (RFC 6455 §5.4).
    #[inline]
    pub const fn parse(byte: u8) -> Result<Self, HeaderError> {
        let bits = byte & 0x0F;
        let Some(opcode) = Opcode::new(bits) else { return Err(HeaderError::ReservedOpcode(bits)) };
        let fin = byte & 0x80 != 0;
        if opcode.is_control() && !fin {
            return Err(HeaderError::FragmentedControl);
        }
        Ok(Self { fin, rsv: byte & 0x70, opcode })
    }

    #[inline]
    pub(crate) const fn encode(self) -> u8 {
        (self.fin as u8) << 7 | self.rsv & 0x70 | self.opcode as u8
    }
}

/// Whether the MASK bit of a frame's second byte is set.
#[inline]
pub(crate) const fn is_masked(second: u8) -> bool {
    second & 0x80 != 0
}

/// Returns the length of the payload, and the number of bytes used so far.
///
/// `None` if `bytes` ends before the length does.
///
/// This is separate from [`Header::parse`] because the length can be judged before the masking key is received.
#[inline]
pub(crate) fn payload_len(first: FirstByte, bytes: &[u8]) -> Result<Option<(u64, usize)>, HeaderError> {
    let Some(second) = bytes.get(1) else { return Ok(None) };
    let short = second & 0x7F;
    if first.opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
        return Err(HeaderError::ControlTooLong);
    }
    let rest = bytes.get(2..).unwrap_or_default();
    // "the most significant bit MUST be 0" (§5.2)
    if short == 127 && rest.first().is_some_and(|byte| byte & 0x80 != 0) {
        return Err(HeaderError::LengthTopBit);
    }
    // "the minimal number of bytes MUST be used to encode the length" (§5.2)
    let (len, least, used) = match short {
        126 => match rest.first_chunk() {
            Some(long) => (u64::from(u16::from_be_bytes(*long)), 126, 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(long) => (u64::from_be_bytes(*long), 0x1_0000, 10),
            None => return Ok(None),
        },
        _ => (u64::from(short), 0, 2),
    };
    if len < least {
        return Err(HeaderError::LengthNotMinimal { len });
    }
    Ok(Some((len, used)))
}

/// The bytes of an encoded header: 2 to 14.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    /// Two halves, because a processor stalls if it reads 16 bytes that were just written as two times 8.
    halves: [[u8; 8]; 2],
    len: u8,
}

impl EncodedHeader {
    pub(crate) const EMPTY: Self = Self { halves: [[0; 8]; 2], len: 0 };

    /// Returns the bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        debug_assert!(usize::from(self.len) <= Header::MAX_LEN, "a header has at most {} bytes", Header::MAX_LEN);
        self.halves.as_flattened().get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Returns the bytes, padded with zeros to 16, and the length of the header without them.
    #[inline]
    pub(crate) fn padded(&self) -> ([[u8; 8]; 2], usize) {
        (self.halves, usize::from(self.len))
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// Why bytes are not a valid frame header (RFC 6455 §5.2, §5.4, §5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The opcode is reserved: 3–7 or 11–15.
    ReservedOpcode(u8),
    /// A Close, Ping or Pong has no FIN bit.
    FragmentedControl,
    /// A Close, Ping or Pong announces a payload of more than 125 bytes.
    ControlTooLong,
    /// The length is below 126 and encoded in two bytes, or below 65 536 and encoded in eight.
    LengthNotMinimal {
        /// The length, in bytes.
        len: u64,
    },
    /// The top bit of a 64-bit length is set.
    LengthTopBit,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedOpcode(bits) => write!(f, "reserved opcode {bits} (allowed are 0-2 and 8-10)"),
            Self::FragmentedControl => f.write_str("control frame without FIN (it must not be fragmented)"),
            Self::ControlTooLong => f.write_str("control frame with a length code of 126 or 127 (at most 125)"),
            Self::LengthNotMinimal { len } => write!(f, "length {len} is not in its shortest form"),
            Self::LengthTopBit => f.write_str("length of 2^63 bytes or more (at most 2^63 - 1)"),
        }
    }
}

impl core::error::Error for HeaderError {}
