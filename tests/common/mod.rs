//! Code that the tests share.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

pub mod cuts;
mod feed;
mod frames;
pub mod heads;
mod open;
mod store;

pub use feed::{Mode, Seen, Trace, close, feed, text};
pub use frames::{Part, encode, frame, frames, header};
#[cfg(feature = "alloc")]
pub use open::free_spare;
pub use open::{ClientEnd, Keys, Opening, ServerEnd, keys, open, open_between, open_in};
pub use store::{Fixed, Store, fixed, store, store_of, stores};
