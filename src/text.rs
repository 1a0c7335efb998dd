//! UTF-8, checked as it is received, in pieces cut anywhere, failing at the first byte that proves it wrong.

use core::str;

use simdutf8::basic;

/// A check of text in pieces: what it remembers between two of them is the code point that the first has begun.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    bytes: [u8; 4],
    len: u8,
}

/// What a piece of a text has brought.
pub(crate) enum Checked<'a> {
    /// Nothing but a part of a code point that goes on behind it.
    Nothing,
    /// The code point that was cut, which takes all of the piece.
    CodePoint(char),
    /// All whole code points at its front.
    Text(&'a str),
    /// The same; and what follows them can't be UTF-8.
    Broken(&'a str),
}

/// The bytes are not UTF-8, and nothing that may follow could make them so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

/// A text that is all there.
#[inline]
pub(crate) fn whole(text: &[u8]) -> Result<&str, InvalidUtf8> {
    basic::from_utf8(text).map_err(|_| InvalidUtf8)
}

/// How many bytes at the end look like a code point that goes on behind it: up to three.
fn unfinished_end(piece: &[u8]) -> usize {
    let from_end = (1..=3).zip(piece.iter().rev());
    let mut lead = from_end.skip_while(|(_, byte)| (0x80..0xC0).contains(*byte));
    match lead.next() {
        Some((len, byte)) if len < length(*byte) => len,
        _ => 0,
    }
}

/// Whether these bytes, which may be none, begin a code point.
fn is_beginning(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none() && error.valid_up_to() == 0, str::is_empty)
}

