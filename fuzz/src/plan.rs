use std::iter;

use arbitrary::Arbitrary;
use websocket_proto::Config;

use crate::naive::Limits;

/// The first bytes of an input: the limits of a receiver, and how the other bytes are cut and read.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Plan {
    max_frame: u8,
    max_message: u8,
    max_fragments: u8,
    keep: u8,
    /// Bit n: whether every eighth call, from the n-th, is `next_chunk` and not `next_message`.
    pub modes: u8,
    /// The lengths of the pieces, repeatedly, less one; 255 is all that is left.
    cuts: [u8; 4],
    /// How many bytes the socket takes after each piece; 255 is all.
    pub writes: u8,
    pub flags: u8,
}

/// How a receiver's input is read.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    /// Each piece in a separate buffer.
    Plain,
    /// To a [`ReadBuffer`](websocket_proto::ReadBuffer) of this size, or to the free space that the receiver offered.
    Buffered { capacity: usize, offered: bool },
}

impl Plan {
    /// Space for a handshake and little more: the size of a fixed store.
    pub const FIXED: usize = 512;

    /// Stores are arrays of [`FIXED`](Self::FIXED) bytes.
    pub fn is_fixed(&self) -> bool {
        self.flags & 1 != 0
    }

    /// `release` is called after every piece.
    pub fn releases(&self) -> bool {
        self.flags & 2 != 0
    }

    pub fn only_messages(&self) -> bool {
        self.modes == 0
    }

    pub fn only_chunks(&self) -> bool {
        self.modes == 0xFF
    }

    /// Whether the n-th call is `next_chunk`.
    pub fn is_chunk(&self, call: usize) -> bool {
        self.modes >> (call % 8) & 1 != 0
    }

    /// How the pieces reach the receiver.
    pub fn reads(&self) -> Reads {
        match self.flags & 4 {
            0 => Reads::Plain,
            _ => Reads::Buffered { capacity: self.capacity(), offered: self.flags & 8 == 0 },
        }
    }

    /// The size of the buffer for reads.
    pub fn capacity(&self) -> usize {
        1 + usize::from(self.cuts[0]) * usize::from(self.cuts[3] % 8)
    }

    pub fn keep(&self) -> usize {
        usize::from(self.keep) * 16
    }

    /// The limits that the receiver must enforce.
    pub fn limits(&self) -> Limits {
        let message = 1 << (self.max_message % 17);
        Limits {
            frame: 1 << (self.max_frame % 17),
            // Whole messages must fit their store, even those that would not need it.
            message: if self.is_fixed() && !self.only_chunks() { message.min(Self::FIXED as u64) } else { message },
            fragments: u32::from(self.max_fragments) + 1,
        }
    }

    /// The same for the library, which finds out the size of a store itself.
    pub fn config(&self) -> Config {
        let limits = self.limits();
        let message = if self.only_messages() { 1 << (self.max_message % 17) } else { limits.message };
        Config::new().max_frame(limits.frame).max_message(message).max_fragments(limits.fragments).keep(self.keep())
    }

    /// `bytes`, cut.
    pub fn pieces<'w>(&self, bytes: &'w [u8]) -> impl Iterator<Item = &'w [u8]> + use<'w> {
        let mut rest = bytes;
        let mut cuts = self.cuts.into_iter().cycle();
        iter::from_fn(move || {
            let most = match cuts.next()? {
                255 => rest.len(),
                cut => usize::from(cut) + 1,
            };
            let (piece, behind) = rest.split_at(most.min(rest.len()));
            rest = behind;
            (!piece.is_empty()).then_some(piece)
        })
    }
}
