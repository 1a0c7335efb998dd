use core::{fmt, mem::MaybeUninit, str};

use httparse::Status;

use crate::{Config, Input, Storage};

use super::headers::Headers;

/// The head of an HTTP/1.1 message, collected from reads of any size: the first line, the headers, the empty line.
///
/// Every byte is looked at once while it is collected, and once more by the parser: the cost is linear however the reads cut it.
pub(crate) struct Head<S> {
    store: S,
    /// How long the line is that is being collected, so far.
    line: usize,
    /// Whole lines before it.
    lines: usize,
    /// The last byte was a CR.
    cr: bool,
    /// Every byte so far, those dropped included.
    seen: usize,
    max_size: usize,
    max_headers: usize,
    progress: Progress,
}

// Not what has been collected: there may be credentials in it.
impl<S> fmt::Debug for Head<S> {
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

impl<S: Storage> Head<S> {
    pub(crate) fn new(config: &Config, mut store: S) -> Self {
        store.clear(usize::MAX);
        Self {
            line: 0,
            lines: 0,
            cr: false,
            seen: 0,
            max_size: config.max_head.min(store.capacity()),
            max_headers: config.max_headers,
            progress: Progress::Collecting,
            store,
        }
    }

    /// Takes what belongs to the head, and not a byte more; whether that was the last of it, for good or bad.
    pub(crate) fn read(&mut self, input: &mut Input<'_>) -> bool {
        if self.read_whole(input) {
            return true;
        }
        while matches!(self.progress, Progress::Collecting) && !input.is_empty() {
            if let Err(error) = self.read_lines(input) {
                self.progress = Progress::Failed(error);
            }
        }
        !matches!(self.progress, Progress::Collecting)
    }

    /// Takes the input if it is a head, all of it and nothing else, and nothing wrong with it, as most of them come.
    fn read_whole(&mut self, input: &mut Input<'_>) -> bool {
        let len = input.remaining().len();
        if self.seen > 0 || len > self.max_size {
            return false;
        }
        let is_whole = count_lines(input.remaining()).is_some_and(|lines| lines <= 1 + self.max_headers)
            && self.store.append(input.remaining()).is_ok();
        if is_whole {
            input.take(len);
            self.seen = len;
            self.progress = Progress::Whole;
        }
        is_whole
    }

    /// Collects up to the empty line, or as far as the input goes.
    fn read_lines(&mut self, input: &mut Input<'_>) -> Result<(), HeadError> {
        let mut len = 0;
        while let Some(rest) = input.remaining().get(len..).filter(|rest| !rest.is_empty()) {
            let (piece, is_whole) = match find(b'\n', rest) {
                Some(end) => (rest.get(..=end).unwrap_or_default(), true),
                None => (rest, false),
            };
            len += piece.len();
            self.line += piece.len();
            self.seen = self.seen.saturating_add(piece.len());
            if self.seen > self.max_size {
                return Err(HeadError::TooLarge { limit: self.max_size });
            }
            if is_whole {
                let cr = match piece {
                    [.., before, _] => *before == b'\r',
                    _ => self.cr,
                };
                match (cr, self.line, self.lines) {
                    // A parser that takes LF for CRLF and one that does not see two different messages.
                    (false, ..) => return Err(HeadError::Malformed("line ending")),
                    // "a server [...] SHOULD ignore at least one empty line (CRLF) received prior to the request-line"
                    // (RFC 9112 §2.2)
                    (true, 2, 0) => {
                        input.take(len);
                        self.restart();
                        return Ok(());
                    }
                    (true, 2, _) => {
                        self.progress = Progress::Whole;
                        break;
                    }
                    (true, _, headers) if headers > self.max_headers => {
                        return Err(HeadError::TooManyHeaders { limit: self.max_headers });
                    }
                    (true, ..) => self.lines += 1,
                }
                self.line = 0;
            }
            self.cr = piece.last() == Some(&b'\r');
        }
        let too_large = HeadError::TooLarge { limit: self.max_size };
        self.store.append(input.take(len)).map_err(|_| too_large)
    }

