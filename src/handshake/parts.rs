//! A head that somebody else has parsed: its parts are checked, and stored as lines.

use super::http1::{
    collect::{HeadError, MalformedHead, room},
    grammar::{is_header_value, is_token},
};
use crate::{Config, Storage, storage::StorageFull};

/// A store that takes the parts of a head.
pub(crate) struct Parts<'s, S> {
    store: &'s mut S,
    max_head: usize,
    max_headers: usize,
    headers: usize,
    /// The last line is a cookie to which others may be added.
    is_cookie: bool,
}

impl<'s, S: Storage> Parts<'s, S> {
    /// Adds the first line. What is in the store is dropped.
    pub(crate) fn new(store: &'s mut S, config: &Config, first_line: &[&[u8]]) -> Result<Self, HeadError> {
        store.clear(usize::MAX);
        let (max_head, max_headers) = (config.max_head, config.max_headers);
        let mut parts = Self { store, max_head, max_headers, headers: 0, is_cookie: false };
        first_line.iter().try_for_each(|part| parts.put(part))?;
        Ok(parts)
    }

    /// Adds a header, if its name and its value are those of a header.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        self.is_cookie = false;
        if self.headers == self.max_headers {
            return Err(HeadError::TooManyHeaders { limit: self.max_headers });
        }
        self.headers += 1;
        if !is_token(name) {
            return Err(MalformedHead::HeaderName.into());
        }
        self.put(b"\r\n")?;
        self.put(name)?;
        self.value(b": ", value)
    }

    /// Adds a cookie of a list of headers. A browser may send each cookie as a header of its own; those that follow
    /// each other become one: "these MUST be concatenated into a single octet string using the two-octet delimiter of
    /// 0x3b, 0x20" (RFC 9113 §8.2.3).
    pub(crate) fn cookie(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.is_cookie {
            return self.value(b"; ", value);
        }
        self.header(b"cookie", value)?;
        self.is_cookie = true;
        Ok(())
    }

    fn value(&mut self, before: &[u8], value: &[u8]) -> Result<(), HeadError> {
        // One line must not become two.
        if !is_header_value(value) {
            return Err(MalformedHead::HeaderValue.into());
        }
        self.put(before)?;
        self.put(value)
    }

    /// Ends the head.
    pub(crate) fn end(mut self) -> Result<(), HeadError> {
        self.put(b"\r\n\r\n")
    }

    fn put(&mut self, part: &[u8]) -> Result<(), HeadError> {
        let (room, too_large) = room(self.store, self.store.bytes().len(), self.max_head);
        if part.len() > room {
            return Err(too_large);
        }
        self.store.append(part).map_err(|StorageFull| HeadError::OutOfMemory)
    }
}
