//! The lines of a head: the first one, which is checked byte by byte as it arrives and read when it is complete, and
//! the headers.

use core::{mem, str};

use super::{
    collect::{HeadError, MalformedHead},
    grammar::{is_text_byte, is_token_byte, text_len, token_len},
    headers::Headers,
};
use crate::SHORTCUTS;

/// The first line of a head, as far as it has been received.
///
/// It is checked byte by byte, so that what is not HTTP fails at the first byte that proves it: a TLS hello, or the
/// greeting of a mail server. A complete line is read in a faster way, and checked byte by byte only to find out what
/// is wrong with it.
pub(crate) trait FirstLine: Default {
    /// Checks the next byte, which is not the line feed.
    fn next(&mut self, byte: u8) -> Result<(), HeadError>;

    /// Checks a complete line, with its CRLF, by the rules that need all of it.
    fn check(line: &[u8]) -> Result<(), HeadError>;

    /// Checks a head that was received in one piece, unless it is checked when it is parsed.
    fn check_whole(head: &[u8]) -> Result<(), HeadError>;
}

/// Checks a first line byte by byte.
fn judge<L: FirstLine>(head: &[u8]) -> Result<(), HeadError> {
    let mut line = L::default();
    head.iter().take_while(|byte| **byte != b'\n').try_for_each(|byte| line.next(*byte))
}

/// A record of TLS begins with its type (RFC 8446 §5.1).
const TLS_ALERT: u8 = 21;
const TLS_HANDSHAKE: u8 = 22;

/// The version up to the `x` of HTTP/1.x.
const HTTP_1: &[u8; 7] = b"HTTP/1.";

/// `method SP request-target SP HTTP-version` (RFC 9112 §3), as far as it has been received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum RequestStart {
    #[default]
    Nothing,
    Method,
    BeforeTarget,
    Target,
    /// This many bytes of the version.
    Version(u8),
    /// Only the line feed can follow.
    Cr,
}

impl FirstLine for RequestStart {
    fn next(&mut self, byte: u8) -> Result<(), HeadError> {
        let is_target_byte = is_text_byte(byte) && !matches!(byte, b' ' | b'\t');
        *self = match *self {
            Self::Nothing if byte == TLS_HANDSHAKE => return Err(HeadError::Tls),
            Self::Nothing | Self::Method if is_token_byte(byte) => Self::Method,
            Self::Method if byte == b' ' => Self::BeforeTarget,
            Self::BeforeTarget | Self::Target if is_target_byte => Self::Target,
            Self::Target if byte == b' ' => Self::Version(0),
            Self::Version(len) if HTTP_1.get(usize::from(len)).is_some_and(|expected| *expected == byte) => {
                Self::Version(len + 1)
            }
            Self::Version(7) if matches!(byte, b'0' | b'1') => Self::Version(8),
            Self::Version(5 | 7) if byte.is_ascii_digit() => return Err(HeadError::Version),
            Self::Version(0..=7) => return Err(MalformedHead::Version.into()),
            Self::Nothing | Self::Target | Self::Version(8) if byte == b'\r' => Self::Cr,
            _ => return Err(MalformedHead::RequestLine.into()),
        };
        Ok(())
    }

    // Each byte was allowed where it is. Only a complete line shows whether it has a version, after the second space,
    // and whether its target is UTF-8.
    fn check(line: &[u8]) -> Result<(), HeadError> {
        let has_version = line.iter().filter(|byte| **byte == b' ').count() == 2;
        if has_version && str::from_utf8(line).is_ok() { Ok(()) } else { Err(RequestLine::fault(line)) }
    }

    // `RequestLine::parse` judges them, once.
    fn check_whole(_: &[u8]) -> Result<(), HeadError> {
        Ok(())
    }
}

/// The first line of a request, as lengths: first is the method, then one space, then the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    method: usize,
    target: usize,
    /// The `x` of HTTP/1.x.
    pub(crate) version: u8,
}

impl RequestLine {
    /// The line, and the headers after it.
    #[inline]
    pub(crate) fn parse(head: &[u8]) -> Result<(Self, HeaderLines<'_>), HeadError> {
        Self::read(head).ok_or_else(|| Self::fault(head))
    }

    #[inline]
    fn read(head: &[u8]) -> Option<(Self, HeaderLines<'_>)> {
        let (line, lines) = split_line(head)?;
        let (method @ [_, ..], [b' ', rest @ ..]) = line.split_at_checked(token_len(line))? else { return None };
        let target_len = rest.iter().position(|byte| matches!(byte, b' ' | b'\t'))?;
        let (target @ [_, ..], [b' ', version @ ..]) = rest.split_at_checked(target_len)? else { return None };
        let minor = match version.strip_prefix(HTTP_1)? {
            [minor @ (b'0' | b'1')] => minor - b'0',
            _ => return None,
        };
        let is_text = target.is_ascii() || str::from_utf8(target).is_ok();
        is_text.then_some((Self { method: method.len(), target: target.len(), version: minor }, HeaderLines { lines }))
    }

    /// What is wrong with a line that can't be parsed.
    #[cold]
    fn fault(head: &[u8]) -> HeadError {
        let judged = if SHORTCUTS { judge::<RequestStart>(head) } else { Ok(()) };
        judged.err().unwrap_or_else(|| {
            // HTTP/0.9 has no version: "GET" SP path (RFC 1945 §4.1).
            let path = head.strip_prefix(b"GET /").and_then(split_line);
            if path.is_some_and(|(rest, _)| !rest.contains(&b' ')) {
                HeadError::Version
            } else {
                MalformedHead::RequestLine.into()
            }
        })
    }

