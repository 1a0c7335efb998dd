use crate::storage::SMALL;

/// The limits of a connection and its handshake, and what it keeps in memory.
///
/// The defaults are meant for a server that faces the internet:
///
/// | | default | over it |
/// |-|-|-|
/// | [`max_head`](Self::max_head) | 16 KiB | refused with 431 (client: the handshake fails) |
/// | [`max_headers`](Self::max_headers) | 128 | the same |
/// | [`max_frame`](Self::max_frame) | as `max_message` | failed with 1009, at the frame's header |
/// | [`max_message`](Self::max_message) | 1 MiB | failed with 1009, at the frame's header |
/// | [`max_fragments`](Self::max_fragments) | 4096 | failed with 1008, at the fragment's first byte |
/// | [`high_water`](Self::high_water) | 2 MiB | sending is refused, the message stays the caller's |
/// | [`keep`](Self::keep) | 1 KiB of the sender's output, nothing else | memory goes back |
///
/// ```
/// use websocket_proto::Config;
///
/// const CONFIG: Config = Config::new().max_message(64 << 10).keep(4 << 10);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "it is given to a handshake"]
pub struct Config {
    pub(crate) max_head: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_frame: Option<u64>,
    pub(crate) max_message: u64,
    pub(crate) max_fragments: u32,
    pub(crate) high_water: usize,
    pub(crate) keep: usize,
    pub(crate) keep_output: usize,
    #[cfg(feature = "deflate")]
    pub(crate) deflate: Option<crate::deflate::Deflate>,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            max_head: 16 << 10,
            max_headers: 128,
            max_frame: None,
            max_message: 1 << 20,
            max_fragments: 4096,
            high_water: 2 << 20,
            keep: 0,
            keep_output: SMALL,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }

    /// The longest head of a handshake's request or response, in bytes with its closing empty line. A client counts
    /// the interim (1xx) responses before it too.
    pub const fn max_head(mut self, bytes: usize) -> Self {
        self.max_head = bytes;
        self
    }

    /// The most headers that a handshake's request or response may have. A browser behind proxies, a mesh and tracing
    /// sends about a hundred.
    pub const fn max_headers(mut self, count: usize) -> Self {
        self.max_headers = count;
        self
    }

    /// The largest payload of one text, binary or continuation frame, in bytes.
    ///
    /// By default it follows from [`max_message`](Self::max_message): a frame may be as long as a message, and where
    /// compression was agreed on, an eighth and a little longer, because deflate adds that to bytes that it can't make
    /// shorter.
    pub const fn max_frame(mut self, bytes: u64) -> Self {
        self.max_frame = Some(bytes);
        self
    }

    /// The largest message, in bytes over all its fragments; also of one that is [streamed](crate::Receiver::next_chunk).
    ///
    /// For [whole messages](crate::Receiver::next_message) the receiver's store is a limit too, also for a message that
    /// would not need it because it came in one read: what is accepted must not depend on how bytes are cut.
    pub const fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes;
        self
    }

    /// The most frames that one message may have, empty ones counted. The first is always allowed: 0 means 1.
    pub const fn max_fragments(mut self, count: u32) -> Self {
        self.max_fragments = count;
        self
    }

    /// How many bytes may wait for the socket before sending is refused.
    ///
    /// A message that finds nothing waiting is always accepted, so what a slow reader can make wait is this much or one message,
    /// whichever is larger. The `Vec` that it waits in may have room for up to twenty times as much, but then for at most
    /// 1 MiB, and otherwise for up to four times as much. A loop that answers messages before it writes, as an echo does,
    /// needs a mark above the largest message and one read. Pongs have a lower mark of their own: see
    /// [`Sender::reply`](crate::Sender::reply).
    pub const fn high_water(mut self, bytes: usize) -> Self {
        self.high_water = bytes;
        self
    }

    /// How many bytes of memory each half may keep for the next message when it has none in flight.
    ///
    /// Memory of this size stays where it is; larger memory is given back. With `std` it is given to the calling thread,
    /// which lends it to the next of its connections that needs some. So with the defaults, and with 0 as well, a loop
    /// that is warm allocates nothing for messages of up to 1 MiB. A thread has at most two pieces of memory of each of
    /// five sizes: 1 KiB, 8, 65 and 520 KiB, and 1 MiB. It lends at most 1 KiB, or twenty times as much as was received
    /// or sent. Without `std` memory is freed, and the next message allocates.
    ///
    /// | | an idle connection has | a warm loop allocates (`std`) |
    /// |-|-|-|
    /// | by default | up to 1 KiB, once it has sent something | nothing |
    /// | 0 | nothing | nothing; each flush takes some 100 instructions longer |
    /// | as much as a message needs | that memory, in each half that used it | nothing, even if other connections use up what the thread has |
    ///
    /// [`Receiver::release`](crate::Receiver::release) and [`Sender::release`](crate::Sender::release) free what was kept
    /// and what the thread has to spare. That is for a thread that has nothing to do, or only this connection.
    pub const fn keep(mut self, bytes: usize) -> Self {
        (self.keep, self.keep_output) = (bytes, bytes);
        self
    }

    /// Agree on compression with peers that have it (permessage-deflate, RFC 7692).
    ///
    /// [`max_frame`](Self::max_frame) then limits frames as they are received, compressed. If you set it, let it be a
    /// little larger than the messages, because what can't be compressed gets longer.
    /// [`max_message`](Self::max_message) limits messages as they were before compression, and is enforced while they
    /// are decompressed. A limit on what a peer may make you do should count messages, not bytes from the socket: a
    /// thousand bytes of a frame may become a million.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: crate::deflate::Deflate) -> Self {
        self.deflate = Some(deflate);
        self
    }
}
