use core::fmt;

use super::{StorageFull, copy};
use crate::frame::MAX_CONTROL_PAYLOAD;

/// A store for the payload of one control frame, at most 125 bytes. It is needed rarely: when reads cut the frame, or
/// when a Pong has to wait.
pub(crate) trait ControlStore: Default {
    fn bytes(&self) -> &[u8];

    /// Adds all of `bytes`, or nothing.
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull>;

    fn clear(&mut self);
}

/// A store without an allocator, as large as the largest payload.
#[derive(Clone, Copy)]
pub(crate) struct ControlPayload {
    bytes: [u8; MAX_CONTROL_PAYLOAD],
    len: u8,
}

impl Default for ControlPayload {
    fn default() -> Self {
        Self { bytes: [0; MAX_CONTROL_PAYLOAD], len: 0 }
    }
}

impl ControlStore for ControlPayload {
    fn bytes(&self) -> &[u8] {
        debug_assert!(usize::from(self.len) <= MAX_CONTROL_PAYLOAD, "a payload is never longer than its store");
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageFull> {
        let free = self.bytes.get_mut(usize::from(self.len)..).unwrap_or_default();
        copy(bytes, free).ok_or(StorageFull)?;
        self.len += bytes.len() as u8;
        Ok(())
    }

    fn clear(&mut self) {
        self.len = 0;
    }
}

impl fmt::Debug for ControlPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().fmt(f)
    }
}
