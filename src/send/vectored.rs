use core::fmt;
#[cfg(feature = "std")]
use std::io::IoSlice;

use crate::{Role, Storage, frame::EncodedHeader};

use super::Sender;

/// A frame for a vectored write, made by [`Sender::vectored_frame`].
///
/// When it is dropped, the rest that was not [`sent`](Self::sent) is copied into the sender's store and becomes
/// [pending](Sender::pending). So a write that failed with `WouldBlock` loses nothing, and no frame is sent in part. If
/// there is no memory for the copy, the connection fails, and [`Sender::transport`] returns `CloseNow`.
///
/// Do not [`forget`](core::mem::forget) it: if a part of it was written, the stream then has a part of a frame.
#[must_use = "call `sent` with the number of bytes written, or all of it is copied"]
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

    /// Returns the bytes to write, in this order: the pending bytes, the header and the payload. Each may be empty.
    #[inline]
    pub fn parts(&self) -> [&[u8]; 3] {
        [self.sender.pending(), self.header.as_slice(), self.payload]
    }

    /// Returns the [`parts`](Self::parts) for [`Write::write_vectored`](std::io::Write::write_vectored).
    #[cfg(feature = "std")]
    #[inline]
    pub fn slices(&self) -> [IoSlice<'_>; 3] {
        self.parts().map(IoSlice::new)
    }

    /// Says that the transport took the first `count` bytes of the [`parts`](Self::parts). The rest becomes pending.
    ///
    /// If `count` is larger than the number of bytes in the parts, all of them count as sent.
    #[inline]
    pub fn sent(mut self, count: usize) {
        self.written = count;
    }

    /// Makes the rest of the frame pending.
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
        // Usually nothing was pending and the transport took everything, and then there is nothing to do.
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
