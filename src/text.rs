//! Checks UTF-8 as it is received, in pieces cut anywhere. Fails at the first byte that proves it invalid.

use core::str;

use simdutf8::basic;

/// A check of text in pieces. Between two pieces it remembers the code point that the first has begun.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Utf8 {
    bytes: [u8; 4],
    len: u8,
}

/// The result of checking a piece.
pub(crate) enum Checked<'a> {
    /// The piece has only a part of a code point, which continues after it.
    Nothing,
    /// All of the piece completes the code point that was cut.
    CodePoint(char),
    /// The whole code points at the front of the piece.
    Text(&'a str),
    /// The whole code points at the front of the piece. The bytes after them cannot be UTF-8.
    Broken(&'a str),
}

/// The bytes are not UTF-8, whatever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidUtf8;

/// Checks a text that is whole.
#[inline]
pub(crate) fn whole(text: &[u8]) -> Result<&str, InvalidUtf8> {
    basic::from_utf8(text).map_err(|_| InvalidUtf8)
}

/// The number of bytes at the end that look like a code point that continues after the piece: up to three.
fn unfinished_end(piece: &[u8]) -> usize {
    let from_end = (1..=3).zip(piece.iter().rev());
    let mut lead = from_end.skip_while(|(_, byte)| (0x80..0xC0).contains(*byte));
    match lead.next() {
        Some((len, byte)) if len < length(*byte) => len,
        _ => 0,
    }
}

/// Whether these bytes are the beginning of a code point, or empty.
fn is_beginning(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none() && error.valid_up_to() == 0, str::is_empty)
}

/// The length of the code point that starts with `lead`; 1 if no code point starts with it.
fn length(lead: u8) -> usize {
    match lead {
        ..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

impl Utf8 {
    /// The bytes of the unfinished code point: up to three.
    #[inline]
    fn unfinished(&self) -> &[u8] {
        debug_assert!(self.len <= 4, "a code point has at most 4 bytes");
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The number of bytes that complete the unfinished code point; 0 if there is none.
    #[inline]
    pub(crate) fn missing(&self) -> usize {
        let whole = self.unfinished().first().map_or(0, |lead| length(*lead));
        whole - usize::from(self.len)
    }

    /// Checks the next piece of a text. While a code point is unfinished, a piece must not be longer than its
    /// [missing](Self::missing) bytes.
    #[inline]
    pub(crate) fn next<'a>(&mut self, piece: &'a [u8], last: bool) -> Result<Checked<'a>, InvalidUtf8> {
        if self.missing() > 0 && !piece.is_empty() {
            debug_assert!(piece.len() <= self.missing(), "a piece ends where the unfinished code point does");
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

    /// The number of bytes of the unfinished code point that are stored here: up to three.
    #[inline]
    pub(crate) fn unfinished_len(&self) -> usize {
        self.len.into()
    }

    /// Checks that the text does not end inside a code point.
    #[inline]
    fn end(&self) -> Result<(), InvalidUtf8> {
        if self.len > 0 { Err(InvalidUtf8) } else { Ok(()) }
    }

    /// Adds at most [`missing`](Self::missing) bytes to the unfinished code point. Returns it when it is whole.
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

    /// Returns the text at the front of `piece`, and whether the bytes after it are valid. If they are, they are the
    /// beginning of a code point and are stored here. No code point may be unfinished before.
    #[inline]
    pub(crate) fn text<'a>(&mut self, piece: &'a [u8]) -> (&'a str, Result<(), InvalidUtf8>) {
        debug_assert!(self.len == 0 || piece.is_empty(), "an unfinished code point is completed first");
        let cut = unfinished_end(piece);
        if let Some((front, end)) = piece.split_at_checked(piece.len() - cut)
            && let (Ok(text), true) = (whole(front), is_beginning(end))
        {
            end.iter().for_each(|byte| self.push(*byte));
            return (text, Ok(()));
        }
        self.broken(piece)
    }

    /// As [`text`](Self::text), for a piece that may be invalid.
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
        debug_assert_eq!(valid.len(), error.valid_up_to(), "the valid text is the front of the piece");
        debug_assert!(str::from_utf8(valid).is_ok(), "the text was found to be valid up to here");
        (str::from_utf8(valid).unwrap_or_default(), verdict)
    }

    /// Lends a code point from the memory in which it was completed.
    pub(crate) fn lend(&mut self, whole: char) -> &str {
        debug_assert!(self.len == 0, "no other code point is unfinished");
        whole.encode_utf8(&mut self.bytes)
    }

    fn push(&mut self, byte: u8) {
        debug_assert!(self.len < 4, "a code point has at most 4 bytes");
        if let Some(next) = self.bytes.get_mut(usize::from(self.len)) {
            *next = byte;
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The index of the byte that proves `bytes` invalid, or else the length of the unfinished code point. The bytes
    /// are checked one at a time.
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

    /// Whether these pieces are a text. A piece is cut where it completes an unfinished code point.
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
            (b"\xEE\x80\x80", Ok(0)),              // the first after them
            (b"\xF4\x8F\xBF\xBF", Ok(0)),          // U+10FFFF
            (b"\xF4\x90\x80\x80", Err(1)),         // beyond
            (b"\xF5", Err(0)),
            (b"\xFF", Err(0)),
            (b"a\xCEa", Err(2)),                   // ended by another character
            (b"a\xF0\x9F\xA6\xF0", Err(4)),
            (b"ok\xE4\xB8\x96\xC3\x28", Err(6)),
        ];
        for (bytes, expected) in table {
            assert_eq!(bytewise(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn every_cut_says_the_same_as_the_whole() {
        let valid = "κόσμε, 世界, 🦀".as_bytes();
        for sample in [valid, b"ok\xE4\xB8\x96\xC3\x28 no", b"\xF0\x9F\xA6", b"cut \xF0\x9F\xA6", b""] {
            for cut in 0..=sample.len() {
                let (head, tail) = sample.split_at(cut);
                assert_eq!(is_text([head, tail]), str::from_utf8(sample).is_ok(), "{sample:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn all_four_byte_beginnings_agree_with_the_standard_library() {
        // Every first byte with every second byte, because only these two have rules; the others are valid.
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
