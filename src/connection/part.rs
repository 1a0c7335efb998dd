//! What a receiver finds on its way from frames to events, before anything of its own is lent.

#[cfg(feature = "deflate")]
use core::ops::Range;

use super::{Kind, frames};
use crate::frame::Opcode;

/// What the frames have brought, decompressed.
pub(crate) enum Found<'b> {
    Data { kind: Kind, payload: Payload<'b>, last: bool, is_ascii: bool },
    Control { opcode: Opcode, payload: Option<&'b [u8]> },
}

/// Where the payload of a message is.
pub(crate) enum Payload<'b> {
    /// In the input.
    Lent(&'b [u8]),
    /// In the inflater's room.
    #[cfg(feature = "deflate")]
    Inflated(Range<usize>),
}

/// What comes next, before anything of the receiver is lent.
pub(crate) enum Next<'b> {
    Part(Part<'b>),
    Control { opcode: Opcode, payload: Option<&'b [u8]> },
}

/// A part of a message. Text has been checked.
pub(crate) enum Part<'b> {
    Text {
        text: &'b str,
        last: bool,
    },
    /// Text that was found to be ASCII while it was unmasked; to be known as a `str` it would have to be checked once more.
    Ascii {
        bytes: &'b [u8],
        last: bool,
    },
    Binary {
        bytes: &'b [u8],
        last: bool,
    },
    #[cfg(feature = "deflate")]
    Inflated {
        kind: Kind,
        piece: Range<usize>,
        last: bool,
    },
    /// The code point that two pieces had cut.
    Joined {
        char: char,
        last: bool,
    },
    /// All that is in the store.
    Stored {
        last: bool,
    },
}

impl Part<'_> {
    /// How many bytes it has; 0 for what is in the store.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text { text, .. } => text.len(),
            Self::Ascii { bytes, .. } | Self::Binary { bytes, .. } => bytes.len(),
            #[cfg(feature = "deflate")]
            Self::Inflated { piece, .. } => piece.len(),
            Self::Joined { char, .. } => char.len_utf8(),
            Self::Stored { .. } => 0,
        }
    }

    pub(crate) fn is_last(&self) -> bool {
        match self {
            Self::Text { last, .. }
            | Self::Ascii { last, .. }
            | Self::Binary { last, .. }
            | Self::Joined { last, .. }
            | Self::Stored { last } => *last,
            #[cfg(feature = "deflate")]
            Self::Inflated { last, .. } => *last,
        }
    }
}

impl<'b> From<frames::Found<'b>> for Found<'b> {
    fn from(found: frames::Found<'b>) -> Self {
        match found {
            frames::Found::Data { kind, bytes, last, is_ascii, .. } => {
                Self::Data { kind, payload: Payload::Lent(bytes), last, is_ascii }
            }
            frames::Found::Control { opcode, payload } => Self::Control { opcode, payload },
        }
    }
}
