use core::{fmt, mem};

use super::parse::{FirstLine, HeaderLine};
use crate::{Config, Input, SHORTCUTS, Storage};

/// The head of an HTTP/1.1 message, collected from reads of any size: the first line, the headers, the empty line.
///
/// The first line is checked byte by byte, and each header when its line is complete, so that bytes that cannot become
/// a head fail without waiting for more. Every byte is read a fixed number of times: the cost is linear, wherever the
/// reads cut the head.
pub(crate) struct Head<S, L> {
    store: S,
    first_line: L,
    /// How many bytes of the line that is being collected were received.
    line: usize,
    /// How many complete lines are before it.
    lines: usize,
    /// How many bytes were received, with those that were dropped.
    seen: usize,
    max_size: usize,
    max_headers: usize,
    progress: Progress,
}

// Without the bytes: there may be credentials in them.
impl<S, L> fmt::Debug for Head<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({} bytes, {:?})", self.seen, self.progress)
    }
}

#[derive(Clone, Copy, Debug)]
enum Progress {
    Collecting,
    Whole,
    Failed(HeadError),
}

impl<S: Storage, L: FirstLine> Head<S, L> {
    #[inline]
    pub(crate) fn new(config: &Config, mut store: S) -> Self {
        store.clear(usize::MAX);
        Self {
            first_line: L::default(),
            line: 0,
            lines: 0,
            seen: 0,
            max_size: config.max_head,
            max_headers: config.max_headers,
            progress: Progress::Collecting,
            store,
        }
    }

    /// Uses the bytes of the head, and not one more; `true` if the head is whole, or can't become valid.
    pub(crate) fn read(&mut self, input: &mut Input<'_>) -> bool {
        let is_new = matches!(self.progress, Progress::Collecting) && self.seen == 0;
        if is_new && self.read_whole(input) {
            return true;
        }
        while matches!(self.progress, Progress::Collecting) && !input.remaining().is_empty() {
            if let Err(error) = self.read_line(input) {
                self.progress = Progress::Failed(error);
            }
        }
        !matches!(self.progress, Progress::Collecting)
    }

    /// Uses the input if it is a head and nothing else, and each line of it ends with CRLF: most heads arrive like
    /// that.
    fn read_whole(&mut self, input: &mut Input<'_>) -> bool {
        let len = input.remaining().len();
        if !SHORTCUTS || len > self.max_size {
            return false;
        }
        let is_whole = count_lines(input.remaining()).is_some_and(|lines| lines <= self.max_headers.saturating_add(1))
            && self.store.append(input.remaining()).is_ok();
        if is_whole {
            self.progress = match L::check_whole(input.remaining()) {
                Ok(()) => Progress::Whole,
                Err(error) => Progress::Failed(error),
            };
            input.take(len);
            self.seen = len;
        }
        is_whole
    }

    /// Collects up to the end of a line, or of the input.
    fn read_line(&mut self, input: &mut Input<'_>) -> Result<(), HeadError> {
        let rest = input.remaining();
        let len = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
        let (room, too_large) = room(&self.store, self.seen, self.max_size);
        let piece = input.take(len.min(room));
        let (text, ends) = match &*piece {
            [text @ .., b'\n'] => (text, true),
            text => (text, false),
        };
        if self.lines == 0 {
            text.iter().try_for_each(|byte| self.first_line.next(*byte))?;
        }
        if len > room {
            return Err(too_large);
        }
        self.store.append(piece).map_err(|_| HeadError::OutOfMemory)?;
        (self.line, self.seen) = (self.line + len, self.seen + len);
        if ends { self.end_line() } else { Ok(()) }
    }

    /// Checks the line that is complete now.
    fn end_line(&mut self) -> Result<(), HeadError> {
        let start = self.store.bytes().len() - mem::take(&mut self.line);
        let line = self.store.bytes().get(start..).unwrap_or_default();
        // A parser that accepts LF as the end of a line and one that doesn't would see two different messages.
        let [text @ .., b'\r', b'\n'] = line else { return Err(MalformedHead::LineEnding.into()) };
        match (text.is_empty(), self.lines) {
            // "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the request-line"
            // (RFC 9112 §2.2)
            (true, 0) => {
                self.restart();
                return Ok(());
            }
            (true, _) => self.progress = Progress::Whole,
            (false, 0) => L::check(line)?,
            (false, headers) if headers > self.max_headers => {
                return Err(HeadError::TooManyHeaders { limit: self.max_headers });
            }
            (false, _) => HeaderLine::check(line)?,
        }
        self.lines += 1;
        Ok(())
    }

