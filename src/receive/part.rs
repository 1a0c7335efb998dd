//! What a receiver finds on its way from frames to events, before anything of its own is lent.

use super::{Kind, payloads::Piece};

/// A part of a message.
pub(crate) struct Part<'b> {
    pub(crate) content: Content<'b>,
    /// It ends the message.
    pub(crate) last: bool,
}

/// Text has been checked.
pub(crate) enum Content<'b> {
    Text(&'b str),
    /// Text that was found to be ASCII while it was unmasked; to be known as a `str` it would have to be checked once more.
    Ascii(&'b [u8]),
    Binary(&'b [u8]),
    Inflated(Kind, Piece),
    /// The code point that two pieces had cut.
    Joined(char),
    /// All that is in the store.
    Stored,
}

impl Part<'_> {
    pub(crate) const fn stored(last: bool) -> Self {
        Self { content: Content::Stored, last }
    }
}

impl Content<'_> {
    /// How many bytes it has; 0 for what is in the store.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Ascii(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Inflated(_, piece) => piece.len(),
            Self::Joined(char) => char.len_utf8(),
            Self::Stored => 0,
        }
    }
}
