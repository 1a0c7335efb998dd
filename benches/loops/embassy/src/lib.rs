//! `examples/embassy` with edge-ws and edge-http. It needs no allocator, either.

#![no_std]

pub mod server;
