use crate::storage::SMALL;

/// The limits of a connection and its handshake, and the memory that it keeps.
///
/// The defaults are meant for a server on the internet:
///
/// | | default | over the limit |
/// |-|-|-|
/// | [`max_head`](Self::max_head) | 16 KiB | refusal with status 431 (client: the handshake fails) |
/// | [`max_headers`](Self::max_headers) | 128 | the same |
/// | [`max_frame`](Self::max_frame) | follows from `max_message` | failure with code 1009, at the frame's header |
/// | [`max_message`](Self::max_message) | 1 MiB | failure with code 1009, at the frame's header |
/// | [`max_fragments`](Self::max_fragments) | 4096 | failure with code 1008, at the fragment's first byte |
/// | [`high_water`](Self::high_water) | 2 MiB | sending returns an error, and the output is unchanged |
/// | [`keep`](Self::keep) | 1 KiB in the sender, 0 in the receiver | memory is released |
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
    pub(crate) deflate: Option<crate::deflate::Config>,
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// Returns the defaults.
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

    /// Limits the head of a handshake's request or response, in bytes, including its empty line.
    ///
    /// A client also counts the heads of interim (1xx) responses.
    pub const fn max_head(mut self, bytes: usize) -> Self {
        self.max_head = bytes;
        self
    }

    /// Limits the number of headers in a handshake's request or response.
    ///
    /// A browser's request can have about a hundred headers when several proxies, a service mesh and tracing have added
    /// their own.
    pub const fn max_headers(mut self, count: usize) -> Self {
        self.max_headers = count;
        self
    }

    /// Limits the payload of one text, binary or continuation frame, in bytes.
    ///
    /// The default follows from [`max_message`](Self::max_message): a frame may be as long as a message. If compression
    /// was agreed on, a compressed frame may be about a seventh longer, because deflate can make payload longer.
    pub const fn max_frame(mut self, bytes: u64) -> Self {
        self.max_frame = Some(bytes);
        self
    }

    /// Limits a message, in bytes over all its fragments.
    ///
    /// The limit counts for whole messages and for those delivered as [chunks](crate::Receiver::next_chunk). [Whole
    /// messages](crate::Receiver::next_message) are also limited by the capacity of the receiver's store, even those
    /// that arrive in one read and are not stored: whether a message is accepted must not depend on the cuts.
    pub const fn max_message(mut self, bytes: u64) -> Self {
        self.max_message = bytes;
        self
    }

    /// Limits the number of frames in one message, including empty ones.
    ///
    /// The first frame is always allowed: 0 means 1.
    pub const fn max_fragments(mut self, count: u32) -> Self {
        self.max_fragments = count;
        self
    }

    /// Limits the backlog, which is the number of bytes that wait for the transport.
    ///
    /// A message is always accepted if nothing waits. So a peer that reads slowly can make this many bytes wait, or one
    /// message, whichever is larger. The capacity of the `Vec` in which they wait may be up to four times the backlog;
    /// a `Vec` of at most 1 MiB may even have twenty times the backlog, because it may be spare memory.
    ///
    /// A loop that answers all messages of a read before it writes, as an echo does, needs a limit above the size of
    /// the largest message plus one read. Pongs have a lower limit of their own: see
    /// [`Sender::reply`](crate::Sender::reply).
    pub const fn high_water(mut self, bytes: usize) -> Self {
        self.high_water = bytes;
        self
    }

    /// Limits the memory, in bytes, that each half keeps for its next message.
    ///
    /// A half that holds no message keeps its memory if the memory is at most this large; it releases larger memory.
    /// With `std`, released memory becomes spare memory of the calling thread, which lends it to the next of its
    /// connections that needs memory. So a warm loop allocates nothing for messages of up to 1 MiB, with the default
    /// and with 0. A thread has at most two pieces of spare memory of each of five sizes: up to 1 KiB, 8 KiB, 65 KiB,
    /// 520 KiB and 1 MiB. It lends at most twenty times the bytes that were received or sent, or 1 KiB. Without `std`,
    /// released memory is freed, and the next message allocates.
    ///
    /// | limit | an idle connection has | a warm loop allocates (`std`) |
    /// |-|-|-|
    /// | default | up to 1 KiB, after it has sent something | nothing |
    /// | 0 | nothing | nothing; each flush takes about 100 instructions more |
    /// | the size of a message | that memory, in each half that used it | nothing, even without spare memory |
    ///
    /// [`Receiver::release`](crate::Receiver::release) and [`Sender::release`](crate::Sender::release) free the memory
    /// that is kept, and the spare memory of the thread. Call them in a thread that is idle, or that has only this
    /// connection.
    pub const fn keep(mut self, bytes: usize) -> Self {
        (self.keep, self.keep_output) = (bytes, bytes);
        self
    }

    /// Agrees on compression with peers that support it (permessage-deflate, RFC 7692).
    ///
    /// [`max_frame`](Self::max_frame) then limits the compressed payload of frames. If you set it, set it a little
    /// higher than [`max_message`](Self::max_message), because payload that cannot be compressed gets longer.
    /// `max_message` limits messages without compression, and is enforced during decompression.
    ///
    /// A limit of your own on the work for a peer should count the bytes of messages, not the bytes of reads: a
    /// thousand compressed bytes may become a million.
    #[cfg(feature = "deflate")]
    pub const fn deflate(mut self, deflate: crate::deflate::Config) -> Self {
        self.deflate = Some(deflate);
        self
    }
}
