//! WebSockets over TLS with rustls: four ends to be copied, each with its deadlines, and one room for who is trusted.
//!
//! | | blocking | tokio |
//! |-|-|-|
//! | server | [`blocking_server`] | [`tokio_server`] |
//! | client | [`blocking_client`] | [`tokio_client`] |
//! | how they write | [`blocking_records`] | [`tokio_records`] |
//! | deadlines | of the socket: [`timed`] | of tokio |
//!
//! All have their configuration from [`trust`].
//!
//! TLS changes three things in a loop:
//!
//! - TLS keeps bytes until they are flushed. So a loop flushes them before it waits.
//! - TLS has plaintext that was read from the socket already. So no end waits for the socket to be ready; it reads from
//!   the stream.
//! - TLS says how the stream has ended. After a Close this does not matter. Before it, the connection is lost in either
//!   case, with a `close_notify` and without.

pub mod blocking_client;
pub mod blocking_records;
pub mod blocking_server;
pub mod timed;
pub mod tokio_client;
pub mod tokio_records;
pub mod tokio_server;
pub mod trust;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/tls.md")]
struct Page;
