use super::{Failure, state::Message};
use crate::{
    Config, Role,
    frame::{self, CloseError, FirstByte, Header, Opcode},
};

/// Everything that a frame's header can do wrong.
///
/// Each byte is judged by all that is known before the next is looked at. So a violation is the same, and found as
/// early, wherever reads cut the header.
pub(crate) struct Rules {
    max_frame: u64,
    max_fragments: u32,
    /// The RSV bits that an extension has claimed.
    claimed_rsv: u8,
}

impl Rules {
    /// No frame can be longer than the `longest`, unless the configuration says so.
    pub(crate) fn new(config: &Config, claimed_rsv: u8, longest: u64) -> Self {
        Self { max_frame: config.max_frame.unwrap_or(longest), max_fragments: config.max_fragments, claimed_rsv }
    }

    /// The header at the front of `bytes` and its length, when all of it is there. `message` is the open one; a message
    /// may have `max_message` bytes, unless it is compressed.
    #[inline]
    pub(crate) fn header<R: Role>(
        &self,
        bytes: &[u8],
        message: Option<&Message>,
        max_message: u64,
    ) -> Result<Option<(Header, usize)>, Failure> {
        let Some(first) = bytes.first() else { return Ok(None) };
        let first = FirstByte::parse(*first)?;
        self.first_byte(first, message)?;
        let Some((payload_len, used)) = self.payload_len::<R>(first, bytes, message, max_message)? else {
            return Ok(None);
        };
        Ok(Header::with_mask(first, payload_len, used, bytes))
    }

    /// Whether such a frame may come next.
    #[inline]
    pub(crate) fn first_byte(&self, first: FirstByte, message: Option<&Message>) -> Result<(), Failure> {
        // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values" (§5.2)
        let allowed_rsv = match first.opcode {
            // "An endpoint MUST NOT set the 'Per-Message Compressed' bit of control frames and non-first fragments of a
            // data message." (RFC 7692 §6)
            Opcode::Text | Opcode::Binary => self.claimed_rsv,
            _ => 0,
        };
        if first.rsv & !allowed_rsv != 0 {
            return Err(Failure::ReservedBits(first.rsv & !allowed_rsv));
        }
        match (first.opcode, message) {
            (Opcode::Continuation, None) => Err(Failure::NothingToContinue),
            // "the fragments of one message MUST NOT be interleaved between the fragments of another" (§5.4)
            (Opcode::Text | Opcode::Binary, Some(_)) => Err(Failure::MessageInsideMessage),
            (Opcode::Continuation, Some(message)) if message.fragments >= self.max_fragments => {
                Err(Failure::TooManyFragments { limit: self.max_fragments })
            }
            _ => Ok(()),
        }
    }

    /// The length of the payload after this first byte, and how many bytes of the header say so; `None` until these are
    /// received. It also checks that the frame is masked if it must be, and only then.
    #[inline]
    pub(crate) fn payload_len<R: Role>(
        &self,
        first: FirstByte,
        bytes: &[u8],
        message: Option<&Message>,
        max_message: u64,
    ) -> Result<Option<(u64, usize)>, Failure> {
        let Some(second) = bytes.get(1) else { return Ok(None) };
        // "The server MUST close the connection upon receiving a frame that is not masked. [...] A client MUST close a
        // connection if it detects a masked frame." (§5.1)
        match (frame::is_masked(*second), R::PEER_IS_CLIENT) {
            (false, true) => return Err(Failure::Unmasked),
            (true, false) => return Err(Failure::Masked),
            _ => {}
        }
        let Some((payload_len, used)) = frame::payload_len(first, bytes)? else { return Ok(None) };
        match first.opcode {
            Opcode::Close if payload_len == 1 => return Err(CloseError::OneByte.into()),
            Opcode::Close | Opcode::Ping | Opcode::Pong => {}
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                if payload_len > self.max_frame {
                    return Err(Failure::FrameTooLong { len: payload_len, limit: self.max_frame });
                }
                let (before, is_compressed) = match message {
                    Some(message) => (message.len, message.is_compressed),
                    None => (0, first.rsv != 0),
                };
                let len = payload_len.saturating_add(before);
                if !is_compressed && len > max_message {
                    return Err(Failure::MessageTooLong { len, limit: max_message });
                }
            }
        }
        Ok(Some((payload_len, used)))
    }
}
