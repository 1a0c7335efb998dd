use core::fmt;

use super::{MAX_CONTROL_PAYLOAD, MaskingKey, Opcode};

/// Everything of a frame but its payload (RFC 6455 §5.2).
///
/// [`parse`](Self::parse) refuses what no endpoint may send; what depends on the endpoint (who masks, which RSV bits
/// an extension has claimed, whether a message is open) is for the [connection](crate::Receiver) to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the header's fields, all of them")]
pub struct Header {
    /// FIN, the three RSV bits and the opcode.
    pub first: FirstByte,
    /// The masking key, on frames from a client.
    pub mask: Option<MaskingKey>,
    /// The payload's length in bytes: below 2^63, whatever the size of a pointer here.
    pub payload_len: u64,
}

impl Header {
    /// The longest header: two bytes, a 64-bit length, a masking key.
    pub const MAX_LEN: usize = 14;

    /// The header of a final frame with all RSV bits clear.
    pub const fn new(opcode: Opcode, mask: Option<MaskingKey>, payload_len: u64) -> Self {
        Self { first: FirstByte::last(opcode), mask, payload_len }
    }

    /// Reads a header from the front of `bytes`: the header and how many bytes it took, 2 to 14.
    ///
    /// `None` when the bytes end before the header does: come again with more.
    ///
    /// # Errors
    ///
    /// At the first byte that proves the header wrong, even when more of it is still to come; that a length is not in
    /// its shortest form, when it is complete.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeaderError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let first = FirstByte::parse(first)?;
        let Some((payload_len, used)) = payload_len(first, bytes)? else { return Ok(None) };
        Ok(Self::with_mask(first, payload_len, used, bytes))
    }

    /// The header whose masking key, if it has one, stands `used` bytes into `bytes`.
    #[inline]
    pub(crate) fn with_mask(first: FirstByte, payload_len: u64, used: usize, bytes: &[u8]) -> Option<(Self, usize)> {
        if !bytes.get(1).is_some_and(|second| is_masked(*second)) {
            return Some((Self { first, mask: None, payload_len }, used));
        }
        let key: &[u8; 4] = bytes.get(used..)?.first_chunk()?;
        Some((Self { first, mask: Some(MaskingKey(*key)), payload_len }, used + key.len()))
    }

    /// How many bytes [`encode`](Self::encode) makes: 2 to 14.
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        let length = match self.payload_len {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + if self.mask.is_some() { 4 } else { 0 }
    }

    /// The header's bytes, with the length in its shortest form.
    // As numbers, lowest byte first: they are put together in registers, and written with a move or two.
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
#[expect(clippy::exhaustive_structs, reason = "eight bits, all of them here")]
pub struct FirstByte {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2 and RSV3 where they stand in the byte (0x40, 0x20, 0x10): zero unless an extension says otherwise.
    pub rsv: u8,
    /// What the frame is.
    pub opcode: Opcode,
}

impl FirstByte {
    /// That of a frame which is its message's last, with all RSV bits clear.
    pub const fn last(opcode: Opcode) -> Self {
        Self { fin: true, rsv: 0, opcode }
    }

    /// Takes the byte apart.
    ///
    /// # Errors
    ///
    /// When the opcode is reserved, or when a control frame is not final ("Control frames themselves MUST NOT be
    /// fragmented", RFC 6455 §5.4).
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

/// The MASK bit of a frame's second byte.
#[inline]
pub(crate) const fn is_masked(second: u8) -> bool {
    second & 0x80 != 0
}

/// The payload's length and where in `bytes` the header goes on behind it; `None` when the field is cut.
///
/// Apart from [`Header::parse`] because the length can be judged before the masking key behind it has come.
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

/// A header's bytes, ready to be sent: 2 to 14 of them.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    /// In halves, because a processor stalls where sixteen bytes are read that were just written as twice eight.
    halves: [[u8; 8]; 2],
    len: u8,
}

impl EncodedHeader {
    pub(crate) const EMPTY: Self = Self { halves: [[0; 8]; 2], len: 0 };

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.halves.as_flattened().get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The bytes with zeros behind them, in two halves, which are always as long; and how many are the header.
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

/// Why bytes are not a frame header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// An opcode that the RFC keeps for later: 3–7 or 11–15.
    ReservedOpcode(u8),
    /// A Close, Ping or Pong without FIN.
    FragmentedControl,
    /// A Close, Ping or Pong that announces more than 125 bytes.
    ControlTooLong,
    /// A length below 126 in two bytes, or below 65 536 in eight.
    LengthNotMinimal {
        /// The length that was so encoded.
        len: u64,
    },
    /// A 64-bit length with its top bit set.
    LengthTopBit,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedOpcode(bits) => write!(f, "reserved opcode {bits}"),
            Self::FragmentedControl => f.write_str("fragmented control frame"),
            Self::ControlTooLong => f.write_str("control frame of more than 125 bytes"),
            Self::LengthNotMinimal { len } => write!(f, "length {len} not in its shortest form"),
            Self::LengthTopBit => f.write_str("length of 2^63 bytes or more"),
        }
    }
}

impl core::error::Error for HeaderError {}
