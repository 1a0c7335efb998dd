/// The type of a frame (RFC 6455 §5.2).
///
/// The reserved opcodes, 3–7 and 11–15, cannot be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the RFC defines six; a seventh would be another protocol")]
pub enum Opcode {
    /// The next fragment of a message that began with a text or binary frame.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// One half of the closing handshake, with an optional code and reason.
    Close = 0x8,
    /// A question whether the peer is there. The peer answers with a Pong that has the same payload.
    Ping = 0x9,
    /// The answer to a Ping, or an unsolicited sign of life.
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode with this number, which is the lower four bits of a frame's first byte.
    ///
    /// `None` if the opcode is reserved.
    ///
    /// ```
    /// use websocket_proto::frame::Opcode;
    /// assert_eq!(Opcode::new(0x9), Some(Opcode::Ping));
    /// assert_eq!(Opcode::new(0x3), None);
    /// ```
    #[inline]
    pub const fn new(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is a Close, Ping or Pong: at most 125 bytes, never fragmented (RFC 6455 §5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}
