use alloc::vec::Vec;
use core::{mem, ops::Range};

use zlib_rs::{Inflate, InflateFlush, Status};

#[cfg(doc)]
use super::MAX_PIECE;
use super::{Agreement, Config, Pool, TAIL, WindowBits};
use crate::Failure;

/// The decompressor of a receiver: the payload of compressed messages in, pieces of the decompressed messages out.
///
/// A piece has at most [`MAX_PIECE`] bytes, however long the message is. Nothing is allocated before the first
/// compressed message. After a message, only the memory for bytes that the next message may refer to is kept.
pub(crate) struct Inflater {
    agreement: Agreement,
    pool: &'static Pool,
    /// Exists while a message is open; and between messages, if they may refer to the largest window.
    context: Option<Inflate>,
    /// The last bytes of earlier messages, if the window is smaller than the largest: they take less memory than a
    /// context.
    history: Vec<u8>,
    /// Decompressed bytes. Empty, or [`MAX_PIECE`] long.
    output: Vec<u8>,
    /// The part of the output that was not returned yet.
    ready: Range<usize>,
    /// Payload that could not be decompressed yet because the output was full.
    input: Vec<u8>,
    /// The number of bytes of `input` that were decompressed.
    used: usize,
    progress: Progress,
    /// Whether the message may end here without a flush: either no byte of it was used, or its last block was marked as
    /// final.
    may_end: bool,
    /// The length of the message so far, decompressed.
    total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    /// Between two messages.
    Between,
    /// All payload that was received is decompressed. The message continues.
    Waiting,
    /// Payload is waiting. The message continues after it.
    Open,
    /// Payload is waiting, and ends the message.
    Last,
    /// All of the message is decompressed, and its end is in the output.
    Ended,
    /// The bytes after those in the output are invalid.
    Wrong,
}

/// The bytes that the sender has removed (the [tail](TAIL)), followed by an empty block.
///
/// With [`InflateFlush::Block`] a decompressor stops after each block. If it stops between these two parts, a block
/// ends there, or at most seven bits before. Those bits are the last bits of the tail, which are all 1. If any of
/// them were left over, the next block would be final, or invalid. So a message that was cut is told apart from a
/// message that ended correctly, and the context can be used for the next message.
const END: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0xFF];

impl Inflater {
    pub(crate) fn new(agreement: Agreement, wanted: &Config) -> Self {
        Self {
            agreement,
            pool: wanted.pool_in_use(),
            context: None,
            history: Vec::new(),
            output: Vec::new(),
            ready: 0..0,
            input: Vec::new(),
            used: 0,
            progress: Progress::Between,
            may_end: true,
            total: 0,
        }
    }

    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Decompresses the next payload of a message. All earlier pieces must have been taken. Payload that does not fit
    /// into the output is copied, so it should be short. A message may have `limit` bytes.
    pub(crate) fn feed(&mut self, payload: &[u8], last: bool, limit: u64) -> Result<(), Failure> {
        debug_assert!(
            matches!(self.progress, Progress::Between | Progress::Waiting),
            "all earlier payload is decompressed, and belongs to this message"
        );
        if self.progress == Progress::Between {
            self.begin()?;
        }
        self.progress = if last { Progress::Last } else { Progress::Open };
        let used = self.step(payload, limit)?;
        debug_assert!(used <= payload.len(), "a decompressor consumes only what it is given");
        let rest = payload.get(used..).unwrap_or_default();
        self.input.clear();
        self.input.try_reserve(rest.len()).map_err(|_| Failure::OutOfMemory)?;
        self.input.extend_from_slice(rest);
        self.used = 0;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.output.is_empty() {
            self.output = self.pool.output().ok_or(Failure::OutOfMemory)?;
        }
        self.may_end = true;
        if self.context.is_none() {
            let context = self.context.insert(self.pool.inflate());
            if !self.history.is_empty() {
                let set = context.set_dictionary(&self.history);
                debug_assert!(set.is_ok(), "a new context takes any dictionary");
                set.map_err(|_| Failure::OutOfMemory)?;
            }
        }
        Ok(())
    }

