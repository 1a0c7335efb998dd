/// What a frame carries (RFC 6455 §5.2); the reserved opcodes, 3–7 and 11–15, can't be expressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the RFC's six; a seventh would be another protocol")]
pub enum Opcode {
    /// A further part of the message that an earlier text or binary frame began.
    Continuation = 0x0,
    /// The first (or only) part of a text message.
    Text = 0x1,
    /// The first (or only) part of a binary message.
    Binary = 0x2,
    /// The closing handshake, with a code and a reason.
    Close = 0x8,
    /// "Are you there?" The peer answers with a Pong of the same payload.
    Ping = 0x9,
    /// The answer to a Ping, or an unasked-for sign of life.
    Pong = 0xA,
}

impl Opcode {
    /// Reads the lower four bits of a frame's first byte; `None` when they are a reserved opcode.
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

    /// Whether this is Close, Ping or Pong: at most 125 bytes, never fragmented (RFC 6455 §5.5).
    #[inline]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}
