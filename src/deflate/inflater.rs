use alloc::vec::Vec;
use core::mem;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Agreement, Deflate, Pool, TAIL, WindowBits};
use crate::{Failure, Kind};

/// The receiver's side: the payload of compressed messages in, pieces of what they say out.
///
/// A piece is at most [`ROOM`] bytes, whatever is in the message: a gigabyte of zeros passes through it. Nothing is allocated before
/// the first compressed message, and after each message only what the next one may refer to is kept.
pub(crate) struct Inflater {
    agreement: Agreement,
    pool: &'static Pool,
    /// Of the message that is open; and between messages, when the whole window may be referred to.
    context: Option<Inflate>,
    /// Between messages, the end of what came before, when that is less than a context.
    history: Vec<u8>,
    /// The piece, behind it the input that waits.
    room: Vec<u8>,
    /// What of the input waits, as places in `input`.
    input: Vec<u8>,
    used: usize,
    progress: Progress,
    /// What the open message is.
    kind: Kind,
    /// How many bytes have come out of it.
    total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Progress {
    Between,
    /// More input comes.
    Open,
    /// The message's last byte is in `input`, or was.
    Last,
    /// What the sender removed has been added.
    Tail,
}

/// A piece of a message: the first `len` bytes of [`Inflater::piece`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inflated {
    pub(crate) kind: Kind,
    pub(crate) len: usize,
    pub(crate) last: bool,
}

/// The size of a piece.
const ROOM: usize = 8 << 10;

/// An empty stored block, a final one. Where a message has ended as it should it adds nothing and ends the stream; anywhere else it
/// is garbage.
const PROBE: [u8; 5] = [0x01, 0x00, 0x00, 0xFF, 0xFF];

/// The same for a context that must go on, and so can't be told to end: enough empty blocks to get through the header of any
/// block that was cut.
const LONG_PROBE: [u8; 320] = {
    let mut blocks = [0x00; 320];
    let mut index = 3;
    while index < blocks.len() {
        blocks[index] = 0xFF;
        blocks[index + 1] = 0xFF;
        index += 5;
    }
    blocks
};

impl Inflater {
    pub(crate) fn new(agreement: Agreement, wanted: &Deflate) -> Self {
        Self {
            agreement,
            pool: wanted.pool_in_use(),
            context: None,
            history: Vec::new(),
            room: Vec::new(),
            input: Vec::new(),
            used: 0,
            progress: Progress::Between,
            kind: Kind::Binary,
            total: 0,
        }
    }

    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    /// Adds payload of a message when all before it has been taken. It is copied, so it had better be little.
    pub(crate) fn feed(&mut self, kind: Kind, payload: &[u8], last: bool) -> Result<(), Failure> {
        self.kind = kind;
        if self.progress == Progress::Between {
            self.begin()?;
        }
        self.input.clear();
        self.input.extend_from_slice(payload);
        self.used = 0;
        self.progress = if last { Progress::Last } else { Progress::Open };
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.total = 0;
        self.room.resize(ROOM, 0);
        if self.context.is_none() {
            let context = self.context.insert(self.pool.inflate());
            if !self.history.is_empty() {
                context.set_dictionary(&self.history).map_err(|_| Failure::OutOfMemory)?;
            }
        }
        Ok(())
    }

    /// The next piece, at most `most` bytes; `None` when more input is needed. A message may have `limit` bytes.
    pub(crate) fn next(&mut self, most: usize, limit: u64) -> Result<Option<Inflated>, Failure> {
        while self.progress != Progress::Between {
            let Some(context) = &mut self.context else { break };
            let input = self.input.get(self.used..).unwrap_or_default();
            // A piece never crosses the limit; one byte beyond it is enough to know.
            let allowed = usize::try_from(limit.saturating_sub(self.total)).unwrap_or(usize::MAX).max(1);
            let room = self.room.get_mut(..most.min(ROOM).min(allowed)).unwrap_or_default();
            let (before_in, before_out) = (context.total_in(), context.total_out());
            let status = context.decompress(input, room, InflateFlush::SyncFlush);
            let consumed = (context.total_in() - before_in) as usize;
            let len = (context.total_out() - before_out) as usize;
            let full = len == room.len();
            self.used += consumed;
            self.total += len as u64;
            if self.total > limit {
                return Err(Failure::MessageTooLong { len: self.total, limit });
            }
            self.remember(len)?;
            let status = match status {
                Ok(status) => status,
                Err(_) if len == 0 => return Err(Failure::Inflate),
                // What came before the fault was good; the same input again is at the fault.
                Err(_) => return Ok(Some(Inflated { kind: self.kind, len, last: false })),
            };
            if status == Status::StreamEnd {
                // A block may say that it is the last, and another stream may follow in the same message (§7.2.3.4, §7.2.3.5).
                self.restart()?;
            } else if consumed == 0 && len == 0 && self.used < self.input.len() {
                return Err(Failure::Inflate);
            }
            if self.used == self.input.len() && !full {
                match self.progress {
                    Progress::Last => {
                        self.input.clear();
                        self.input.extend_from_slice(&TAIL);
                        self.used = 0;
                        self.progress = Progress::Tail;
                    }
                    Progress::Tail => {
                        self.end()?;
                        return Ok(Some(Inflated { kind: self.kind, len, last: true }));
                    }
                    Progress::Open if len == 0 => return Ok(None),
                    Progress::Open | Progress::Between => {}
                }
            }
            if len > 0 {
                return Ok(Some(Inflated { kind: self.kind, len, last: false }));
            }
        }
        Ok(None)
    }

    /// The piece that was found last.
    pub(crate) fn piece(&self, len: usize) -> &[u8] {
        self.room.get(..len).unwrap_or_default()
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

    fn restart(&mut self) -> Result<(), Failure> {
        if let Some(context) = &mut self.context {
            context.reset(false);
            if !self.history.is_empty() {
                context.set_dictionary(&self.history).map_err(|_| Failure::OutOfMemory)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.progress = Progress::Between;
        let goes_on = self.agreement.receive_takeover && !self.keeps_history();
        if let Some(context) = &mut self.context {
            let (probe, end) = if goes_on { (&LONG_PROBE[..], Status::Ok) } else { (&PROBE[..], Status::StreamEnd) };
            let (before_in, before_out) = (context.total_in(), context.total_out());
            let mut room = [0; 1];
            let status = context.decompress(probe, &mut room, InflateFlush::SyncFlush).map_err(|_| Failure::Inflate)?;
            let all_used = context.total_in() - before_in == probe.len() as u64;
            if !all_used || context.total_out() != before_out || status != end {
                return Err(Failure::Inflate);
            }
        }
        if !goes_on {
            self.release_context();
        }
        Ok(())
    }

    fn release_context(&mut self) {
        if let Some(context) = self.context.take() {
            self.pool.give_inflate(context);
        }
    }

    /// Between messages, frees the room for pieces if it is more than `bytes`.
    pub(crate) fn keep(&mut self, bytes: usize) {
        if self.room.capacity() + self.input.capacity() > bytes {
            self.release();
        }
    }

    /// Between messages, frees the room for pieces.
    pub(crate) fn release(&mut self) {
        if self.progress == Progress::Between {
            (self.room, self.input) = (Vec::new(), Vec::new());
        }
    }

    /// No more will come.
    pub(crate) fn close(&mut self) {
        self.progress = Progress::Between;
        self.release_context();
        self.history = Vec::new();
        self.release();
    }
}

impl core::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Inflater({:?}, {:?})", self.agreement, self.progress)
    }
}

const _: () = assert!(mem::size_of::<Inflater>() <= 256);