    /// Returns where the next [piece](Self::piece) is, at most `most` bytes, and whether it is the last of its message;
    /// `None` if more payload is needed. A message may have `limit` bytes.
    pub(crate) fn next(&mut self, most: usize, limit: u64) -> Result<Option<(Range<usize>, bool)>, Failure> {
        loop {
            if !self.ready.is_empty() || self.progress == Progress::Ended {
                let end = self.ready.start + self.ready.len().min(most);
                let piece = mem::replace(&mut self.ready.start, end)..end;
                let last = self.progress == Progress::Ended && self.ready.is_empty();
                if last {
                    (self.progress, self.total) = (Progress::Between, 0);
                }
                return Ok(Some((piece, last)));
            }
            if self.total > limit {
                return Err(Failure::MessageTooLong { len: limit.saturating_add(1), limit });
            }
            match self.progress {
                Progress::Between | Progress::Waiting => return Ok(None),
                Progress::Wrong => return Err(Failure::Inflate),
                Progress::Open | Progress::Last | Progress::Ended => {}
            }
            let input = mem::take(&mut self.input);
            debug_assert!(self.used <= input.len(), "a decompressor consumes only what it is given");
            self.used += self.step(input.get(self.used..).unwrap_or_default(), limit)?;
            self.input = input;
        }
    }

    /// Fills the output again. Returns the number of bytes of `input` that were used. If bytes after valid output are
    /// invalid, the failure waits until the output was returned.
    fn step(&mut self, input: &[u8], limit: u64) -> Result<usize, Failure> {
        let Some(context) = &mut self.context else {
            debug_assert!(false, "an open message has a context");
            return Ok(input.len());
        };
        let Step { consumed, len, status } = inflate(context, input, &mut self.output, InflateFlush::SyncFlush);
        self.ready = 0..len;
        self.total += len as u64;
        if self.total > limit {
            // The bytes up to the limit are returned before the failure.
            let beyond = usize::try_from(self.total - limit).unwrap_or(usize::MAX);
            debug_assert!(beyond <= len, "before these bytes the message was within its limit");
            self.ready.end = len.saturating_sub(beyond);
            return Ok(consumed);
        }
        self.remember(len)?;
        let all_used = consumed == input.len();
        match status {
            // A block may be marked as final, and another stream may follow in the same message (RFC 7692 §7.2.3.4,
            // §7.2.3.5).
            Some(Status::StreamEnd) => {
                // The bits after the block, in its last byte, must be zero: other bits are not a stream. Only in an
                // empty message can they be noticed: its block ends in zeros, or it is a stored block and ends in 0xFF.
                let last_byte = input.get(..consumed).and_then(<[u8]>::last);
                self.may_end = self.total > 0 || matches!(last_byte, None | Some(0x00 | 0xFF));
                self.restart();
            }
            Some(_) if consumed > 0 || len > 0 => self.may_end = false,
            Some(_) if all_used => {}
            Some(_) | None => {
                self.progress = Progress::Wrong;
                return Ok(consumed);
            }
        }
        if all_used && len < self.output.len() {
            self.progress = if self.progress != Progress::Last {
                Progress::Waiting
            } else if self.end() {
                Progress::Ended
            } else {
                Progress::Wrong
            };
        }
        Ok(consumed)
    }

    /// Returns the bytes of the piece that [`next`](Self::next) returned last.
    pub(crate) fn piece(&self, range: &Range<usize>) -> &[u8] {
        debug_assert!(range.end <= self.output.len(), "a piece is taken before the output is released");
        self.output.get(range.clone()).unwrap_or_default()
    }