    /// Drops the head that was read, and collects the next one. Together they have the size that is limited.
    pub(crate) fn restart(&mut self) {
        self.store.clear(usize::MAX);
        (self.first_line, self.line, self.lines) = (L::default(), 0, 0);
        self.progress = Progress::Collecting;
    }

    /// The store with the head, if it is whole.
    #[inline]
    pub(crate) fn into_store(self) -> Result<S, HeadError> {
        match self.progress {
            Progress::Whole => Ok(self.store),
            Progress::Collecting => Err(HeadError::Incomplete { seen: self.seen }),
            Progress::Failed(error) => Err(error),
        }
    }

    /// The bytes of the head, if it is whole.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        matches!(self.progress, Progress::Whole).then(|| self.store.bytes())
    }
}

/// How many bytes a head that has `seen` this many can still have, and the error for one more. Bytes that were dropped
/// count against the limit, but need no space in the store.
pub(crate) fn room<S: Storage>(store: &S, seen: usize, limit: usize) -> (usize, HeadError) {
    let capacity = store.capacity();
    let (allowed, free) = (limit.saturating_sub(seen), capacity.saturating_sub(store.bytes().len()));
    if allowed <= free {
        (allowed, HeadError::TooLarge { limit })
    } else {
        (free, HeadError::StoreTooSmall { capacity })
    }
}

/// How many lines are before the empty one, if each ends with CRLF, and if the only empty line is the last one.
fn count_lines(head: &[u8]) -> Option<usize> {
    // A block has at most 170 lines that are not empty, which a byte can count.
    const BLOCK: usize = 512;
    let lines = head.strip_suffix(b"\r\n").filter(|lines| lines.ends_with(b"\r\n"))?;
    if let [b'\n', ..] | [_, b'\n', ..] = lines {
        return None;
    }
    let (ends, crs) = (lines.get(2..)?, lines.get(1..)?);
    let (ends, end) = ends.as_chunks::<BLOCK>();
    let (crs, cr) = crs.get(..lines.len() - 2)?.as_chunks::<BLOCK>();
    let (befores, before) = lines.get(..lines.len() - 2)?.as_chunks::<BLOCK>();
    let mut count = count_ends(before, cr, end)?;
    for ((befores, crs), ends) in befores.iter().zip(crs).zip(ends) {
        count += count_ends(befores, crs, ends)?;
    }
    Some(count)
}

/// How many lines end in a block of bytes, given the two bytes before each; `None` if a line ends without CR, or is
/// empty.
// The compiler makes vectors of comparisons that depend on nothing but three bytes.
#[inline]
fn count_ends(befores: &[u8], crs: &[u8], ends: &[u8]) -> Option<usize> {
    let (mut ended, mut wrong) = (0_u8, 0_u8);
    for ((before, cr), end) in befores.iter().zip(crs).zip(ends) {
        let ends = u8::from(*end == b'\n');
        // If there are more than a byte can count, some lines are empty, which is wrong anyway.
        ended = ended.wrapping_add(ends);
        wrong |= ends & (u8::from(*cr != b'\r') | u8::from(*before == b'\n'));
    }
    (wrong == 0).then_some(ended.into())
}

