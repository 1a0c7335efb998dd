//! Heads to send: checked before a byte is written, and written whole or not at all.

use core::{fmt, str};

use super::grammar::{is_header_value, is_token};
use crate::{Storage, storage::StorageFull};

/// Adds what `render` gives to the store, if `behind` more bytes are free after it; otherwise nothing.
pub(crate) fn write<S: Storage>(
    store: &mut S,
    behind: usize,
    render: impl Fn(&mut dyn FnMut(&[u8])),
) -> Result<(), NotWritten> {
    let mut len = 0_usize;
    render(&mut |part| len = len.saturating_add(part.len()));
    let needed = store.bytes().len().saturating_add(len).saturating_add(behind);
    let capacity = store.capacity();
    if needed > capacity {
        return Err(NotWritten::TooSmall { needed, capacity });
    }
    // It fits, but an allocator may have no memory for it.
    let mut written = store.reserve(len);
    render(&mut |part| written = written.and_then(|()| store.append(part)));
    written.map_err(|StorageFull| NotWritten::OutOfMemory)
}

/// Why a head was not written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotWritten {
    TooSmall { needed: usize, capacity: usize },
    OutOfMemory,
}

/// Writes a header.
pub(crate) fn header(out: &mut dyn FnMut(&[u8]), name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out(part);
    }
}

pub(crate) fn headers(out: &mut dyn FnMut(&[u8]), headers: &[(&str, &str)]) {
    for (name, value) in headers {
        header(out, name, value.as_bytes());
    }
}

/// The digits of `number`.
pub(crate) fn decimal(mut number: usize, room: &mut [u8; 20]) -> &[u8] {
    let mut digits = 0;
    for byte in room.iter_mut().rev() {
        *byte = b'0' + (number % 10) as u8;
        digits += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    room.get(room.len() - digits..).unwrap_or_default()
}

/// The headers that only the handshake itself sets, with those that begin with `Sec-WebSocket-`.
const HANDSHAKE_HEADERS: [&str; 6] = ["Connection", "Content-Length", "Host", "Origin", "Transfer-Encoding", "Upgrade"];

/// Checks headers that a caller adds to the opening handshake.
pub(crate) fn check_handshake_headers(headers: &[(&str, &str)]) -> Result<(), InvalidHeader> {
    check_headers(headers, &HANDSHAKE_HEADERS)?;
    match headers.iter().position(|(name, _)| starts_with_ignore_case(name, "Sec-WebSocket-")) {
        Some(index) => Err(InvalidHeader::Reserved { index }),
        None => Ok(()),
    }
}

pub(crate) fn check_headers(headers: &[(&str, &str)], reserved: &[&str]) -> Result<(), InvalidHeader> {
    for (index, (name, value)) in headers.iter().enumerate() {
        if !is_token(name.as_bytes()) {
            return Err(InvalidHeader::Name { index });
        }
        if !is_header_value(value.as_bytes()) {
            return Err(InvalidHeader::Value { index });
        }
        if reserved.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(InvalidHeader::Reserved { index });
        }
    }
    Ok(())
}

/// The headers of a connection of HTTP/1.1 that a caller may add there, but not in a list (RFC 9113 §8.2.2).
pub(crate) const CONNECTION_HEADERS: [&str; 2] = ["Keep-Alive", "Proxy-Connection"];

/// Checks headers that a caller adds to a list of HTTP/2 or HTTP/3, after [`check_handshake_headers`]: "Field names
/// MUST be converted to lowercase", and "A field value MUST NOT start or end with an ASCII whitespace character" (RFC
/// 9113 §8.2, §8.2.1).
pub(crate) fn check_list_headers(headers: &[(&str, &str)]) -> Result<(), InvalidHeader> {
    for (index, (name, value)) in headers.iter().enumerate() {
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidHeader::Capital { index });
        }
        if has_space_around(value) {
            return Err(InvalidHeader::Value { index });
        }
        if CONNECTION_HEADERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            return Err(InvalidHeader::Reserved { index });
        }
    }
    Ok(())
}

pub(crate) fn has_space_around(value: &str) -> bool {
    value.as_bytes().trim_ascii().len() < value.len()
}

fn starts_with_ignore_case(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Why a header that the caller gave can't be sent. `index` is its place in the list, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is not a token: it is empty, or has a character that no header's name has (RFC 9110 §5.6.2).
    Name {
        /// Which of the headers.
        index: usize,
    },
    /// The value has a control character other than the tab (RFC 9110 §5.5). With CR and LF it could add headers. Or
    /// it has space around it, in a list of HTTP/2 (RFC 9113 §8.2.1).
    Value {
        /// Which of the headers.
        index: usize,
    },
    /// The name has a capital letter, which HTTP/2 does not allow.
    Capital {
        /// Which of the headers.
        index: usize,
    },
    /// The library sets this header itself, where it is needed.
    Reserved {
        /// Which of the headers.
        index: usize,
    },
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { index } => write!(f, "invalid name of header {index} (only a token)"),
            Self::Value { index } => write!(f, "invalid value of header {index} (no control character but the tab)"),
            Self::Capital { index } => write!(f, "name of header {index} has a capital letter (none in HTTP/2)"),
            Self::Reserved { index } => write!(f, "header {index} must not be given (it is set where it is needed)"),
        }
    }
}

impl core::error::Error for InvalidHeader {}
