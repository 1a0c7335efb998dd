//! A WebSocket server and a client for embassy that need no allocator. To be copied: `server.rs` or `client.rs`, and
//! `stream.rs`.

#![no_std]
#![warn(missing_docs)]

pub mod client;
#[cfg(not(target_os = "none"))]
pub mod host;
pub mod server;
pub mod stream;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/with-embassy.md")]
struct Page;
