//! Control frames that are queued later: Pongs beyond a limit, and what must not be put into a frame.

use super::Sender;
use crate::{
    Role, Storage,
    frame::{FirstByte, Opcode},
    storage::{ControlStore, StorageFull},
};

/// The largest number of waiting bytes that are Pongs. Beyond it, only the newest Pong is stored, outside the queue.
const MAX_PONGS: usize = 4096;

impl<R: Role, S: Storage> Sender<R, S> {
    pub(super) fn push_pong(&mut self, payload: &[u8]) {
        let few = self.held.is_none() && usize::from(self.pongs) + Self::MAX_CONTROL_FRAME <= MAX_PONGS;
        if !few || self.is_in_frame() || !self.try_push_pong(payload) {
            // Without memory for its payload this Ping is not answered, and the Pong to an earlier Ping stays. An empty
            // Pong would be wrong: "A Pong frame sent in response to a Ping frame must have identical "Application
            // data"" (RFC 6455 §5.5.3).
            _ = self.hold(Opcode::Pong, payload);
        }
    }

    /// Stores a control frame outside the queue. A Pong is no longer owed when a newer one is.
    pub(super) fn hold(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), StorageFull> {
        let mut stored = S::Control::default();
        stored.append(payload)?;
        self.held = Some((opcode, stored));
        Ok(())
    }

    /// Queues the control frame that is held, if it may be queued now.
    pub(super) fn push_held(&mut self) {
        if self.is_in_frame() {
            return;
        }
        match self.held.take() {
            Some((Opcode::Close, payload)) => self.push_last(payload.bytes()),
            Some((opcode, payload)) if !self.try_push_pong(payload.bytes()) => self.held = Some((opcode, payload)),
            _ => {}
        }
    }

    fn try_push_pong(&mut self, payload: &[u8]) -> bool {
        let len = Self::frame_len(payload.len());
        if self.queue.len() + len > Self::limit(&self.queue) {
            return false;
        }
        let header = self.next_header(FirstByte::last(Opcode::Pong), payload.len());
        let pushed = self.queue.push(&header, payload).is_ok();
        if pushed {
            self.pongs = self.pongs.saturating_add(len as u16);
        }
        pushed
    }

    /// Pending bytes were consumed, which may have been Pongs.
    #[cold]
    pub(super) fn pongs_consumed(&mut self) {
        self.pongs = self.pongs.min(u16::try_from(self.queue.len()).unwrap_or(u16::MAX));
        if self.held.is_some() && self.backlog() <= MAX_PONGS {
            self.push_held();
        }
    }

    /// The length of the frame that is held and waits for the transport; 0 if there is none.
    pub(super) fn held_len(&self) -> usize {
        let held = self.held.as_ref().filter(|_| !self.is_in_frame());
        held.map_or(0, |(_, payload)| Self::frame_len(payload.bytes().len()))
    }
}
