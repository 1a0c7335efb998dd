//! Compressed messages (RFC 7692 §7.2.1).

use super::Sender;
use crate::{
    Role, SendError, Storage,
    deflate::{Agreement, Prepared, RSV1, WindowBits, bound},
    frame::{FirstByte, Header, Opcode},
};

/// Compressed messages (RFC 7692).
impl<R: Role, S: Storage> Sender<R, S> {
    /// Returns the agreement with the peer about compression; `None` if compression was not agreed on.
    pub fn compression(&self) -> Option<&Agreement> {
        self.deflater.as_ref().map(|deflater| deflater.agreement())
    }

    /// Turns compression on or off for the messages that begin from now on.
    ///
    /// It is on at the beginning if it was agreed on; otherwise this does nothing. Turn it off for data that is
    /// compressed already, such as pictures.
    pub fn compress(&mut self, enabled: bool) {
        if let Some(deflater) = &mut self.deflater {
            deflater.enabled = enabled;
        }
    }

    /// Sends a message that was prepared for many connections.
    ///
    /// # Errors
    ///
    /// See [`SendError`]. After an error the output is unchanged.
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.may_begin()?;
        let message = prepared.message();
        let first = FirstByte::last(message.kind().opcode());
        let sharing = self.deflater.as_ref().filter(|deflater| {
            deflater.is_worth_it(message.as_bytes().len()) && deflater.agreement().send_window == WindowBits::MAX
        });
        let Some(sharing) = sharing else { return self.push_message(message) };
        let packed = match prepared.packed(sharing.wanted())? {
            Some(packed) => packed,
            None if sharing.wanted().compresses_all() => return self.push_message(message),
            None => return self.push_frame(first, message.as_bytes()),
        };
        self.push_frame(FirstByte { rsv: RSV1, ..first }, packed)?;
        if let Some(deflater) = &mut self.deflater {
            deflater.forget();
        }
        Ok(())
    }

    /// Whether a message whose first frame has this payload is compressed.
    pub(super) fn compresses(&self, payload: &[u8]) -> bool {
        self.deflater.as_ref().is_some_and(|deflater| deflater.is_worth_it(payload.len()))
    }

    #[inline(never)]
    pub(super) fn push_compressed(&mut self, first: FirstByte, payload: &[u8]) -> Result<(), SendError> {
        // A message in one frame is sent uncompressed if compression does not make it shorter, unless all messages must
        // be compressed.
        let compresses_all = self.deflater.as_ref().is_some_and(|deflater| deflater.wanted().compresses_all());
        let must_shrink = first.fin && first.opcode != Opcode::Continuation && !compresses_all;
        let most = if must_shrink { payload.len() as u64 } else { bound(payload.len() as u64) };
        self.admit(usize::try_from(most).unwrap_or(usize::MAX))?;
        let Self { deflater: Some(deflater), role, queue, .. } = self else {
            debug_assert!(false, "messages are compressed only if that was agreed on");
            return Err(SendError::OutOfMemory);
        };
        let rsv = if first.opcode == Opcode::Continuation { 0 } else { RSV1 };
        let mut push = |rsv, payload: &[u8]| {
            let header = Header {
                first: FirstByte { rsv, ..first },
                mask: role.masking_key(),
                payload_len: payload.len() as u64,
            };
            debug_assert!(payload.len() as u64 <= most, "a frame is at most as long as was admitted");
            queue.push(&header, payload)
        };
        let pushed = match deflater.compress(payload, first.fin) {
            Ok(packed) if !must_shrink || packed.len() < payload.len() => push(rsv, packed),
            Ok(_) => {
                deflater.forget();
                push(0, payload)
            }
            Err(full) => Err(full),
        };
        if pushed.is_err() {
            deflater.forget();
        }
        deflater.done();
        Ok(pushed?)
    }
}
