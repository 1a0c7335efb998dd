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
}

impl<'s, S: Storage> Parts<'s, S> {
    /// What is in the store is dropped.
    pub(crate) fn new(store: &'s mut S, config: &Config) -> Self {
        store.clear(usize::MAX);
        Self { store, max_head: config.max_head, max_headers: config.max_headers, headers: 0 }
    }

    /// Adds the first line.
    pub(crate) fn first_line(&mut self, parts: &[&[u8]]) -> Result<(), HeadError> {
        parts.iter().chain(&[&b"\r\n"[..]]).try_for_each(|part| self.put(part))
    }

    /// Adds a header, if its name and its value are those of a header.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if self.headers == self.max_headers {
            return Err(HeadError::TooManyHeaders { limit: self.max_headers });
        }
        self.headers += 1;
        if !is_token(name) {
            return Err(MalformedHead::HeaderName.into());
        }
        // One line must not become two.
        if !is_header_value(value) {
            return Err(MalformedHead::HeaderValue.into());
        }
        [name, b": ", value, b"\r\n"].iter().try_for_each(|part| self.put(part))
    }

    /// Ends the head.
    pub(crate) fn end(mut self) -> Result<(), HeadError> {
        self.put(b"\r\n")
    }

    fn put(&mut self, part: &[u8]) -> Result<(), HeadError> {
        let (room, too_large) = room(self.store, self.store.bytes().len(), self.max_head);
        if part.len() > room {
            return Err(too_large);
        }
        self.store.append(part).map_err(|StorageFull| HeadError::OutOfMemory)
    }
}
