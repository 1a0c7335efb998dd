//! Reads straight into the store, for the rest of a long message.

use super::{
    Failure, Receiver,
    state::{Ending, Payload, Position},
};
use crate::{Input, Kind, Role, SHORTCUTS, Storage};

/// To copy less than this takes less time than a read of its own.
const LEAST: usize = if cfg!(fuzzing) { 8 } else { 8 << 10 };

impl<R: Role, S: Storage> Receiver<R, S> {
    /// Where the next bytes of a long message belong, if that is space for `least` bytes.
    pub(crate) fn space_for_read(&mut self, least: usize) -> Option<&mut [u8]> {
        let state = &self.frames.state;
        let Position::Data(Payload { remaining, .. }) = state.position else { return None };
        if state.is_compressed() || !SHORTCUTS && state.kind() == Kind::Text {
            return None;
        }
        let most = usize::try_from(remaining).unwrap_or(usize::MAX);
        if most < least.max(LEAST) {
            return None;
        }
        self.assembly.lend_to_read(least, most, state.message_remaining())
    }

    /// Takes what was read into the store. Returns whether it is the last of the message.
    #[inline]
    pub(super) fn take_direct(&mut self, input: &mut Input<'_>) -> Result<bool, Failure> {
        let count = input.take_in_store();
        if count == 0 || self.frames.state.is_ended() { Ok(false) } else { self.fill(count) }
    }

    fn fill(&mut self, count: usize) -> Result<bool, Failure> {
        let state = &mut self.frames.state;
        let Position::Data(Payload { remaining, .. }) = state.position else { return Err(Failure::ForeignInput) };
        // More than was lent can't have been read: that would be the caller's mistake, too.
        let most = usize::try_from(remaining).unwrap_or(usize::MAX).min(count);
        let Some(count) = self.assembly.take_back(most) else { return Err(Failure::ForeignInput) };
        let kind = state.kind();
        let (mask, last) = state.payload_received(count);
        let mask = R::PEER_IS_CLIENT.then_some(mask);
        if self.assembly.fill(kind, count, mask, last).is_err() {
            self.frames.end(Ending::BrokenText);
            return Ok(false);
        }
        Ok(last)
    }
}
