use core::marker::PhantomData;

use super::{
    Failure,
    piece::{Found, unmasked},
    rules::Rules,
    state::{Ending, Payload, Position, State},
};
use crate::{
    Input, Role,
    frame::{Close, MaskingKey, Opcode},
    storage::{ControlStore, StorageFull},
};

/// The first stage: takes the input apart into frames. Headers are judged, control frames made whole; payload is handed
/// on as it was received.
pub(crate) struct Frames<R, C> {
    pub(crate) state: State,
    pub(crate) rules: Rules,
    /// The payload of a control frame that reads have cut.
    control: C,
    #[cfg(any(test, fuzzing))]
    pub(super) takes_the_long_way: bool,
    role: PhantomData<fn() -> R>,
}

impl<R: Role, C: ControlStore> Frames<R, C> {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            state: State::NEW,
            rules,
            control: C::default(),
            #[cfg(any(test, fuzzing))]
            takes_the_long_way: false,
            role: PhantomData,
        }
    }

    /// Goes on to the next payload, or takes the next whole control frame. A message may have `max_message` bytes,
    /// unless it is compressed.
    #[inline]
    pub(super) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        max_message: u64,
    ) -> Result<Option<Found<'b, ()>>, Failure> {
        loop {
            match self.state.position {
                Position::Rest | Position::Between | Position::Header(_) => {
                    if !self.header(input, max_message)? {
                        return Ok(None);
                    }
                }
                // No bytes of a fragment say nothing, but that it ends the message.
                Position::Data(Payload { remaining: 0, fin: false, .. }) => _ = self.state.payload_received(0),
                Position::Data(payload) => {
                    let is_there = !input.remaining().is_empty() || payload.remaining == 0;
                    return Ok(is_there.then_some(Found::Payload(())));
                }
                Position::Control(opcode, payload) => return self.control(input, opcode, payload),
                Position::Ended(Ending::BrokenText) => return Err(Failure::InvalidUtf8),
                Position::Ended(Ending::Closed | Ending::Failed(_)) => {
                    input.discard();
                    return Ok(None);
                }
            }
        }
    }

    /// The payload that was [found](Self::next), at most `most` bytes; its key; and whether it ends the message.
    #[inline]
    pub(super) fn payload<'b>(
        &mut self,
        input: &mut Input<'b>,
        most: usize,
    ) -> (&'b mut [u8], Option<MaskingKey>, bool) {
        // A length beyond `usize` can't be had in one piece anyway.
        let remaining = usize::try_from(self.state.payload_remaining()).unwrap_or(usize::MAX);
        let bytes = input.take(remaining.min(most));
        let (mask, last) = self.state.payload_received(bytes.len());
        (bytes, R::PEER_IS_CLIENT.then_some(mask), last)
    }

    /// Whether the rest of the open message is in the input, or none is open.
    #[inline]
    pub(super) fn has_all(&self, input: &Input<'_>) -> bool {
        self.state.message.is_none() || self.state.message_remaining() <= input.remaining().len()
    }

    /// The next header: from the input if all of it is there, else byte by byte. Returns whether it was whole.
    #[inline]
    pub(super) fn header(&mut self, input: &mut Input<'_>, max_message: u64) -> Result<bool, Failure> {
        loop {
            let so_far = self.state.header_so_far();
            let bytes = if so_far.is_empty() { input.remaining() } else { so_far };
            if let Some((header, used)) = self.rules.header::<R>(bytes, self.state.message.as_ref(), max_message)? {
                if so_far.is_empty() {
                    input.take(used);
                }
                self.state.frame_begun(&header);
                return Ok(true);
            }
            match input.take(1) {
                [byte] => self.state.header_byte(*byte),
                _ => return Ok(false),
            }
        }
    }

    /// The payload of a control frame, or as much of it as there is, which is kept. A Close is judged as it is
    /// received.
    fn control<'b>(
        &mut self,
        input: &mut Input<'b>,
        opcode: Opcode,
        payload: Payload,
    ) -> Result<Option<Found<'b, ()>>, Failure> {
        let bytes = input.take(payload.remaining as usize);
        let (mask, is_whole) = self.state.payload_received(bytes.len());
        let bytes = unmasked(bytes, R::PEER_IS_CLIENT.then_some(mask));
        let in_one_piece = is_whole && self.control.bytes().is_empty();
        if !in_one_piece {
            self.control.append(bytes).map_err(|StorageFull| Failure::OutOfMemory)?;
        }
        let so_far = if in_one_piece { bytes } else { self.control.bytes() };
        match opcode {
            Opcode::Close if is_whole => _ = Close::parse(so_far)?,
            Opcode::Close => Close::parse_prefix(so_far)?,
            _ => {}
        }
        Ok(is_whole.then_some(Found::Control { opcode, payload: in_one_piece.then_some(bytes) }))
    }

    /// The payload of the last control frame, if reads have cut it.
    pub(crate) fn control_payload(&self) -> &[u8] {
        self.control.bytes()
    }

    /// Releases what the last event has lent.
    pub(crate) fn release(&mut self) {
        if !matches!(self.state.position, Position::Control(..)) {
            self.control.clear();
        }
    }

    /// No more will be received, nor the rest of what has begun.
    pub(crate) fn end(&mut self, ending: Ending) {
        self.state.ended(ending);
        if !matches!(ending, Ending::Closed) {
            self.control.clear();
        }
    }
}
