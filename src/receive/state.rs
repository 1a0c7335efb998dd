use core::fmt;

use super::{Failure, Kind};
use crate::frame::{FirstByte, Header, MaskingKey, Opcode};

/// Where in the peer's stream a receiver is, and which message is open. Every transition is a method here, and none
/// knows the role.
///
/// ```text
///              a header                    its last byte
///     Between ──────────▶ Data or Control ───────────────▶ Between
///        │                       ▲
///        │ a part of one         │ the rest of it
///        └──────────▶ Header ────┘
///
///     Between ─── between two messages, everything that was lent is released ───▶ Rest
///     Rest ────── anything but a message of one frame that is all there ────────▶ Between
///     any ─────── a Close, a failure, text that is not UTF-8 ───────────────────▶ Ended
/// ```
pub(crate) struct State {
    /// Changed here, and read by all stages.
    pub(super) position: Position,
    /// From the header of its first frame until its last piece has been given to the caller. Changed here, too.
    pub(super) message: Option<Message>,
}

#[derive(Clone, Copy)]
pub(crate) enum Position {
    /// Between two messages, with nothing to release of what the last event has lent.
    Rest,
    /// Before a frame.
    Between,
    /// Inside a header.
    Header(PartialHeader),
    /// Inside the payload of a text, binary or continuation frame.
    Data(Payload),
    /// Inside the payload of a control frame.
    Control(Opcode, Payload),
    /// After the last frame that counts.
    Ended(Ending),
}

/// The first bytes of a header.
#[derive(Clone, Copy, Default)]
pub(crate) struct PartialHeader {
    bytes: [u8; Header::MAX_LEN],
    len: u8,
}

/// What is still to be received of a frame's payload.
#[derive(Clone, Copy)]
pub(crate) struct Payload {
    pub(crate) fin: bool,
    /// For the next byte, if the peer is a client.
    pub(crate) mask: MaskingKey,
    pub(crate) remaining: u64,
}

#[derive(Clone, Copy)]
pub(crate) enum Ending {
    /// By a Close.
    Closed,
    /// By text that is not UTF-8; the valid text before it was given, and the failure comes next.
    BrokenText,
    Failed(Failure),
}

/// The open message.
#[derive(Clone, Copy)]
pub(crate) struct Message {
    pub(crate) kind: Kind,
    pub(crate) is_compressed: bool,
    /// The payloads of its frames so far, as their headers announced them.
    pub(crate) len: u64,
    pub(crate) fragments: u32,
    /// A chunk of it was given to the caller.
    is_given: bool,
}