    /// The line of a head that was stored from parts: a method, a space and a target, of these lengths.
    pub(crate) fn of_parts(method: usize, target: usize) -> Self {
        Self { method, target, version: 1 }
    }

    /// The same for a list of headers, which has no version.
    pub(crate) fn of_list(method: usize, target: usize) -> Self {
        Self { method, target, version: 2 }
    }

    /// Whether the request is a list of headers, of HTTP/2 or HTTP/3.
    pub(crate) fn is_list(&self) -> bool {
        self.version == 2
    }

    pub(crate) fn headers<'h>(&self, head: &'h [u8]) -> Headers<'h> {
        headers(head)
    }

    /// The lines after this one.
    pub(crate) fn lines<'h>(&self, head: &'h [u8]) -> HeaderLines<'h> {
        HeaderLines { lines: split_line(head).map_or(&[], |(_, lines)| lines) }
    }

    pub(crate) fn method<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        head.get(..self.method).unwrap_or_default()
    }

    pub(crate) fn target<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        head.get(self.method + 1..).and_then(|behind| behind.get(..self.target)).unwrap_or_default()
    }
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4), as far as it has been received.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StatusStart {
    /// This many bytes, at most up to the end of the status code.
    Fixed(u8),
    Reason,
    /// Only the line feed can follow.
    Cr,
}

impl Default for StatusStart {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl FirstLine for StatusStart {
    fn next(&mut self, byte: u8) -> Result<(), HeadError> {
        *self = match (*self, byte) {
            (Self::Fixed(0), TLS_ALERT | TLS_HANDSHAKE) => return Err(HeadError::Tls),
            (Self::Fixed(len @ 0..=6), _) if HTTP_1.get(usize::from(len)) == Some(&byte) => Self::Fixed(len + 1),
            (Self::Fixed(len @ 7), b'0' | b'1')
            | (Self::Fixed(len @ 8), b' ')
            | (Self::Fixed(len @ 9..=11), b'0'..=b'9') => Self::Fixed(len + 1),
            // Some servers send no space if they send no reason.
            (Self::Fixed(0 | 12) | Self::Reason, b'\r') => Self::Cr,
            (Self::Fixed(12), b' ') => Self::Reason,
            (Self::Reason, _) if is_text_byte(byte) => Self::Reason,
            (Self::Fixed(0..=8), _) => return Err(HeadError::Version),
            _ => return Err(MalformedHead::StatusLine.into()),
        };
        Ok(())
    }

    fn check(_: &[u8]) -> Result<(), HeadError> {
        Ok(())
    }

    fn check_whole(head: &[u8]) -> Result<(), HeadError> {
        judge::<Self>(head)?;
        let (_, lines) = split_line(head).ok_or(MalformedHead::StatusLine)?;
        HeaderLines { lines }.try_for_each(|header| header.map(|_| ()))
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
    /// From a head that was checked.
    pub(crate) fn read(head: &[u8]) -> Self {
        let Some([.., version, _, a, b, c]) = head.first_chunk::<12>() else {
            debug_assert!(false, "a status line has at least twelve bytes");
            return Self { status: 0, version: 0 };
        };
        let status = [a, b, c].iter().fold(0, |status, digit| 10 * status + u16::from(digit.wrapping_sub(b'0')));
        Self { status, version: version.wrapping_sub(b'0') }
    }
}

/// The lines of headers that are not checked yet.
pub(crate) struct HeaderLines<'h> {
    /// Up to the end of the empty line.
    lines: &'h [u8],
}

impl<'h> Iterator for HeaderLines<'h> {
    type Item = Result<HeaderLine<'h>, HeadError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.lines == b"\r\n" {
            return None;
        }
        Some(HeaderLine::parse(&mut self.lines))
    }
}

#[derive(Clone, Copy)]
pub(crate) struct HeaderLine<'h> {
    pub(crate) name: &'h [u8],
    /// With the whitespace around it.
    pub(crate) value: &'h [u8],
}

impl<'h> HeaderLine<'h> {
    /// Checks a complete line, with its CRLF.
    pub(crate) fn check(mut line: &'h [u8]) -> Result<(), HeadError> {
        Self::parse(&mut line).map(|_| ())
    }

    /// Takes the first of the lines: `field-name ":" OWS field-value OWS` (RFC 9112 §5).
    // "No whitespace is allowed between the field name and colon". Nor is it before the name: it used to mean that the
    // line continues the one before (§5.2).
    #[inline]
    fn parse(lines: &mut &'h [u8]) -> Result<Self, HeadError> {
        let bytes = mem::replace(lines, b"\r\n");
        // Neither depends on the other, so the processor can look for both ends at once.
        let (line, name_len) = (split_line(bytes), token_len(bytes));
        let Some((name @ [_, ..], [b':', ..])) = bytes.split_at_checked(name_len) else {
            return Err(MalformedHead::HeaderName.into());
        };
        let (line, rest) = line.ok_or(MalformedHead::HeaderValue)?;
        let value = line.get(name_len + 1..).unwrap_or_default();
        *lines = rest;
        Ok(Self { name, value })
    }
}

/// The first line, and the bytes after its CRLF; `None` if the line has a control character.
#[inline]
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(text_len(bytes))?;
    Some((line, rest.strip_prefix(b"\r\n")?))
}

/// The headers of a head that was checked.
pub(crate) fn headers(head: &[u8]) -> Headers<'_> {
    Headers::new(split_line(head).map_or(&[], |(_, lines)| lines))
}
