//! The client's opening handshake, row by row: C1–C9 of the conformance table, and the attacks on a handshake.
//!
//! A row is a response and its expected outcome. Each is fed in every cut, and with a frame behind it.

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod no_response;
mod offer;
mod properties;
#[cfg(feature = "alloc")]
mod redirect;
mod requests;
mod responses;
mod stores;