impl State {
    pub(crate) const NEW: Self = Self { position: Position::Rest, message: None };

    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.position, Position::Rest)
    }

    /// Whether the next byte begins a message.
    #[inline]
    pub(crate) fn is_between_messages(&self) -> bool {
        self.message.is_none() && matches!(self.position, Position::Rest | Position::Between)
    }

    #[inline]
    pub(crate) fn is_in_frame(&self) -> bool {
        !matches!(self.position, Position::Rest | Position::Between | Position::Ended(_))
    }

    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.position, Position::Ended(_))
    }

    /// What the open message is. Payload is only found inside one.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        debug_assert!(self.message.is_some(), "payload belongs to an open message");
        match &self.message {
            Some(message) => message.kind,
            None => Kind::Binary,
        }
    }

    #[inline]
    pub(crate) fn is_compressed(&self) -> bool {
        matches!(self.message, Some(Message { is_compressed: true, .. }))
    }

    /// Whether nothing can be found before more is received.
    #[inline]
    pub(crate) fn needs_input(&self) -> bool {
        let is_at_end = match self.position {
            Position::Data(payload) | Position::Control(_, payload) => payload.remaining == 0,
            Position::Ended(_) => true,
            Position::Rest | Position::Between | Position::Header(_) => false,
        };
        !is_at_end && !self.is_compressed()
    }

    /// How many bytes of the current data frame are still to be received.
    pub(crate) fn payload_remaining(&self) -> u64 {
        match self.position {
            Position::Data(payload) => payload.remaining,
            _ => 0,
        }
    }

    /// How many bytes of the open message are still to be given to the caller: those that are still to be received and
    /// `stored` ones. `None` if that is not known, because this is not its last frame or it is compressed.
    #[inline]
    pub(crate) fn known_remaining(&self, stored: usize) -> Option<u64> {
        match self.position {
            Position::Data(Payload { fin: true, remaining, .. }) if !self.is_compressed() => {
                Some(remaining.saturating_add(stored as u64))
            }
            _ => None,
        }
    }

    /// How many bytes of the open message are still to be received: all that there can be, if it is not known.
    #[inline]
    pub(crate) fn message_remaining(&self) -> usize {
        self.known_remaining(0).and_then(|remaining| usize::try_from(remaining).ok()).unwrap_or(usize::MAX)
    }

    /// Everything that was lent has been released.
    pub(crate) fn rest(&mut self) {
        debug_assert!(self.is_between_messages(), "only between messages is nothing left to do");
        self.position = Position::Rest;
    }

    pub(crate) fn leave_rest(&mut self) {
        debug_assert!(self.is_between_messages());
        self.position = Position::Between;
    }

    /// The bytes of a header that reads have cut; none before a frame.
    #[inline]
    pub(crate) fn header_so_far(&self) -> &[u8] {
        match &self.position {
            Position::Header(header) => header.bytes.get(..usize::from(header.len)).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The next byte of a header was received, and the header is not whole.
    pub(crate) fn header_byte(&mut self, byte: u8) {
        let mut header = match self.position {
            Position::Header(header) => header,
            _ => PartialHeader::default(),
        };
        debug_assert!(usize::from(header.len) < Header::MAX_LEN, "a header of {} bytes is whole", Header::MAX_LEN);
        if let Some(next) = header.bytes.get_mut(usize::from(header.len)) {
            *next = byte;
            header.len += 1;
        }
        self.position = Position::Header(header);
    }

    /// A header was received, and found to be right.
    #[inline]
    pub(crate) fn frame_begun(&mut self, header: &Header) {
        let Header { first: FirstByte { fin, rsv, opcode }, mask, payload_len } = *header;
        let payload = Payload { fin, mask: mask.unwrap_or_default(), remaining: payload_len };
        let kind = match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                self.position = Position::Control(opcode, payload);
                return;
            }
            Opcode::Continuation => None,
            Opcode::Text => Some(Kind::Text),
            Opcode::Binary => Some(Kind::Binary),
        };
        debug_assert!(kind.is_some() != self.message.is_some(), "the rules allow one message at a time");
        match (kind, &mut self.message) {
            (Some(kind), message) => {
                let is_compressed = rsv != 0;
                *message = Some(Message { kind, is_compressed, len: payload_len, fragments: 1, is_given: false });
            }
            (None, _) => self.fragment_received(payload_len),
        }
        self.position = Position::Data(payload);
    }

    /// All of a compressed message was received, in one frame.
    #[cfg(feature = "deflate")]
    pub(crate) fn compressed_received(&mut self, kind: Kind, len: u64) {
        self.position = Position::Between;
        self.message = Some(Message { kind, is_compressed: true, len, fragments: 1, is_given: false });
    }

    /// The open message goes on with a frame of this length.
    #[inline]
    pub(crate) fn fragment_received(&mut self, payload_len: u64) {
        if let Some(message) = &mut self.message {
            message.len = message.len.saturating_add(payload_len);
            message.fragments = message.fragments.saturating_add(1);
        }
    }

    /// The next `count` bytes of a frame's payload were received. Returns their masking key, and whether they are the
    /// message's last.
    #[inline]
    pub(crate) fn payload_received(&mut self, count: usize) -> (MaskingKey, bool) {
        let (Position::Data(payload) | Position::Control(_, payload)) = &mut self.position else {
            debug_assert!(false, "there is no payload outside a frame");
            return (MaskingKey::default(), false);
        };
        let mask = payload.mask;
        payload.remaining = payload.remaining.saturating_sub(count as u64);
        payload.mask = mask.at(count);
        let (is_whole, fin) = (payload.remaining == 0, payload.fin);
        if is_whole {
            self.position = Position::Between;
        }
        (mask, is_whole && fin)
    }

    /// A piece of the open message is given to the caller. Returns what it is, and whether it is the first.
    #[inline]
    pub(crate) fn given(&mut self, last: bool) -> (Kind, bool) {
        let kind = self.kind();
        let first = matches!(self.message, Some(Message { is_given: false, .. }));
        if let Some(message) = &mut self.message {
            message.is_given = true;
        }
        if last {
            self.message = None;
        }
        (kind, first)
    }

    pub(crate) fn ended(&mut self, ending: Ending) {
        self.position = Position::Ended(ending);
        match &mut self.message {
            // The valid text is still given; nothing after it is taken out of a decompressor.
            Some(message) if matches!(ending, Ending::BrokenText) => message.is_compressed = false,
            _ => self.message = None,
        }
    }
}

// Neither masking keys nor what was received.
impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.position {
            Position::Rest | Position::Between if self.message.is_some() => "between fragments",
            Position::Rest | Position::Between => "between messages",
            Position::Header(_) => "in a header",
            Position::Data(_) => "in a payload",
            Position::Control(..) => "in a control frame",
            Position::Ended(Ending::Closed) => "closed",
            Position::Ended(Ending::BrokenText | Ending::Failed(_)) => "failed",
        })
    }
}
