use alloc::vec::Vec;
use core::mem;

use zlib_rs::{DeflateFlush, Status};

use super::{Agreement, Config, TAIL, WindowBits, pool::Shape};
use crate::storage::{StorageFull, spare, trim};

/// The compressor of a sender: messages in, their compressed form out.
pub(crate) struct Deflater {
    agreement: Agreement,
    wanted: Config,
    /// Exists while a message is open; and between messages, if they may refer to earlier ones.
    context: Option<zlib_rs::Deflate>,
    packed: Vec<u8>,
    /// The memory, in bytes, that `packed` keeps for the next message.
    keep: usize,
    /// Whether the application wants messages compressed.
    pub(crate) enabled: bool,
}

impl Deflater {
    pub(crate) fn new(agreement: Agreement, wanted: &Config, keep: usize) -> Self {
        Self { agreement, wanted: *wanted, context: None, packed: Vec::new(), keep, enabled: true }
    }

    /// Returns a compressor that belongs to no connection, and does not refer to earlier messages.
    pub(crate) fn alone(wanted: &Config, window: WindowBits) -> Self {
        let agreement =
            Agreement { send_window: window, receive_window: window, send_takeover: false, receive_takeover: false };
        Self::new(agreement, wanted, 0)
    }

    pub(crate) fn wanted(&self) -> &Config {
        &self.wanted
    }

    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Whether a message of this length is compressed.
    pub(crate) fn is_worth_it(&self, len: usize) -> bool {
        self.enabled && len >= self.wanted.threshold
    }

    /// Compresses a message, or its next fragment. `last` ends the message.
    pub(crate) fn compress(&mut self, payload: &[u8], last: bool) -> Result<&[u8], StorageFull> {
        // The usual length of a compressed text. If the result is longer, memory for as many bytes more is added.
        let step = (payload.len() / 3).max(128);
        if self.packed.capacity() < step
            && let Some(larger) = spare::take(step, step)
        {
            spare::give(mem::replace(&mut self.packed, larger));
        }
        self.packed.clear();
        let shape = self.shape();
        let pool = self.wanted.pool_in_use();
        let context = self.context.get_or_insert_with(|| pool.deflate(shape));
        let mut rest = payload;
        loop {
            let start = self.packed.len();
            self.packed.try_reserve(step).map_err(|_| StorageFull)?;
            self.packed.resize(start + step, 0);
            let (before_in, before_out) = (context.total_in(), context.total_out());
            let space = self.packed.get_mut(start..).unwrap_or_default();
            let status = context.compress(rest, space, DeflateFlush::SyncFlush);
            debug_assert!(status.is_ok(), "compression fails only with an invalid configuration");
            let status = status.map_err(|_| StorageFull)?;
            let (consumed, len) = (context.total_in() - before_in, (context.total_out() - before_out) as usize);
            debug_assert!(consumed <= rest.len() as u64, "a compressor consumes only what it is given");
            rest = rest.get(consumed as usize..).unwrap_or_default();
            self.packed.truncate(start + len);
            // A flush is complete if it leaves free space. `BufError` then says that there was nothing to flush.
            if len < step && (rest.is_empty() || status == Status::BufError) {
                break;
            }
        }
        if last {
            match self.packed.strip_suffix(&TAIL).map(<[u8]>::len) {
                Some(len) => self.packed.truncate(len),
                // There was nothing to flush. This is the first byte of an empty block; the receiver adds the rest of
                // it (RFC 7692 §7.2.3.6).
                None => self.packed.push(0x00),
            }
            self.end();
        }
        Ok(&self.packed)
    }

    /// Forgets all earlier messages. The next one must not refer to them, because the peer has not received what was
    /// just compressed, or has received something else.
    pub(crate) fn forget(&mut self) {
        if let Some(context) = &mut self.context {
            context.reset();
        }
    }

    /// The compressed form was sent.
    pub(crate) fn done(&mut self) {
        trim(&mut self.packed, self.keep);
    }

    pub(crate) fn release(&mut self) {
        trim(&mut self.packed, 0);
    }

    fn end(&mut self) {
        if !self.agreement.send_takeover {
            let shape = self.shape();
            if let Some(context) = self.context.take() {
                self.wanted.pool_in_use().give_deflate(shape, context);
            }
        }
    }

    fn shape(&self) -> Shape {
        Shape { window: self.agreement.send_window, level: self.wanted.level, memory_level: self.wanted.memory_level }
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        let shape = self.shape();
        if let Some(context) = self.context.take() {
            self.wanted.pool_in_use().give_deflate(shape, context);
        }
    }
}

impl core::fmt::Debug for Deflater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Deflater({:?})", self.agreement)
    }
}
