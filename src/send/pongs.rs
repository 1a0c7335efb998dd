//! How many Pongs may wait for the socket.

use super::Sender;
use crate::{
    Role, Storage,
    frame::{FirstByte, Opcode},
    storage::ControlStore,
};

/// How many bytes of Pongs may wait for the socket. Beyond it only the newest is kept, in a place of its own.
const MAX_PONGS: usize = 4096;

impl<R: Role, S: Storage> Sender<R, S> {
    pub(super) fn push_pong(&mut self, payload: &[u8]) {
        let few = self.newest_pong.is_none() && usize::from(self.pongs) + Self::MAX_CONTROL_FRAME <= MAX_PONGS;
        if !few || !self.try_push_pong(payload) {
            // Without memory for it this Ping is not answered, and a Pong that waits for an earlier one stays. An empty
            // one would be wrong: "A Pong frame sent in response to a Ping frame must have identical "Application
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
        if self.out.len() + len > Self::limit(&self.out) {
            return false;
        }
        let header = self.next_header(FirstByte::last(Opcode::Pong), payload.len());
        let pushed = self.out.push(&header, payload).is_ok();
        if pushed {
            self.pongs = self.pongs.saturating_add(len as u16);
        }
        pushed
    }

    /// Some of what was pending has been written, and a Pong or several may have been in it.
    #[cold]
    pub(super) fn pongs_consumed(&mut self) {
        self.pongs = self.pongs.min(u16::try_from(self.out.len()).unwrap_or(u16::MAX));
        if self.newest_pong.is_some() && self.backlog() <= MAX_PONGS {
            self.push_newest_pong();
        }
    }

    /// The size of the Pong that waits apart.
    pub(super) fn newest_pong_len(&self) -> usize {
        self.newest_pong.as_ref().map_or(0, |payload| Self::frame_len(payload.bytes().len()))
    }
}
