use alloc::vec::Vec;
use core::mem;

use zlib_rs::{DeflateFlush, Status};

use super::{Agreement, Deflate, TAIL, WindowBits, pool::Shape};
use crate::storage::{StorageFull, spare, trim};

/// The sender's side: messages in, their compressed form out.
pub(crate) struct Deflater {
    agreement: Agreement,
    wanted: Deflate,
    /// Of the message that is open; and between messages, when they may refer to each other.
    context: Option<zlib_rs::Deflate>,
    packed: Vec<u8>,
    /// How much memory of it may stay for the next message.
    keep: usize,
    /// Whether the application wants messages compressed.
    pub(crate) enabled: bool,
}

impl Deflater {
    pub(crate) fn new(agreement: Agreement, wanted: &Deflate, keep: usize) -> Self {
        Self { agreement, wanted: *wanted, context: None, packed: Vec::new(), keep, enabled: true }
    }

    /// One that belongs to no connection.
    pub(crate) fn alone(wanted: &Deflate, window: WindowBits) -> Self {
        let agreement =
            Agreement { send_window: window, receive_window: window, send_takeover: false, receive_takeover: false };
        Self::new(agreement, wanted, 0)
    }

    pub(crate) fn wanted(&self) -> &Deflate {
        &self.wanted
    }

    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Whether a message of this length is worth it.
    pub(crate) fn is_worth_it(&self, len: usize) -> bool {
        self.enabled && len >= self.wanted.threshold
    }

    /// The compressed form of a message, or of its next fragment.
    pub(crate) fn compress(&mut self, payload: &[u8], last: bool) -> Result<&[u8], StorageFull> {
        // As much as a text usually becomes, then as much again.
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
            let room = self.packed.get_mut(start..).unwrap_or_default();
            let status = context.compress(rest, room, DeflateFlush::SyncFlush).map_err(|_| StorageFull)?;
            let (consumed, len) = (context.total_in() - before_in, (context.total_out() - before_out) as usize);
            rest = rest.get(consumed as usize..).unwrap_or_default();
            self.packed.truncate(start + len);
            // A flush is complete when it leaves room; that nothing was left to flush is no error.
            if len < step && (rest.is_empty() || status == Status::BufError) {
                break;
            }
        }
        if last {
            match self.packed.strip_suffix(&TAIL).map(<[u8]>::len) {
                Some(len) => self.packed.truncate(len),
                // There was nothing to flush: the first byte of an empty block, whose rest is what the receiver adds.
                None => self.packed.push(0x00),
            }
            self.end();
        }
        Ok(&self.packed)
    }

    /// What was just compressed is not sent, or something else was: what follows must not refer to anything before.
    pub(crate) fn forget(&mut self) {
        if let Some(context) = &mut self.context {
            context.reset();
        }
    }

    /// What was packed has been sent.
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
