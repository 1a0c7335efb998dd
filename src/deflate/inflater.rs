use alloc::vec::Vec;
use core::{mem, ops::Range};

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Agreement, Deflate, Pool, TAIL, WindowBits};
use crate::Failure;

/// The receiver's side: the payload of compressed messages in, pieces of what they say out.
///
/// A piece is at most [`ROOM`](super::ROOM) bytes, whatever is in the message: a gigabyte of zeros passes through it. Nothing is allocated before
/// the first compressed message, and after each message only what the next one may refer to is kept.
pub(crate) struct Inflater {
    agreement: Agreement,
    pool: &'static Pool,
    /// Of the message that is open; and between messages, when the whole window may be referred to.
    context: Option<Inflate>,
    /// Between messages, the end of what came before, when that is less than a context.
    history: Vec<u8>,
    /// What has come out.
    room: Vec<u8>,
    /// Where in the room the bytes are that have not been handed out.
    ready: Range<usize>,
    /// What the room had no place for, and how much of that has been used.
    input: Vec<u8>,
    used: usize,
    progress: Progress,
    /// Whether the message may end here without a flush: nothing of it was received, or the last of it was a final
    /// block.
    may_end: bool,
    /// How many bytes have come out of it.
    total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    Between,
    /// All that came has come out; more comes.
    Waiting,
    Open,
    /// The message's last byte has come.
    Last,
    /// All has come out, and is in the room.
    Ended,
    /// Behind what is in the room is garbage.
    Wrong,
}

/// What the sender has removed, and behind it an empty block.
///
/// "Block" makes a decompressor stop behind each block. If it does between these two, then a block ends there, or no more than seven
/// bits before, which the [tail](TAIL) has set. With any of them left over, what follows would be a final block, or garbage. So
/// whatever was cut is told from a message that has ended as it should, and the context can go on.
const END: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0xFF];

impl Inflater {
    pub(crate) fn new(agreement: Agreement, wanted: &Deflate) -> Self {
        Self {
            agreement,
            pool: wanted.pool_in_use(),
            context: None,
            history: Vec::new(),
            room: Vec::new(),
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

    /// Goes on with payload of a message, when all before it has been taken. What does not fit into the room is copied, so it had better
    /// be little. A message may have `limit` bytes.
    pub(crate) fn feed(&mut self, payload: &[u8], last: bool, limit: u64) -> Result<(), Failure> {
        if self.progress == Progress::Between {
            self.begin()?;
        }
        self.progress = if last { Progress::Last } else { Progress::Open };
        let used = self.step(payload, limit)?;
        let rest = payload.get(used..).unwrap_or_default();
        self.input.clear();
        self.input.try_reserve(rest.len()).map_err(|_| Failure::OutOfMemory)?;
        self.input.extend_from_slice(rest);
        self.used = 0;
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.room.is_empty() {
            self.room = self.pool.room().ok_or(Failure::OutOfMemory)?;
        }
        self.may_end = true;
        if self.context.is_none() {
            let context = self.context.insert(self.pool.inflate());
            if !self.history.is_empty() {
                context.set_dictionary(&self.history).map_err(|_| Failure::OutOfMemory)?;
            }
        }
        Ok(())
    }

    /// Where the [next piece](Self::piece) is, at most `most` bytes, and whether it is the last of its message; `None` when
    /// more input is needed. A message may have `limit` bytes.
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
            self.used += self.step(input.get(self.used..).unwrap_or_default(), limit)?;
            self.input = input;
        }
    }

