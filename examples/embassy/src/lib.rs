//! A WebSocket server for embassy that needs no allocator: `server.rs`, to be copied.

#![no_std]
#![warn(missing_docs)]

pub mod server;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/with-embassy.md")]
struct Page;