    /// Stores the end of the output, if the next message may refer to it and will not have this context.
    fn remember(&mut self, len: usize) -> Result<(), Failure> {
        if !self.keeps_history() {
            return Ok(());
        }
        debug_assert!(len <= self.output.len(), "a decompressor writes only to the output");
        let piece = self.output.get(..len).unwrap_or_default();
        let window = 1 << self.agreement.receive_window.get();
        let piece = piece.get(piece.len().saturating_sub(window)..).unwrap_or_default();
        let excess = (self.history.len() + piece.len()).saturating_sub(window);
        self.history.drain(..excess.min(self.history.len()));
        let (len, capacity) = (self.history.len() + piece.len(), self.history.capacity());
        if len > capacity {
            // The memory doubles each time, but never exceeds the window.
            let more = len.max(2 * capacity).min(window) - self.history.len();
            self.history.try_reserve_exact(more).map_err(|_| Failure::OutOfMemory)?;
        }
        self.history.extend_from_slice(piece);
        Ok(())
    }

    /// Whether the window is kept between messages, instead of a context, which always has the largest window.
    fn keeps_history(&self) -> bool {
        self.agreement.receive_takeover && self.agreement.receive_window < WindowBits::MAX
    }

    /// A final block has ended the stream. Another stream begins, which refers to nothing before it.
    fn restart(&mut self) {
        self.history.clear();
        if let Some(context) = &mut self.context {
            context.reset(false);
        }
    }

    /// All payload of the message was used. Returns whether a message can end there. Releases the context unless the
    /// next message may refer to it.
    fn end(&mut self) -> bool {
        let is_whole = self.may_end || self.ends_with_a_flush();
        if is_whole && (!self.agreement.receive_takeover || self.keeps_history()) {
            self.release_context();
        }
        is_whole
    }

    /// Whether a block ends at the end of the message, after the bytes that the sender has removed were added again
    /// (RFC 7692 §7.2.2).
    fn ends_with_a_flush(&mut self) -> bool {
        let (mut used, mut between_blocks) = (0, false);
        while used < END.len() {
            let Some(context) = &mut self.context else { return false };
            let rest = END.get(used..).unwrap_or_default();
            let flush = if between_blocks { InflateFlush::SyncFlush } else { InflateFlush::Block };
            let Step { consumed, len, status } = inflate(context, rest, &mut [0], flush);
            used += consumed;
            between_blocks |= used == TAIL.len();
            // "an empty DEFLATE block with no compression" (RFC 7692 §7.2.1) has no output.
            match status {
                Some(Status::StreamEnd) if len == 0 && used <= TAIL.len() => self.restart(),
                Some(_) if len == 0 && consumed > 0 => {}
                _ => return false,
            }
        }
        between_blocks
    }

    fn release_context(&mut self) {
        if let Some(context) = self.context.take() {
            self.pool.give_inflate(context);
        }
    }

    /// Between messages, [releases](Self::release) memory of more than `bytes` bytes.
    pub(crate) fn keep(&mut self, bytes: usize) {
        if self.output.capacity() + self.input.capacity() > bytes {
            self.release();
        }
    }

    /// Between messages, releases the memory for output and input.
    pub(crate) fn release(&mut self) {
        if self.progress == Progress::Between && !self.output.is_empty() {
            self.pool.give_output(mem::take(&mut self.output));
            (self.ready, self.input) = (0..0, Vec::new());
        }
    }

    /// Drops the open message. No other will follow.
    pub(crate) fn drop_rest(&mut self) {
        self.progress = Progress::Between;
        self.release_context();
        self.history = Vec::new();
        self.release();
    }
}

/// The result of one call of the decompressor.
struct Step {
    /// The number of input bytes that were used.
    consumed: usize,
    /// The number of output bytes that were written.
    len: usize,
    /// `None` if the input is invalid.
    status: Option<Status>,
}

fn inflate(context: &mut Inflate, input: &[u8], output: &mut [u8], flush: InflateFlush) -> Step {
    let (before_in, before_out) = (context.total_in(), context.total_out());
    let status = context.decompress(input, output, flush).ok();
    let consumed = (context.total_in() - before_in) as usize;
    Step { consumed, len: (context.total_out() - before_out) as usize, status }
}

impl core::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Inflater({:?}, {:?})", self.agreement, self.progress)
    }
}

const _: () = assert!(mem::size_of::<Inflater>() <= 256);
