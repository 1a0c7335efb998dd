//! The lines of a head that has been collected: the first one, and those of the headers.

use core::{mem, str};

use super::{
    HeadError, Headers,
    grammar::{text_len, token_len},
};

/// The first line of a request, as lengths: the method stands at its front, one space, then the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine {
    method: usize,
    target: usize,
    /// The `x` of HTTP/1.x.
    pub(crate) version: u8,
}

impl RequestLine {
    /// `method SP request-target SP HTTP-version` (RFC 9112 §3), and the headers behind it.
    pub(crate) fn parse(head: &[u8]) -> Result<(Self, HeaderLines<'_>), HeadError> {
        let malformed = HeadError::Malformed("first line");
        let (line, lines) = split_line(head).ok_or(malformed)?;
        let Some((method @ [_, ..], [b' ', rest @ ..])) = line.split_at_checked(token_len(line)) else {
            return Err(malformed);
        };
        let target_len = rest.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
        let Some((target @ [_, ..], rest)) = rest.split_at_checked(target_len) else { return Err(malformed) };
        if !target.is_ascii() && str::from_utf8(target).is_err() {
            return Err(malformed);
        }
        let version = match rest {
            [b' ', version @ ..] if !version.contains(&b' ') => parse_version(version)?,
            // HTTP/0.9 had none.
            [] if method == b"GET" && target.first() == Some(&b'/') => return Err(HeadError::Version),
            _ => return Err(malformed),
        };
        Ok((Self { method: method.len(), target: target.len(), version }, HeaderLines { lines }))
    }

    pub(crate) fn method<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        head.get(..self.method).unwrap_or_default()
    }

    pub(crate) fn target<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        head.get(self.method + 1..).and_then(|behind| behind.get(..self.target)).unwrap_or_default()
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
    /// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4), if only headers are behind it.
    // Some servers leave out the space before a reason that they don't give.
    pub(crate) fn parse(head: &[u8]) -> Result<Self, HeadError> {
        let malformed = HeadError::Malformed("status");
        let (version, rest) = head.split_first_chunk::<9>().ok_or(HeadError::Version)?;
        let [version @ .., b' '] = version else { return Err(HeadError::Version) };
        let version = parse_version(version).map_err(|_| HeadError::Version)?;
        let (line, lines) = split_line(rest).ok_or(malformed)?;
        let ([a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']
        | [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..]) = line
        else {
            return Err(malformed);
        };
        let status = [a, b, c].iter().fold(0, |status, digit| 10 * status + u16::from(**digit - b'0'));
        HeaderLines { lines }.try_for_each(|header| header.map(|_| ()))?;
        Ok(Self { status, version })
    }
}

/// The `x` of HTTP/1.x.
fn parse_version(word: &[u8]) -> Result<u8, HeadError> {
    match word {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1')] => Ok(minor - b'0'),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(HeadError::Version),
        _ => Err(HeadError::Malformed("version")),
    }
}

/// The lines of headers as they come, of which nothing is believed yet.
pub(crate) struct HeaderLines<'h> {
    /// With the empty line.
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
    /// With the space around it.
    pub(crate) value: &'h [u8],
}

impl<'h> HeaderLine<'h> {
    /// `field-name ":" OWS field-value OWS` (RFC 9112 §5), and what follows it.
    // "No whitespace is allowed between the field name and colon"; nor before the name, which once said that a line goes on.
    #[inline]
    fn parse(lines: &mut &'h [u8]) -> Result<Self, HeadError> {
        let bytes = mem::replace(lines, b"\r\n");
        // Where the line ends needn't wait for where the name does.
        let (line, name_len) = (split_line(bytes), token_len(bytes));
        let Some((name @ [_, ..], [b':', ..])) = bytes.split_at_checked(name_len) else {
            return Err(HeadError::Malformed("header name"));
        };
        let (line, rest) = line.ok_or(HeadError::Malformed("header value"))?;
        let value = line.get(name_len + 1..).unwrap_or_default();
        *lines = rest;
        Ok(Self { name, value })
    }
}

/// The line at the front, and what follows its CRLF; `None` if something other than text is in it.
#[inline]
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = bytes.split_at_checked(text_len(bytes))?;
    Some((line, rest.strip_prefix(b"\r\n")?))
}

/// The headers of a head that was parsed.
pub(crate) fn headers(head: &[u8]) -> Headers<'_> {
    Headers::new(split_line(head).map_or(&[], |(_, lines)| lines))
}