/// How many bytes the code point has that begins so; what begins none is taken for one byte.
fn length(lead: u8) -> usize {
    match lead {
        ..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

impl Utf8 {
    /// The bytes of the unfinished code point: none, or up to three.
    #[inline]
    fn unfinished(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many bytes the unfinished code point still needs: 0 when there is none.
    #[inline]
    pub(crate) fn missing(&self) -> usize {
        let whole = self.unfinished().first().map_or(0, |lead| length(*lead));
        whole - usize::from(self.len)
    }

    /// Checks the next piece of a text, the end of it if it is the `last`. While a code point is unfinished, a piece must not be longer
    /// than what is [missing](Self::missing).
    #[inline]
    pub(crate) fn next<'a>(&mut self, piece: &'a [u8], last: bool) -> Result<Checked<'a>, InvalidUtf8> {
        if self.missing() > 0 && !piece.is_empty() {
            return match self.finish(piece)? {
                Some(whole) => Ok(Checked::CodePoint(whole)),
                None if last => Err(InvalidUtf8),
                None => Ok(Checked::Nothing),
            };
        }
        let (text, verdict) = self.text(piece);
        let verdict = if last { verdict.and_then(|()| self.end()) } else { verdict };
        match verdict {
            Err(InvalidUtf8) if text.is_empty() => Err(InvalidUtf8),
            Ok(()) if text.is_empty() && !last => Ok(Checked::Nothing),
            Ok(()) => Ok(Checked::Text(text)),
            Err(InvalidUtf8) => Ok(Checked::Broken(text)),
        }
    }

    /// How many bytes of a code point are kept here until the rest of it is received.
    #[inline]
    pub(crate) fn unfinished_len(&self) -> usize {
        self.len.into()
    }

    /// The text's last byte is here: it must not be inside a code point.
    #[inline]
    fn end(&self) -> Result<(), InvalidUtf8> {
        if self.len > 0 { Err(InvalidUtf8) } else { Ok(()) }
    }

    /// Adds at most [`missing`](Self::missing) bytes to the unfinished code point, and returns it when it is whole.
    fn finish(&mut self, bytes: &[u8]) -> Result<Option<char>, InvalidUtf8> {
        for byte in bytes {
            self.push(*byte);
            match str::from_utf8(self.unfinished()) {
                Ok(text) => {
                    let whole = text.chars().next();
                    self.len = 0;
                    return Ok(whole);
                }
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// The text at the front of `piece`, for when no code point is unfinished, and what to say of the bytes behind it:
    /// they are a code point's beginning, now kept, or they can't be UTF-8.
    #[inline]
    pub(crate) fn text<'a>(&mut self, piece: &'a [u8]) -> (&'a str, Result<(), InvalidUtf8>) {
        let cut = unfinished_end(piece);
        if let Some((front, end)) = piece.split_at_checked(piece.len() - cut)
            && let (Ok(text), true) = (whole(front), is_beginning(end))
        {
            end.iter().for_each(|byte| self.push(*byte));
            return (text, Ok(()));
        }
        self.broken(piece)
    }

    /// The same, where something may be wrong.
    #[cold]
    fn broken<'a>(&mut self, piece: &'a [u8]) -> (&'a str, Result<(), InvalidUtf8>) {
        let error = match str::from_utf8(piece) {
            Ok(text) => return (text, Ok(())),
            Err(error) => error,
        };
        let (valid, rest) = piece.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let verdict = match error.error_len() {
            Some(_) => Err(InvalidUtf8),
            None => {
                rest.iter().for_each(|byte| self.push(*byte));
                Ok(())
            }
        };
        (str::from_utf8(valid).unwrap_or_default(), verdict)
    }

    /// Lends a code point from the memory in which it was completed.
    pub(crate) fn lend(&mut self, whole: char) -> &str {
        whole.encode_utf8(&mut self.bytes)
    }

    fn push(&mut self, byte: u8) {
        if let Some(room) = self.bytes.get_mut(usize::from(self.len)) {
            *room = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of the byte that proves `bytes` wrong, and what is unfinished when none does, fed a byte at a time.
    fn bytewise(bytes: &[u8]) -> Result<usize, usize> {
        let mut utf8 = Utf8::default();
        for (index, byte) in bytes.iter().enumerate() {
            is_good(utf8.next(&[*byte], false)).map_err(|InvalidUtf8| index)?;
        }
        Ok(utf8.unfinished().len())
    }

    fn is_good(checked: Result<Checked<'_>, InvalidUtf8>) -> Result<(), InvalidUtf8> {
        match checked? {
            Checked::Broken(_) => Err(InvalidUtf8),
            _ => Ok(()),
        }
    }

    /// Whether this is a text, in pieces: no longer than what is missing, while something is.
    fn is_text(pieces: [&[u8]; 2]) -> bool {
        let mut utf8 = Utf8::default();
        let mut pieces = pieces.into_iter().peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            let (end, rest) = piece.split_at(utf8.missing().min(piece.len()));
            if is_good(utf8.next(end, is_last && rest.is_empty()))
                .and_then(|()| is_good(utf8.next(rest, is_last)))
                .is_err()
            {
                return false;
            }
        }
        true
    }

    #[test]
    fn the_first_bad_byte_is_the_one_that_fails() {
        #[rustfmt::skip]
        let table: [(&[u8], Result<usize, usize>); 21] = [
            (b"", Ok(0)),
            (b"plain", Ok(0)),
            ("κόσμε, 世界, 🦀".as_bytes(), Ok(0)),
            (b"\xCE", Ok(1)),
            (b"\xE4\xB8", Ok(2)),
            (b"\xF0\x9F\xA6", Ok(3)),
            (b"\x80", Err(0)),                     // continuation without a beginning
            (b"\xC0\xAF", Err(0)),                 // overlong, two bytes
            (b"\xC1\xBF", Err(0)),
            (b"\xE0\x9F\xBF", Err(1)),             // overlong, three bytes
            (b"\xF0\x8F\xBF\xBF", Err(1)),         // overlong, four bytes
            (b"\xED\xA0\x80", Err(1)),             // surrogate
            (b"\xED\x9F\xBF", Ok(0)),              // the last before the surrogates
            (b"\xEE\x80\x80", Ok(0)),              // the first behind them
            (b"\xF4\x8F\xBF\xBF", Ok(0)),          // U+10FFFF
            (b"\xF4\x90\x80\x80", Err(1)),         // beyond
            (b"\xF5", Err(0)),
            (b"\xFF", Err(0)),
            (b"a\xCEa", Err(2)),                   // cut by something else
            (b"a\xF0\x9F\xA6\xF0", Err(4)),
            (b"ok\xE4\xB8\x96\xC3\x28", Err(6)),
        ];
        for (bytes, expected) in table {
            assert_eq!(bytewise(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn every_cut_says_the_same_as_the_whole() {
        for sample in
            ["κόσμε, 世界, 🦀".as_bytes(), b"ok\xE4\xB8\x96\xC3\x28 no", b"\xF0\x9F\xA6", b"cut \xF0\x9F\xA6", b""]
        {
            for cut in 0..=sample.len() {
                let (head, tail) = sample.split_at(cut);
                assert_eq!(is_text([head, tail]), str::from_utf8(sample).is_ok(), "{sample:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn all_four_byte_beginnings_agree_with_the_standard_library() {
        // Every lead byte with every second byte, and tails that are right: where the rules are.
        for lead in 0..=0xFF_u8 {
            for second in 0..=0xFF_u8 {
                let bytes = [lead, second, 0x80, 0x80];
                for len in 1..=4 {
                    let bytes = &bytes[..len];
                    let expected = match str::from_utf8(bytes) {
                        Ok(_) => Ok(0),
                        Err(error) if error.error_len().is_none() => Ok(len - error.valid_up_to()),
                        Err(_) => Err(()),
                    };
                    assert_eq!(bytewise(bytes).map_err(|_| ()), expected, "{bytes:02x?}");
                }
            }
        }
    }
}
