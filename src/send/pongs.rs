//! The limit on Pongs that wait for the transport.

use super::Sender;
use crate::{
    Role, Storage,
    frame::{FirstByte, Opcode},
    storage::ControlStore,
};

/// The largest number of waiting bytes that are Pongs. Beyond it, only the newest Pong is stored, outside the queue.
const MAX_PONGS: usize = 4096;

impl<R: Role, S: Storage> Sender<R, S> {
    pub(super) fn push_pong(&mut self, payload: &[u8]) {
        let few = self.newest_pong.is_none() && usize::from(self.pongs) + Self::MAX_CONTROL_FRAME <= MAX_PONGS;
        if !few || !self.try_push_pong(payload) {
            // Without memory for its payload this Ping is not answered, and the Pong to an earlier Ping stays. An empty
            // Pong would be wrong: "A Pong frame sent in response to a Ping frame must have identical "Application
            // data"" (RFC 6455 §5.5.3).
            let mut newest = S::Control::default();
            if newest.append(payload).is_ok() {
                self.newest_pong = Some(newest);
            }
        }
    }

    pub(super) fn push_newest_pong(&mut self) {
        if let Some(payload) = self.newest_pong.take()
            && !self.try_push_pong(payload.bytes())
        {
            self.newest_pong = Some(payload);
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
        if self.newest_pong.is_some() && self.backlog() <= MAX_PONGS {
            self.push_newest_pong();
        }
    }

    /// The length of the frame of the Pong that is stored outside the queue; 0 if there is none.
    pub(super) fn newest_pong_len(&self) -> usize {
        self.newest_pong.as_ref().map_or(0, |payload| Self::frame_len(payload.bytes().len()))
    }
}
