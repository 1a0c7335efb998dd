//! The second stage: compressed messages are decompressed (RFC 7692 §7.2.2), everything else passes.

#[cfg(feature = "deflate")]
use core::ops::Range;

#[cfg(feature = "deflate")]
use super::piece::unmasked;
use super::{
    Failure, Receiver,
    piece::{At, Found, Piece},
};
use crate::{Input, Role, Storage};
#[cfg(feature = "deflate")]
use crate::{boxed::Boxed, deflate::Inflater};

/// A decompressor copies what it has no place for, so it is given this many bytes at a time.
#[cfg(feature = "deflate")]
pub(super) const MOST: usize = if cfg!(fuzzing) { 32 } else { 2 << 10 };

#[cfg(feature = "deflate")]
impl<R: Role, S: Storage> Receiver<R, S> {
    /// The next piece, at most `most` bytes, or the next whole control frame. A message may have `max_message` bytes.
    #[inline]
    pub(super) fn next_piece<'b>(
        &mut self,
        input: &mut Input<'b>,
        most: usize,
        max_message: u64,
    ) -> Result<Option<Found<'b, Piece<'b>>>, Failure> {
        loop {
            if self.frames.state.is_compressed()
                && let Some(inflater) = &mut self.inflater
                && let Some((range, last)) = inflater.next(most, max_message)?
            {
                return Ok(Some(Found::Payload(Piece { at: At::Inflated(range), last })));
            }
            match self.frames.next(input, max_message)? {
                Some(Found::Payload(())) => {}
                Some(Found::Control { opcode, payload }) => return Ok(Some(Found::Control { opcode, payload })),
                None => return Ok(None),
            }
            match &mut self.inflater {
                Some(inflater) if self.frames.state.is_compressed() => {
                    let (bytes, mask, last) = self.frames.payload(input, MOST);
                    inflater.feed(unmasked(bytes, mask), last, max_message)?;
                }
                _ => {
                    let (bytes, mask, last) = self.frames.payload(input, most);
                    return Ok(Some(Found::Payload(Piece { at: At::Wire(bytes, mask), last })));
                }
            }
        }
    }
}

/// The bytes of a piece.
#[cfg(feature = "deflate")]
#[inline]
pub(super) fn inflated<'a>(inflater: &'a Option<Boxed<Inflater>>, range: &Range<usize>) -> &'a [u8] {
    debug_assert!(inflater.is_some(), "what was decompressed has come out of a decompressor");
    inflater.as_ref().map_or(&[], |inflater| inflater.piece(range))
}

/// Without the feature no message is compressed.
#[cfg(not(feature = "deflate"))]
impl<R: Role, S: Storage> Receiver<R, S> {
    #[inline]
    pub(super) fn next_piece<'b>(
        &mut self,
        input: &mut Input<'b>,
        most: usize,
        max_message: u64,
    ) -> Result<Option<Found<'b, Piece<'b>>>, Failure> {
        Ok(match self.frames.next(input, max_message)? {
            Some(Found::Payload(())) => {
                let (bytes, mask, last) = self.frames.payload(input, most);
                Some(Found::Payload(Piece { at: At::Wire(bytes, mask), last }))
            }
            Some(Found::Control { opcode, payload }) => Some(Found::Control { opcode, payload }),
            None => None,
        })
    }
}
