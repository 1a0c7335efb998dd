//! The third stage: text is checked, in pieces cut anywhere, and fails at its first wrong byte.

#[cfg(feature = "deflate")]
use super::inflate::inflated;
use super::{
    Failure, Receiver,
    piece::{At, Found, Piece, unmasked},
    state::Ending,
};
use crate::{
    Input, Kind, Role, Storage,
    text::{self, Checked},
};

impl<R: Role, S: Storage> Receiver<R, S> {
    /// The next chunk; first of all, what `next_message` has stored of a message whose rest is now asked for in chunks.
    pub(super) fn next_checked<'b>(&mut self, input: &mut Input<'b>) -> Result<Option<Found<'b, Piece<'b>>>, Failure> {
        let last = self.take_direct(input)?;
        if !self.assembly.is_empty() {
            return Ok(Some(Found::Payload(Piece { at: At::Store, last })));
        }
        loop {
            // To complete a code point, no more than its missing bytes.
            let most = match self.assembly.text.missing() {
                0 => usize::MAX,
                missing => missing,
            };
            match self.next_piece(input, most, self.max_message)? {
                Some(Found::Payload(piece)) => {
                    if let Some(piece) = self.check(piece)? {
                        return Ok(Some(Found::Payload(piece)));
                    }
                }
                other => return Ok(other),
            }
        }
    }

    /// Checks a piece if it is text. `None` if it only began a code point. Before a wrong byte, the valid text is given
    /// as it would have been at the end of a read, and the failure comes next.
    pub(super) fn check<'b>(&mut self, Piece { at, last }: Piece<'b>) -> Result<Option<Piece<'b>>, Failure> {
        let is_text = self.frames.state.kind() == Kind::Text;
        let (at, is_broken) = match at {
            At::Wire(bytes, mask) if is_text => match self.assembly.text.next(unmasked(bytes, mask), last)? {
                Checked::Nothing => return Ok(None),
                Checked::CodePoint(char) => (At::CodePoint(char), false),
                Checked::Text(text) => (At::Text(text), false),
                Checked::Broken(text) => (At::Text(text), true),
            },
            #[cfg(feature = "deflate")]
            At::Inflated(range) if is_text => match self.assembly.text.next(inflated(&self.inflater, &range), last)? {
                Checked::Nothing => return Ok(None),
                Checked::CodePoint(char) => (At::CodePoint(char), false),
                Checked::Text(text) => (At::Inflated(range.start..range.start + text.len()), false),
                Checked::Broken(text) => (At::Inflated(range.start..range.start + text.len()), true),
            },
            at => (at, false),
        };
        if is_broken {
            self.frames.end(Ending::BrokenText);
        }
        Ok(Some(Piece { at, last: last && !is_broken }))
    }

    /// Checks a message that is all in one piece, if it is text.
    pub(super) fn check_whole<'b>(&self, Piece { at, last }: Piece<'b>) -> Result<Piece<'b>, Failure> {
        let is_text = self.frames.state.kind() == Kind::Text;
        let at = match at {
            At::Wire(bytes, mask) if is_text => At::Text(text::whole(unmasked(bytes, mask))?),
            #[cfg(feature = "deflate")]
            At::Inflated(range) if is_text => {
                text::whole(inflated(&self.inflater, &range))?;
                At::Inflated(range)
            }
            at => at,
        };
        Ok(Piece { at, last })
    }
}
