//! Short ways for the commonest cases, which are only there to be fast: frames that are all in the input.
//!
//! Each equals what [`Frames::next`] and the stages after it do in the state that it is for. It asks the rules and has
//! none of its own; where it does not apply, it leaves everything as it was. The test below compares them with the long
//! way, as the fuzz targets of the receiver do.

#[cfg(feature = "deflate")]
use super::inflate::MOST;
use super::{
    Failure, Receiver,
    frames::Frames,
    piece::unmasked,
    state::{Message, Position},
};
#[cfg(feature = "deflate")]
use crate::deflate::RSV1;
use crate::{
    Input, Kind, Role, SHORTCUTS, Storage,
    frame::{FirstByte, Header, MaskingKey, Opcode},
    storage::ControlStore,
};

const TEXT: u8 = FirstByte::last(Opcode::Text).encode();
const BINARY: u8 = FirstByte::last(Opcode::Binary).encode();
const MORE: u8 = FirstByte { fin: false, ..FirstByte::last(Opcode::Continuation) }.encode();
const LAST: u8 = FirstByte::last(Opcode::Continuation).encode();
const PING: u8 = FirstByte::last(Opcode::Ping).encode();
const PONG: u8 = FirstByte::last(Opcode::Pong).encode();

impl<R: Role, C: ControlStore> Frames<R, C> {
    /// Whether this build has them, and no test has turned them off.
    #[inline]
    fn takes_shortcuts(&self) -> bool {
        #[cfg(any(test, fuzzing))]
        if self.takes_the_long_way {
            return false;
        }
        SHORTCUTS
    }

    /// Between two messages: one of a single frame, compressed if its `RSV` bits say so, which must be claimed.
    /// Unmasked.
    #[inline]
    pub(super) fn whole_message<'b, const RSV: u8>(
        &self,
        input: &mut Input<'b>,
        max_message: u64,
    ) -> Option<(Kind, &'b [u8])> {
        let kind = match *input.remaining().first()? ^ RSV {
            BINARY => Kind::Binary,
            TEXT => Kind::Text,
            _ => return None,
        };
        let first = FirstByte { rsv: RSV, ..FirstByte::last(kind.opcode()) };
        let (header, payload) = self.whole_frame(first, None, input, max_message)?;
        Some((kind, unmasked(payload, header.mask)))
    }

    /// Inside a message that is not compressed: what was received of a payload, or a fragment that is all in the input;
    /// its key; and whether it ends the message.
    #[inline]
    fn open_payload<'b>(
        &mut self,
        input: &mut Input<'b>,
        max_message: u64,
    ) -> Option<(&'b mut [u8], Option<MaskingKey>, bool)> {
        match self.state.position {
            Position::Data(_) if !input.remaining().is_empty() => Some(self.payload(input, usize::MAX)),
            Position::Between => {
                let message = self.state.message.as_ref()?;
                let fin = match *input.remaining().first()? {
                    MORE => false,
                    LAST => true,
                    _ => return None,
                };
                let first = FirstByte { fin, ..FirstByte::last(Opcode::Continuation) };
                let (header, payload) = self.whole_frame(first, Some(message), input, max_message)?;
                self.state.fragment_received(header.payload_len);
                Some((payload, header.mask, fin))
            }
            _ => None,
        }
    }

    /// Between two frames, when nothing has to come out of the decompressor: a Ping or Pong, unmasked.
    #[inline]
    pub(super) fn whole_control<'b>(&self, input: &mut Input<'b>) -> Option<(Opcode, &'b [u8])> {
        let opcode = match *input.remaining().first()? {
            PING => Opcode::Ping,
            PONG => Opcode::Pong,
            _ => return None,
        };
        if !self.state.needs_input() || self.state.is_in_frame() {
            return None;
        }
        let (header, payload) = self.whole_frame(FirstByte::last(opcode), None, input, 0)?;
        Some((opcode, unmasked(payload, header.mask)))
    }

    /// A frame with this first byte.
    #[inline]
    fn whole_frame<'b>(
        &self,
        first: FirstByte,
        message: Option<&Message>,
        input: &mut Input<'b>,
        max_message: u64,
    ) -> Option<(Header, &'b mut [u8])> {
        if !self.takes_shortcuts() {
            return None;
        }
        self.rules.first_byte(first, message).ok()?;
        let (payload_len, used) =
            self.rules.payload_len::<R>(first, input.remaining(), message, max_message).ok()??;
        // A decompressor is given little at a time.
        #[cfg(feature = "deflate")]
        if first.rsv != 0 && payload_len > MOST as u64 {
            return None;
        }
        let header_len = used + if R::PEER_IS_CLIENT { 4 } else { 0 };
        let frame = input.take_exactly(header_len.checked_add(usize::try_from(payload_len).ok()?)?)?;
        let (header, payload) = frame.split_at_mut_checked(header_len)?;
        let mask = if R::PEER_IS_CLIENT { Some(MaskingKey(*header.last_chunk()?)) } else { None };
        Some((Header { first, mask, payload_len }, payload))
    }
}

impl<R: Role, S: Storage> Receiver<R, S> {
    /// Between two messages: feeds the decompressor with one of a single frame, if it is short enough to be fed at
    /// once.
    #[cfg(feature = "deflate")]
    #[inline]
    pub(super) fn feed_whole(&mut self, input: &mut Input<'_>, max_message: u64) -> Result<(), Failure> {
        if let Some(inflater) = &mut self.inflater
            && self.frames.state.is_between_messages()
            && let Some((kind, payload)) = self.frames.whole_message::<RSV1>(input, max_message)
        {
            self.frames.state.compressed_received(kind, payload.len() as u64);
            inflater.feed(payload, true, max_message)?;
        }
        Ok(())
    }

    /// Stores what was received of a message that can't be lent from the input and is not compressed. Returns whether
    /// that was the end of it.
    #[inline]
    pub(super) fn store_received(&mut self, input: &mut Input<'_>, max_message: u64) -> Result<bool, Failure> {
        if !self.frames.takes_shortcuts()
            || self.frames.state.is_between_messages() && !self.frames.header(input, max_message)?
        {
            return Ok(false);
        }
        if self.frames.state.is_compressed() || self.assembly.is_empty() && self.frames.has_all(input) {
            return Ok(false);
        }
        let kind = self.frames.state.kind();
        while let Some((bytes, mask, last)) = self.frames.open_payload(input, max_message) {
            let missing = if last { 0 } else { self.frames.state.message_remaining() };
            self.assembly.append_masked(kind, bytes, mask, last, missing)?;
            if last {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(all(test, feature = "std"))]
mod tests;
