//! The server's opening handshake, row by row: S1–S17 of the conformance table, and the attacks on a handshake.
//!
//! A row is a request and its expected outcome. Each is fed in every cut, with a frame behind it, and, if it can be
//! expressed in parts, through [`Request::from_parts`](websocket_proto::server::Request::from_parts).

#[path = "../common/mod.rs"]
mod common;

mod acceptance;
mod from_parts;
mod harness;
mod header_list;
mod limits;
mod properties;
mod refusals;
mod responses;
mod stores;