/// Why bytes are not the head of an HTTP/1.1 request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// It is over the limit of [`Config::max_head`].
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The head is within the limit, but does not fit into the store. This cannot happen with a `Vec<u8>`.
    StoreTooSmall {
        /// The most that the store can hold, in bytes.
        capacity: usize,
    },
    /// It has more headers than [`Config::max_headers`] allows.
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The stream ended inside it.
    Incomplete {
        /// How many bytes were received.
        seen: usize,
    },
    /// The version of a request is not HTTP/1.1, or a response begins with neither `HTTP/1.1` nor `HTTP/1.0`. This
    /// error is returned at the first byte that differs, so it cannot say which version it is.
    Version,
    /// It is TLS instead of HTTP: one side uses `wss://`, the other `ws://`.
    Tls,
    /// It breaks the grammar of HTTP.
    Malformed(MalformedHead),
    /// The allocator had no memory for it.
    OutOfMemory,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "HTTP head over the limit of {limit} bytes"),
            Self::StoreTooSmall { capacity } => write!(f, "HTTP head larger than our store of {capacity} bytes"),
            Self::TooManyHeaders { limit } => write!(f, "HTTP head over the limit of {limit} headers"),
            Self::Incomplete { seen } => write!(f, "the stream ended inside the HTTP head, after {seen} bytes"),
            Self::Version => f.write_str("not HTTP/1.1"),
            Self::Tls => f.write_str("TLS where plain HTTP was expected: one side uses wss://, the other ws://"),
            Self::Malformed(fault) => fault.fmt(f),
            Self::OutOfMemory => f.write_str("out of memory for the HTTP head"),
        }
    }
}

impl core::error::Error for HeadError {}

impl From<MalformedHead> for HeadError {
    fn from(fault: MalformedHead) -> Self {
        Self::Malformed(fault)
    }
}

/// The part of a head that breaks the grammar of HTTP (RFC 9112).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MalformedHead {
    /// A line ends with LF without CR (RFC 9112 §2.2).
    LineEnding,
    /// The first line of a request is not a method, a target and a version with one space between them, or the target
    /// is not UTF-8 (RFC 9112 §3).
    RequestLine,
    /// The version of a request is not `HTTP/`, a digit, a dot and a digit (RFC 9112 §2.3).
    Version,
    /// The first line of a response has no status of three digits, or its reason has a control character (RFC 9112 §4).
    StatusLine,
    /// A header does not begin with a token and a colon: the name is empty or has other characters, there is a space
    /// before the colon, or the line continues the one before (RFC 9112 §5).
    HeaderName,
    /// A header's value has a control character other than the tab (RFC 9110 §5.5).
    HeaderValue,
}

impl fmt::Display for MalformedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LineEnding => "malformed HTTP line ending (only CR LF)",
            Self::RequestLine => "malformed HTTP request line (only a method, a target and a version)",
            Self::Version => "malformed HTTP version (only HTTP/1.1)",
            Self::StatusLine => "malformed HTTP status line (only a version, three digits and a reason)",
            Self::HeaderName => "malformed HTTP header name (only a token, and a colon right after it)",
            Self::HeaderValue => "malformed HTTP header value (no control character but the tab)",
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec::Vec;

    use super::count_lines;

    /// Line by line.
    fn naive(head: &[u8]) -> Option<usize> {
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        let end = lines.next_back().filter(|line| *line == b"\r\n")?;
        let before = &head[..head.len() - end.len()];
        let all_are = lines.clone().all(|line| line.ends_with(b"\r\n") && line.len() > 2);
        (all_are && !before.is_empty()).then(|| lines.count())
    }

    #[test]
    fn lines_are_counted_as_one_by_one() {
        for len in 0..10 {
            for number in 0..3_u32.pow(len) {
                let head: Vec<u8> = (0..len).map(|place| b"a\r\n"[(number / 3_u32.pow(place) % 3) as usize]).collect();
                assert_eq!(count_lines(&head), naive(&head), "{}", head.escape_ascii());
            }
        }
        // More ends than a byte can count.
        for count in [170, 171, 255, 256, 257, 400, 512, 513] {
            for end in [&b"\n"[..], b"\r\n", b"a\r\n"] {
                let head = [b"GE", &end.repeat(count)[..], b"\r\n\r\n"].concat();
                assert_eq!(count_lines(&head), naive(&head), "{count} times {}", end.escape_ascii());
            }
        }
        // Where one block ends and the next begins.
        let long = [&b"GET / HTTP/1.1\r\n"[..], &b"A: b\r\n".repeat(300), b"\r\n"].concat();
        assert_eq!(count_lines(&long), Some(301));
        for place in 500..530 {
            for byte in *b"a\r\n" {
                let mut head = long.clone();
                head[place] = byte;
                assert_eq!(count_lines(&head), naive(&head), "{} at {place}", byte.escape_ascii());
            }
        }
    }
}
