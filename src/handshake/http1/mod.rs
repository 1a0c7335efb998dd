//! Heads of HTTP/1.1 (RFC 9112): collected from reads, parsed, looked up, written.

pub(super) mod collect;
pub(super) mod grammar;
pub(super) mod headers;
pub(super) mod parse;
pub(super) mod write;