    /// Fills the room anew; how much of the input it took. What is wrong behind good bytes has to wait until they are handed out.
    fn step(&mut self, input: &[u8], limit: u64) -> Result<usize, Failure> {
        let Some(context) = &mut self.context else { return Ok(input.len()) };
        let Step { consumed, len, status } = inflate(context, input, &mut self.room, InflateFlush::SyncFlush);
        self.ready = 0..len;
        self.total += len as u64;
        if self.total > limit {
            // Up to the limit it is good.
            let beyond = usize::try_from(self.total - limit).unwrap_or(usize::MAX);
            self.ready.end = len.saturating_sub(beyond);
            return Ok(consumed);
        }
        self.remember(len)?;
        let all_used = consumed == input.len();
        match status {
            // A block may say that it is the last, and another stream may follow in the same message (§7.2.3.4, §7.2.3.5).
            Some(Status::StreamEnd) => {
                // Other bits than zeros behind the block, in its last byte, are no stream. They show only in a message
                // of no bytes: its block ends in zeros, or is stored and ends in 0xFF.
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
        if all_used && len < self.room.len() {
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

    /// The bytes of a piece that was found last.
    pub(crate) fn piece(&self, range: &Range<usize>) -> &[u8] {
        self.room.get(range.clone()).unwrap_or_default()
    }

    /// Keeps the end of what comes out, if the next message needs it and will not have the context.
    fn remember(&mut self, len: usize) -> Result<(), Failure> {
        if !self.keeps_history() {
            return Ok(());
        }
        let piece = self.room.get(..len).unwrap_or_default();
        let window = 1 << self.agreement.receive_window.get();
        let piece = piece.get(piece.len().saturating_sub(window)..).unwrap_or_default();
        let excess = (self.history.len() + piece.len()).saturating_sub(window);
        self.history.drain(..excess.min(self.history.len()));
        let (len, capacity) = (self.history.len() + piece.len(), self.history.capacity());
        if len > capacity {
            // Twice as much each time, but never more than the window.
            let more = len.max(2 * capacity).min(window) - self.history.len();
            self.history.try_reserve_exact(more).map_err(|_| Failure::OutOfMemory)?;
        }
        self.history.extend_from_slice(piece);
        Ok(())
    }

    /// Whether the window is kept between messages instead of a context, whose own is always the largest.
    fn keeps_history(&self) -> bool {
        self.agreement.receive_takeover && self.agreement.receive_window < WindowBits::MAX
    }

    /// Behind the end of a stream is another, which refers to nothing before it.
    fn restart(&mut self) {
        self.history.clear();
        if let Some(context) = &mut self.context {
            context.reset(false);
        }
    }

    /// The message's last byte has been used: whether a message can end there. Leaves the context for the next.
    fn end(&mut self) -> bool {
        let is_whole = self.may_end || self.ends_with_a_flush();
        if is_whole && (!self.agreement.receive_takeover || self.keeps_history()) {
            self.release_context();
        }
        is_whole
    }

    /// Whether a block ends where the message does, when what the sender has removed is put back (§7.2.2).
    fn ends_with_a_flush(&mut self) -> bool {
        let (mut used, mut between_blocks) = (0, false);
        while used < END.len() {
            let Some(context) = &mut self.context else { return false };
            let rest = END.get(used..).unwrap_or_default();
            let flush = if between_blocks { InflateFlush::SyncFlush } else { InflateFlush::Block };
            let Step { consumed, len, status } = inflate(context, rest, &mut [0], flush);
            used += consumed;
            between_blocks |= used == TAIL.len();
            // "an empty DEFLATE block with no compression" (§7.2.1) says nothing.
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

    /// Between messages, lets go of the room for pieces if it is more than `bytes`.
    pub(crate) fn keep(&mut self, bytes: usize) {
        if self.room.capacity() + self.input.capacity() > bytes {
            self.release();
        }
    }

    /// Between messages, lets go of the room for pieces.
    pub(crate) fn release(&mut self) {
        if self.progress == Progress::Between && !self.room.is_empty() {
            self.pool.give_room(mem::take(&mut self.room));
            (self.ready, self.input) = (0..0, Vec::new());
        }
    }

    /// No more will come, nor the rest of what has begun.
    pub(crate) fn drop_rest(&mut self) {
        self.progress = Progress::Between;
        self.release_context();
        self.history = Vec::new();
        self.release();
    }
}

/// What one call of the decompressor has done.
struct Step {
    consumed: usize,
    len: usize,
    /// `None` for garbage.
    status: Option<Status>,
}

fn inflate(context: &mut Inflate, input: &[u8], room: &mut [u8], flush: InflateFlush) -> Step {
    let (before_in, before_out) = (context.total_in(), context.total_out());
    let status = context.decompress(input, room, flush).ok();
    let consumed = (context.total_in() - before_in) as usize;
    Step { consumed, len: (context.total_out() - before_out) as usize, status }
}

impl core::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Inflater({:?}, {:?})", self.agreement, self.progress)
    }
}

const _: () = assert!(mem::size_of::<Inflater>() <= 256);
