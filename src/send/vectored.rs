use core::fmt;
#[cfg(feature = "std")]
use std::io::IoSlice;

use crate::{Role, Storage, frame::EncodedHeader};

use super::Sender;

/// A message on its way by a vectored write: made by [`Sender::frame`].
///
/// When it is dropped, what [`sent`](Self::sent) has not accounted for is copied into the sender's store and so
/// [pending](Sender::pending); a write that failed with `WouldBlock` loses nothing, and no frame is ever torn. Should there be no
/// memory for the copy, the connection fails: [`Sender::transport`] says `CloseNow`. (Only [`mem::forget`](core::mem::forget) gets round that,
/// and tears the stream if a part was written.)
#[must_use = "say how much of it was `sent`, or all of it is copied"]
pub struct VectoredFrame<'s, 'm, R: Role, S: Storage> {
    sender: &'s mut Sender<R, S>,
    header: EncodedHeader,
    payload: &'m [u8],
    written: usize,
}

impl<'s, 'm, R: Role, S: Storage> VectoredFrame<'s, 'm, R, S> {
    #[inline]
    pub(crate) fn new(sender: &'s mut Sender<R, S>, header: EncodedHeader, payload: &'m [u8]) -> Self {
        Self { sender, header, payload, written: 0 }
    }

    /// What to write, in this order: what was pending before, the header, the payload. Some may be empty.
    #[inline]
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.sender.pending(), self.header.as_slice(), self.payload]
    }

    /// [`parts`](Self::parts), for [`Write::write_vectored`](std::io::Write::write_vectored).
    #[cfg(feature = "std")]
    #[inline]
    pub fn slices(&self) -> [IoSlice<'_>; 3] {
        self.parts().map(IoSlice::new)
    }

    /// The socket has taken the first `count` bytes of the parts.
    #[inline]
    pub fn sent(mut self, count: usize) {
        self.written = count;
    }

    /// Makes pending what the socket did not take.
    #[inline(never)]
    fn keep_rest(&mut self) {
        let of_pending = self.written.min(self.sender.pending().len());
        let of_header = (self.written - of_pending).min(self.header.as_slice().len());
        let of_payload = self.written - of_pending - of_header;
        let header = self.header.as_slice().get(of_header..).unwrap_or_default();
        let payload = self.payload.get(of_payload..).unwrap_or_default();
        self.sender.frame_sent(of_pending, header, payload);
    }
}

impl<R: Role, S: Storage> Drop for VectoredFrame<'_, '_, R, S> {
    #[inline]
    fn drop(&mut self) {
        // Mostly nothing was pending, and the socket took all.
        if !self.sender.is_empty() || self.written < self.header.as_slice().len() + self.payload.len() {
            self.keep_rest();
        }
    }
}

impl<R: Role + fmt::Debug, S: Storage> fmt::Debug for VectoredFrame<'_, '_, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VectoredFrame({:?} bytes)", self.parts().map(<[u8]>::len))
    }
}
