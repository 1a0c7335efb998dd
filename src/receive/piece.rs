//! What the stages of a receiver hand on: nothing in it is borrowed from the receiver.

use crate::frame::{MaskingKey, Opcode};

/// What was found in the input.
pub(crate) enum Found<'b, P> {
    /// Payload of the open message.
    Payload(P),
    /// A whole control frame, whose payload is `None` if the receiver had to keep it: reads have cut it.
    Control { opcode: Opcode, payload: Option<&'b [u8]> },
}

/// A piece of a message's payload, on its way from the wire to the event. Only the last piece of a message may be
/// empty.
pub(crate) struct Piece<'b> {
    pub(crate) at: At<'b>,
    /// It ends the message.
    pub(crate) last: bool,
}

/// Where a piece is, and what has been done to it.
pub(crate) enum At<'b> {
    /// In the input as it was received: masked, if there is a key.
    Wire(&'b mut [u8], Option<MaskingKey>),
    /// In the decompressor's buffer.
    #[cfg(feature = "deflate")]
    Inflated(core::ops::Range<usize>),
    /// In the input, unmasked and checked.
    Text(&'b str),
    /// A code point that two pieces had cut.
    CodePoint(char),
    /// In the store, with all of the message before it.
    Store,
}

impl At<'_> {
    /// The length in bytes of a piece that has not been checked.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Wire(bytes, _) => bytes.len(),
            #[cfg(feature = "deflate")]
            Self::Inflated(range) => range.len(),
            Self::Text(_) | Self::CodePoint(_) | Self::Store => 0,
        }
    }
}

/// Unmasks payload where it is.
#[inline]
pub(crate) fn unmasked(bytes: &mut [u8], mask: Option<MaskingKey>) -> &[u8] {
    if let Some(key) = mask {
        key.apply(bytes);
    }
    bytes
}
