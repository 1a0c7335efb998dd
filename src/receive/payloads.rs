//! The payloads of frames as they were before an extension changed them.

#[cfg(not(feature = "deflate"))]
pub(crate) use super::no_inflater::{Inflated, Piece};
#[cfg(not(feature = "deflate"))]
use super::no_inflater::{Inflater, RSV1};
use super::{
    Failure, Kind,
    frames::{Data, Frames, MOST_OF_EXTENSION, Next, Wanted},
};
#[cfg(feature = "deflate")]
use crate::boxed::Boxed;
#[cfg(feature = "deflate")]
use crate::deflate::{self, Agreement, Inflater, RSV1};
#[cfg(feature = "deflate")]
pub(crate) use crate::deflate::{Inflated, Piece};
use crate::{Config, Input, Role, storage::ControlStore};

/// What the frames bring, decompressed where that was agreed on.
pub(crate) struct Payloads<R, C> {
    pub(crate) frames: Frames<R, C>,
    #[cfg(feature = "deflate")]
    inflater: Option<Boxed<Inflater>>,
    #[cfg(not(feature = "deflate"))]
    inflater: Option<Inflater>,
}

/// Payload of a message: never none, unless it is the last.
pub(crate) struct Payload<'b> {
    pub(crate) kind: Kind,
    pub(crate) bytes: Source<'b>,
    pub(crate) last: bool,
    /// It is text, and was seen to be ASCII.
    pub(crate) is_ascii: bool,
}

/// Where it lies.
pub(crate) enum Source<'b> {
    Input(&'b [u8]),
    /// In the inflater's room.
    Inflated(Piece),
}

impl<'b> From<Data<'b>> for Payload<'b> {
    fn from(Data { kind, bytes, last, is_ascii, .. }: Data<'b>) -> Self {
        Self { kind, bytes: Source::Input(bytes), last, is_ascii }
    }
}

impl<R: Role, C: ControlStore> Payloads<R, C> {
    #[inline]
    #[cfg(feature = "deflate")]
    pub(crate) fn new(config: &Config, inflater: Option<Boxed<Inflater>>) -> Self {
        let (claimed_rsv, longest) =
            if inflater.is_some() { (RSV1, deflate::bound(config.max_message)) } else { (0, u64::MAX) };
        Self { frames: Frames::new(config, claimed_rsv, longest), inflater }
    }

    #[cfg(not(feature = "deflate"))]
    pub(crate) fn new(config: &Config) -> Self {
        Self { frames: Frames::new(config, 0, u64::MAX), inflater: None }
    }

    #[cfg(feature = "deflate")]
    pub(crate) fn compression(&self) -> Option<&Agreement> {
        self.inflater.as_ref().map(|inflater| inflater.agreement())
    }

    /// Goes on to the next payload, as it is wanted, or the next whole control frame. A message may have `max_message` bytes.
    #[inline]
    pub(crate) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        max_message: u64,
        wanted: Wanted,
    ) -> Result<Option<Next<'b, Payload<'b>>>, Failure> {
        loop {
            if let Some(inflater) = &mut self.inflater
                && let Some(Inflated { kind, piece, last }) = inflater.next(wanted.most.bytes(false), max_message)?
            {
                let bytes = Source::Inflated(piece);
                return Ok(Some(Next::Data(Payload { kind, bytes, last, is_ascii: false })));
            }
            match (self.frames.next(input, max_message, wanted)?, &mut self.inflater) {
                (Some(Next::Data(Data { kind, rsv: RSV1, bytes, last, .. })), Some(inflater)) => {
                    inflater.feed(kind, bytes, last, max_message)?;
                }
                (next, _) => return Ok(next.map(Next::convert)),
            }
        }
    }

    /// A short compressed message that lies whole in the input, in one frame, when none is open. If not all of what it says comes out at once,
    /// it is all the same taken from the input, and comes out piece by piece.
    #[inline]
    pub(crate) fn whole_inflated(
        &mut self,
        input: &mut Input<'_>,
        max_message: u64,
    ) -> Result<Option<Inflated>, Failure> {
        let Some(inflater) = &mut self.inflater else { return Ok(None) };
        if inflater.is_inside_message() || !self.frames.is_between_messages() {
            return Ok(None);
        }
        let Some((kind, payload)) = self.frames.whole_message::<RSV1>(input, MOST_OF_EXTENSION) else {
            return Ok(None);
        };
        inflater.feed(kind, payload, true, max_message)?;
        if inflater.is_whole() { inflater.next(usize::MAX, max_message) } else { Ok(None) }
    }

    /// The bytes of a piece that was found last.
    #[inline]
    pub(crate) fn inflated(&self, piece: &Piece) -> &[u8] {
        self.inflater.as_ref().map_or(&[], |inflater| inflater.piece(piece))
    }

    /// Whether a compressed message has begun, and its last byte has not come out.
    #[inline]
    pub(crate) fn is_inflating(&self) -> bool {
        self.inflater.as_ref().is_some_and(|inflater| inflater.is_inside_message())
    }

    /// Lets go of what an inflater holds for the next message, if it is more than `keep` bytes.
    #[inline]
    pub(crate) fn keep(&mut self, keep: usize) {
        if let Some(inflater) = &mut self.inflater {
            inflater.keep(keep);
        }
    }

    /// Lets go of it.
    pub(crate) fn release(&mut self) {
        if let Some(inflater) = &mut self.inflater {
            inflater.release();
        }
    }

    /// Nothing more will come out of an inflater.
    pub(crate) fn drop_inflated(&mut self) {
        if let Some(inflater) = &mut self.inflater {
            inflater.drop_rest();
        }
    }
}