    /// Drops a head that was read, and collects the next one under the same limit.
    pub(crate) fn restart(&mut self) {
        self.store.clear(usize::MAX);
        (self.line, self.lines, self.cr) = (0, 0, false);
        self.progress = Progress::Collecting;
    }

    /// The head, when it is whole.
    pub(crate) fn into_store(self) -> Result<S, HeadError> {
        match self.progress {
            Progress::Whole => Ok(self.store),
            Progress::Collecting => Err(HeadError::Incomplete { seen: self.seen }),
            Progress::Failed(error) => Err(error),
        }
    }

    /// The head's bytes, when it is whole.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        matches!(self.progress, Progress::Whole).then(|| self.store.bytes())
    }
}

/// The first line of a request, as lengths: the method stands at its front, one space, then the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    pub(crate) method: usize,
    pub(crate) target: usize,
    /// The `x` of HTTP/1.x.
    pub(crate) version: u8,
}

impl RequestLine {
    /// The first line, and what `judge` says of the method, the target and the headers.
    pub(crate) fn parse<T>(
        head: &[u8],
        judge: impl FnOnce(&str, &str, &[httparse::Header<'_>]) -> T,
    ) -> Result<(Self, T), HeadError> {
        let mut headers = [const { MaybeUninit::uninit() }; Config::MAX_HEADERS];
        let mut request = httparse::Request::new(&mut []);
        let parsed =
            request.parse_with_uninit_headers(head, &mut headers).map_err(|error| request_error(error, head))?;
        match (request.method, request.path, request.version) {
            // Both must agree on where the head ends.
            (Some(method), Some(target), Some(version)) if parsed == Status::Complete(head.len()) => {
                let line = Self { method: method.len(), target: target.len(), version };
                Ok((line, judge(method, target, request.headers)))
            }
            _ => Err(HeadError::Malformed("request line")),
        }
    }
}

/// Whether it was another version of HTTP, or nothing of the kind.
fn request_error(error: httparse::Error, head: &[u8]) -> HeadError {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.strip_suffix(b"\r").unwrap_or(line).split(|byte| *byte == b' ');
    match (error, words.next(), words.next(), words.next(), words.next()) {
        (httparse::Error::Version, _, _, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            HeadError::Version
        }
        // HTTP/0.9 had no version.
        (_, Some(b"GET"), Some(target @ [b'/', ..]), None, None) if target.iter().all(u8::is_ascii_graphic) => {
            HeadError::Version
        }
        (httparse::Error::Version, ..) => HeadError::Malformed("version"),
        _ => error.into(),
    }
}

/// The first line of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StatusLine {
    pub(crate) status: u16,
    /// The `x` of HTTP/1.x.
    pub(crate) version: u8,
}

impl StatusLine {
    pub(crate) fn parse(head: &[u8]) -> Result<Self, HeadError> {
        let mut headers = [const { MaybeUninit::uninit() }; Config::MAX_HEADERS];
        let mut response = httparse::Response::new(&mut []);
        let parser = httparse::ParserConfig::default();
        let parsed = parser.parse_response_with_uninit_headers(&mut response, head, &mut headers)?;
        match (response.code, response.version) {
            (Some(status), Some(version)) if parsed == Status::Complete(head.len()) => Ok(Self { status, version }),
            _ => Err(HeadError::Malformed("status line")),
        }
    }
}

/// The headers of a head that was parsed.
pub(crate) fn headers(head: &[u8]) -> Headers<'_> {
    let first_line = find(b'\n', head).map_or(head.len(), |end| end + 1);
    Headers::new(head.get(first_line..).unwrap_or_default())
}

