//! `examples/embassy` with edge-ws and edge-http. It needs no allocator, either.
//!
//! It passes the same tests. It would need more code to do the rest of what the example does:
//!
//! - It hears a peer only when a frame is complete, and drops one that needs longer for a frame.
//! - It refuses browsers that send `Connection: keep-alive, Upgrade`. It accepts a key that is none, and its response
//!   has a `Content-Length`. A request without a key, or with another version, gets no response.
//! - It accepts a Ping without FIN, a length that is not in its shortest form, any number of fragments, and a Close with
//!   any code, one byte, or a reason that is not UTF-8.
//! - It checks the UTF-8 of a text only at its end.

#![no_std]

pub mod server;
