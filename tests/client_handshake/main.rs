//! The client's opening handshake, row by row: C1–C8 of the conformance table, and the attacks on a handshake.
//!
//! A row is a response and its expected outcome. Each is fed in every cut, and with a frame behind it.

#[path = "../common/mod.rs"]
mod common;

mod harness;
mod no_response;
mod properties;
mod requests;
mod responses;
mod stores;