/// How many lines stand before the empty one, if that is the head's end and there is none before it, and if each ends with CRLF.
// Comparisons that depend on nothing but three bytes are what the compiler turns into vectors.
fn count_lines(head: &[u8]) -> Option<usize> {
    // Few enough for a byte to count the lines in it.
    const BLOCK: usize = 512;
    let lines = head.strip_suffix(b"\r\n").filter(|lines| lines.ends_with(b"\r\n"))?;
    if let [b'\n', ..] | [_, b'\n', ..] = lines {
        return None;
    }
    let mut count = 0;
    let (befores, crs, ends) = (lines, lines.get(1..)?.chunks(BLOCK), lines.get(2..)?.chunks(BLOCK));
    for ((befores, crs), ends) in befores.chunks(BLOCK).zip(crs).zip(ends) {
        let (mut ended, mut wrong) = (0_u8, 0_u8);
        for ((before, cr), end) in befores.iter().zip(crs).zip(ends) {
            let ends = u8::from(*end == b'\n');
            // Where they are more than a byte can count, some are wrong.
            ended = ended.wrapping_add(ends);
            wrong |= ends & (u8::from(*cr != b'\r') | u8::from(*before == b'\n'));
        }
        if wrong > 0 {
            return None;
        }
        count += usize::from(ended);
    }
    Some(count)
}

/// Where the first such byte is, eight at a time.
pub(crate) fn find(needle: u8, bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut words = bytes.chunks_exact(8);
    let mut index = 0;
    for word in &mut words {
        // A byte that is equal becomes zero, and the lowest zero is the lowest byte from which one can't be taken.
        let word = u64::from_le_bytes(word.try_into().unwrap_or_default()) ^ (ONES * u64::from(needle));
        let zeros = word.wrapping_sub(ONES) & !word & TOPS;
        if zeros != 0 {
            return Some(index + zeros.trailing_zeros() as usize / 8);
        }
        index += 8;
    }
    words.remainder().iter().position(|byte| *byte == needle).map(|place| index + place)
}

/// Why bytes are not the head of an HTTP/1.1 request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// Longer than allowed, or than the store can hold.
    TooLarge {
        /// The most that was allowed, in bytes.
        limit: usize,
    },
    /// More headers than allowed.
    TooManyHeaders {
        /// The most that were allowed.
        limit: usize,
    },
    /// The stream ended inside the head.
    Incomplete {
        /// How many bytes had come.
        seen: usize,
    },
    /// Another version of HTTP than 1.1.
    Version,
    /// Something else is wrong with the part that is named.
    Malformed(&'static str),
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "HTTP head of more than {limit} bytes"),
            Self::TooManyHeaders { limit } => write!(f, "HTTP head of more than {limit} headers"),
            Self::Incomplete { seen } => write!(f, "the stream ended inside the HTTP head, after {seen} bytes"),
            Self::Version => f.write_str("not HTTP/1.1"),
            Self::Malformed(part) => write!(f, "malformed HTTP {part}"),
        }
    }
}

impl core::error::Error for HeadError {}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::HeaderName => Self::Malformed("header name"),
            httparse::Error::HeaderValue => Self::Malformed("header value"),
            httparse::Error::NewLine => Self::Malformed("line ending"),
            httparse::Error::Status => Self::Malformed("status"),
            httparse::Error::Token => Self::Malformed("first line"),
            httparse::Error::TooManyHeaders => Self::TooManyHeaders { limit: Config::MAX_HEADERS },
            httparse::Error::Version => Self::Version,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::{vec, vec::Vec};

    use super::{count_lines, find};

    /// Line by line.
    fn naive(head: &[u8]) -> Option<usize> {
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        let end = lines.next_back().filter(|line| *line == b"\r\n")?;
        let before = &head[..head.len() - end.len()];
        let all_are = lines.clone().all(|line| line.ends_with(b"\r\n") && line.len() > 2);
        (all_are && !before.is_empty()).then(|| lines.count())
    }

    #[test]
    fn lines_are_counted_as_one_would() {
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

    #[test]
    fn the_first_is_found_wherever_it_stands() {
        // Neighbours of the byte that is looked for, and bytes with the top bit, are what the arithmetic could mistake for it.
        for other in [0x00, b'\n' - 1, b'\n' + 1, b'\n' ^ 0x80, 0x7F, 0x80, 0xFF] {
            for len in 0..40 {
                let mut bytes = vec![other; len];
                assert_eq!(find(b'\n', &bytes), None);
                for place in (0..len).rev() {
                    bytes[place] = b'\n';
                    assert_eq!(find(b'\n', &bytes), Some(place), "{other:#04x}, {len} bytes");
                }
            }
        }
    }
}
