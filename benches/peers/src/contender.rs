//! A contender opens connections over the [`Socket`].

use std::{
    array,
    cell::RefCell,
    hint::black_box,
    mem,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use crate::socket::Socket;

/// A connection at work. Each call does everything that can be done now, and returns when the socket would block.
pub type Turn = Box<dyn FnMut(&mut Seen)>;

/// Each method opens a connection for one kind of work. `None`: the contender cannot do this work.
///
/// Every connection does all of the work. It delivers whole messages, unmasks them, checks the UTF-8 of text and
/// answers pings.
pub trait Contender {
    fn name(&self) -> &'static str;

    /// A turn receives all messages that are there.
    fn receive(&self, _: Receive, _: Socket) -> Option<Turn> {
        None
    }

    /// A turn sends some messages, and flushes.
    fn send(&self, _: Send, _: Socket) -> Option<Turn> {
        None
    }

    /// A turn sends back all messages that are there, and flushes.
    fn echo(&self, _: Socket) -> Option<Turn> {
        None
    }

    /// A turn opens a connection as a server, and drops it.
    fn handshake(&self, _: Socket) -> Option<Turn> {
        None
    }

    /// The most connections that there can be at once.
    fn most_connections(&self) -> usize {
        1000
    }

    /// The memory of an idle connection, for contenders whose allocations the harness cannot count.
    fn idle_bytes(&self) -> Option<usize> {
        None
    }

    /// The size of the value that a server holds for each connection, without the socket. `None` if this value is on
    /// the heap, as a part of a [`task`].
    fn size(&self) -> Option<usize> {
        None
    }

    /// Whether this is a Rust library that gives its user whole messages, with the fragments joined in order. For the
    /// others, the code here does what they leave to their users.
    fn is_complete(&self) -> bool {
        false
    }

    /// Whether it knows messages. A contender that does not only moves bytes, and nothing can be checked.
    fn knows_messages(&self) -> bool {
        true
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Server,
    Client,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    Binary,
}

#[derive(Clone, Copy)]
pub struct Receive {
    pub role: Role,
    pub kind: Kind,
    /// The length of the longest message.
    pub len: usize,
    /// `Some` if messages are compressed.
    pub deflate: Option<Takeover>,
}

#[derive(Clone)]
pub struct Send {
    pub role: Role,
    pub kind: Kind,
    /// They are sent in this order. After the last one comes the first again.
    pub payloads: Vec<Bytes>,
    /// The number of messages before each flush.
    pub flush: usize,
    /// `Some` if messages must be compressed.
    pub deflate: Option<Takeover>,
}

/// Whether messages may refer to earlier ones, in both directions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Takeover(pub bool);

/// What has been delivered.
#[derive(Default)]
pub struct Seen {
    pub messages: usize,
    pub bytes: usize,
    /// The hash of all kinds and contents, if they are checked.
    pub hash: Option<Hash>,
}

/// FNV-1a with 64 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(pub u64);

impl Hash {
    const EMPTY: Self = Self(0xCBF2_9CE4_8422_2325);

    fn and(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
    }
}

impl Seen {
    pub fn checked() -> Self {
        Self { hash: Some(Hash::EMPTY), ..Self::default() }
    }

    /// A message was delivered.
    #[inline]
    pub fn message(&mut self, kind: Kind, payload: &[u8]) {
        self.messages += 1;
        self.bytes += black_box(payload).len();
        if self.hash.is_some() {
            self.look_at(kind, payload);
        }
    }

    #[cold]
    fn look_at(&mut self, kind: Kind, payload: &[u8]) {
        if let Some(hash) = &mut self.hash {
            let kind = if kind == Kind::Text { 1 } else { 2 };
            *hash = payload.iter().fold(hash.and(kind), |hash, byte| hash.and(*byte));
        }
    }

    pub fn same(&self, other: &Self) -> bool {
        self.messages == other.messages && self.bytes == other.bytes && self.hash == other.hash
    }
}

/// Polls a future once, without a runtime. `None` if it has to wait.
#[inline]
pub fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// For a connection that is one future. Each turn polls it once. The future counts what it has seen in the cell that it
/// is given.
pub fn task<F: Future + 'static>(connection: impl FnOnce(Rc<RefCell<Seen>>) -> F) -> Turn {
    let cell = Rc::new(RefCell::new(Seen::default()));
    let mut future = Box::pin(connection(cell.clone()));
    Box::new(move |seen| {
        mem::swap(seen, &mut cell.borrow_mut());
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        mem::swap(seen, &mut cell.borrow_mut());
        assert!(polled.is_pending(), "the connection has ended");
    })
}

/// Payloads to send, again and again in the same order.
pub struct Cycle<T> {
    items: Vec<T>,
    next: usize,
}

impl<T> Cycle<T> {
    pub fn new(items: impl IntoIterator<Item = T>) -> Self {
        Self { items: items.into_iter().collect(), next: 0 }
    }

    #[inline]
    pub fn next(&mut self) -> &T {
        let [item] = self.several();
        item
    }

    /// The next `COUNT` items.
    #[inline]
    pub fn several<const COUNT: usize>(&mut self) -> [&T; COUNT] {
        let Self { items, next } = self;
        array::from_fn(|_| black_box(&items[advance(next, items.len())]))
    }
}

/// Returns the index, and moves it on to the next item or to the first.
#[inline]
fn advance(next: &mut usize, len: usize) -> usize {
    let index = *next;
    *next = if index + 1 == len { 0 } else { index + 1 };
    index
}
