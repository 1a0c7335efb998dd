//! The C ABI of `native/`.

use crate::{Kind, Seen};
use std::ffi::{c_char, c_void};
use std::io::IoSlice;

#[repr(C)]
pub(crate) struct Batch {
    pub(crate) input: *const u8,
    pub(crate) length: usize,
    pub(crate) offset: usize,
    pub(crate) total: usize,
    pub(crate) messages: usize,
    pub(crate) read: usize,
    pub(crate) echo: bool,
    pub(crate) hash: bool,
}

/// The functions that each peer has for itself.
pub(crate) struct Library {
    pub(crate) new: unsafe extern "C" fn(bool) -> *mut c_void,
    pub(crate) idle: unsafe extern "C" fn() -> usize,
    pub(crate) version: Option<unsafe extern "C" fn() -> *const c_char>,
    pub(crate) handshake: Option<unsafe extern "C" fn(*const u8, usize, *mut u8, usize) -> usize>,
}

pub(crate) fn library(kind: Kind) -> Option<Library> {
    match kind {
        #[cfg(uwebsockets)]
        Kind::UWebSockets => Some(uwebsockets()),
        #[cfg(wslay)]
        Kind::Wslay => Some(wslay()),
        #[cfg(beast)]
        Kind::Beast => Some(beast()),
        #[allow(unreachable_patterns, reason = "unreachable if all peers are there")]
        _ => None,
    }
}

#[cfg(uwebsockets)]
fn uwebsockets() -> Library {
    unsafe extern "C" {
        fn cpp_peers_uwebsockets(server: bool) -> *mut c_void;
        fn cpp_peers_uwebsockets_idle() -> usize;
    }
    Library { new: cpp_peers_uwebsockets, idle: cpp_peers_uwebsockets_idle, version: None, handshake: None }
}

#[cfg(wslay)]
fn wslay() -> Library {
    unsafe extern "C" {
        fn cpp_peers_wslay(server: bool) -> *mut c_void;
        fn cpp_peers_wslay_idle() -> usize;
        fn cpp_peers_wslay_version() -> *const c_char;
    }
    Library {
        new: cpp_peers_wslay,
        idle: cpp_peers_wslay_idle,
        version: Some(cpp_peers_wslay_version),
        handshake: None,
    }
}

#[cfg(beast)]
fn beast() -> Library {
    unsafe extern "C" {
        fn cpp_peers_beast(server: bool) -> *mut c_void;
        fn cpp_peers_beast_idle() -> usize;
        fn cpp_peers_beast_version() -> *const c_char;
        fn cpp_peers_beast_handshake(request: *const u8, length: usize, out: *mut u8, capacity: usize) -> usize;
    }
    Library {
        new: cpp_peers_beast,
        idle: cpp_peers_beast_idle,
        version: Some(cpp_peers_beast_version),
        handshake: Some(cpp_peers_beast_handshake),
    }
}

#[cfg(any(uwebsockets, wslay, beast))]
mod common {
    use super::{Batch, IoSlice, Seen, c_void};

    unsafe extern "C" {
        #[link_name = "cpp_peers_free"]
        pub(crate) fn free(peer: *mut c_void);
        #[link_name = "cpp_peers_receive"]
        pub(crate) fn receive(peer: *mut c_void, batch: *const Batch, seen: *mut Seen) -> bool;
        #[link_name = "cpp_peers_send"]
        pub(crate) fn send(
            peer: *mut c_void,
            payloads: *const IoSlice<'_>,
            messages: usize,
            text: bool,
            per_flush: usize,
            written: *mut u64,
        ) -> bool;
        #[link_name = "cpp_peers_keep"]
        pub(crate) fn keep(peer: *mut c_void, keep: bool);
        #[link_name = "cpp_peers_kept"]
        pub(crate) fn kept(peer: *const c_void, length: *mut usize) -> *const u8;
    }
}

/// Never called, because there is no peer.
#[cfg(not(any(uwebsockets, wslay, beast)))]
mod common {
    use super::{Batch, IoSlice, Seen, c_void};

    pub(crate) unsafe fn free(_: *mut c_void) {}

    pub(crate) unsafe fn receive(_: *mut c_void, _: *const Batch, _: *mut Seen) -> bool {
        false
    }

    pub(crate) unsafe fn send(_: *mut c_void, _: *const IoSlice<'_>, _: usize, _: bool, _: usize, _: *mut u64) -> bool {
        false
    }

    pub(crate) unsafe fn keep(_: *mut c_void, _: bool) {}

    pub(crate) unsafe fn kept(_: *const c_void, _: *mut usize) -> *const u8 {
        std::ptr::null()
    }
}

pub(crate) use common::{free, keep, kept, receive, send};
