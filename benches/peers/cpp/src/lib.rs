//! WebSocket implementations in C and C++ as contenders. They read from memory, and what they write is only counted.
//!
//! A [`Peer`] is one end of a connection after its handshake. `README.md` says what each peer does.

mod frames;
mod native;

use frames::Ends;
use std::ffi::{CStr, c_void};
use std::io::IoSlice;
use std::ptr::NonNull;
use std::{fmt, slice};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    UWebSockets,
    Wslay,
    Beast,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Server,
    Client,
}

/// What was seen in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Seen {
    /// The number of messages that were received or sent.
    pub messages: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// FNV-1a (64 bits) over all messages: for each, a byte that tells its kind (1: text, 2: binary), then its payload;
    /// see [`fnv`]. 0 if it wasn't asked for, because it takes longer than all the rest.
    pub hash: u64,
    /// The number of bytes that were written: pongs, echoes and messages.
    pub written: u64,
}

/// The hash of no messages, with which [`fnv`] begins.
pub const FNV: u64 = 0xcbf2_9ce4_8422_2325;

/// The value of [`Seen::hash`] after one more message.
pub fn fnv(hash: u64, text: bool, payload: &[u8]) -> u64 {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    payload.iter().fold(add(hash, if text { 1 } else { 2 }), |hash, byte| add(hash, *byte))
}

/// All peers, also those that are left out.
pub fn peers() -> &'static [Kind] {
    &[Kind::UWebSockets, Kind::Wslay, Kind::Beast]
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::UWebSockets => "uwebsockets",
            Self::Wslay => "wslay",
            Self::Beast => "beast",
        }
    }

    /// Whether everything that it needs was there when this crate was built.
    pub fn is_available(self) -> bool {
        self.library().is_some()
    }

    /// The version that it was built with: of Boost, or of the crate that contains uWebSockets. For wslay, the version
    /// in its header, which its authors don't always keep up to date.
    pub fn version(self) -> Option<&'static str> {
        let version = self.library()?.version;
        // SAFETY: it returns a literal.
        version.map_or(Some("libuwebsockets-sys 0.0.10"), |version| unsafe { CStr::from_ptr(version()) }.to_str().ok())
    }

    /// The bytes that the library holds for an idle connection of a server, without buffers that are shared or belong
    /// to the application. They are measured on the heap (except for uWebSockets), so other threads should not allocate
    /// meanwhile. `None` where the C library doesn't tell.
    pub fn idle_bytes(self) -> Option<usize> {
        let idle = self.library()?.idle;
        // SAFETY: it has no conditions.
        Some(unsafe { idle() }).filter(|bytes| *bytes != 0)
    }

    /// A server's handshake, from the request to the response, whose length is returned. Only Beast has it. It needs a
    /// connection, which is made here. `None` also if the request is refused, or the response does not fit.
    pub fn handshake(self, request: &[u8], response: &mut [u8]) -> Option<usize> {
        let handshake = self.library()?.handshake?;
        // SAFETY: the lengths are those of the slices that the pointers point to.
        let length = unsafe { handshake(request.as_ptr(), request.len(), response.as_mut_ptr(), response.len()) };
        (length != 0).then_some(length)
    }

    fn library(self) -> Option<native::Library> {
        native::library(self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One end of a connection, which works on one batch after another.
#[derive(Debug)]
pub struct Peer {
    kind: Kind,
    native: NonNull<c_void>,
    ends: Ends,
    failed: bool,
}

// SAFETY: nothing in it is bound to a thread.
unsafe impl Send for Peer {}

impl Peer {
    /// `None` if it was left out.
    pub fn new(kind: Kind, role: Role) -> Option<Self> {
        let library = kind.library()?;
        // SAFETY: it has no conditions.
        let native = NonNull::new(unsafe { (library.new)(role == Role::Server) })?;
        Some(Self { kind, native, ends: Ends::default(), failed: false })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Receives this many messages. `input` has whole frames, which are read again and again, at most `read` bytes at a
    /// time. The last read of a batch brings only the rest of its last message. `offset` is where in `input` the batch
    /// begins: 0, or where the last batch of the same input ended.
    ///
    /// If fewer messages are received, the peer has failed: see [`Self::has_failed`].
    ///
    /// # Panics
    ///
    /// If `input` does not consist of whole frames, or contains no whole message; if `read` is 0.
    pub fn receive(&mut self, input: &[u8], read: usize, offset: &mut usize, messages: usize, hash: bool) -> Seen {
        self.run(input, read, offset, messages, hash, false)
    }

    /// Receives messages, and sends each of them back. The echoes are written once for each read, except by Beast,
    /// which writes each by itself.
    ///
    /// # Panics
    ///
    /// As [`Self::receive`] does.
    pub fn echo(&mut self, input: &[u8], read: usize, offset: &mut usize, messages: usize, hash: bool) -> Seen {
        self.run(input, read, offset, messages, hash, true)
    }

    fn run(&mut self, input: &[u8], read: usize, offset: &mut usize, messages: usize, hash: bool, echo: bool) -> Seen {
        assert!(read != 0, "a read of 0 bytes brings nothing");
        let total = self.ends.distance(input, *offset, messages);
        let batch = native::Batch {
            input: input.as_ptr(),
            length: input.len(),
            offset: *offset,
            total,
            messages,
            read: read.min(isize::MAX as usize),
            echo,
            hash,
        };
        let mut seen = Seen::default();
        // SAFETY: `native` is alive, and only we use it; the input outlives the call, and the offset is within it.
        self.failed |= !unsafe { native::receive(self.native.as_ptr(), &batch, &mut seen) };
        *offset = (*offset + total) % input.len();
        seen
    }

    /// Sends each payload as a message. uWebSockets and wslay write `per_flush` messages together: wslay queues them,
    /// and uWebSockets is corked. uWebSockets writes earlier if its 16 KiB are full, and a server writes long messages
    /// without a copy. [`Seen::hash`] stays 0.
    pub fn send(&mut self, payloads: &[IoSlice<'_>], text: bool, per_flush: usize) -> Seen {
        let mut written = 0;
        let (first, messages) = (payloads.as_ptr(), payloads.len());
        // SAFETY: `native` is alive, and only we use it; the payloads outlive the call. On Unix an `IoSlice` is an
        // `iovec`.
        let good = unsafe { native::send(self.native.as_ptr(), first, messages, text, per_flush, &mut written) };
        self.failed |= !good;
        if !good {
            return Seen { written, ..Seen::default() };
        }
        let bytes = payloads.iter().map(|payload| payload.len() as u64).sum();
        Seen { messages: messages as u64, bytes, hash: 0, written }
    }

    /// Whether it has found something wrong with its input. After that it does nothing any more.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Sets whether written bytes are kept from now on (see [`Self::kept`]), or only counted. For tests.
    pub fn keep(&mut self, keep: bool) {
        // SAFETY: `native` is alive, and only we use it.
        unsafe { native::keep(self.native.as_ptr(), keep) };
    }

    /// The bytes that were written since [`Self::keep`] was called.
    pub fn kept(&self) -> &[u8] {
        let mut length = 0;
        // SAFETY: `native` is alive. The bytes that it returns do not change until a method with `&mut self` is called.
        unsafe {
            let data = native::kept(self.native.as_ptr(), &mut length);
            if length == 0 { &[] } else { slice::from_raw_parts(data, length) }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // SAFETY: it was made by `new`, and is not used any more.
        unsafe { native::free(self.native.as_ptr()) };
    }
}
