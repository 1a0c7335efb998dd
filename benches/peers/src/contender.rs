//! What a contender is: something that opens connections over the [`Socket`].

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

/// A connection at work: each call does all there is to do now, and returns when the socket would block.
pub type Turn = Box<dyn FnMut(&mut Seen)>;

/// Each method opens a connection for one kind of work; `None` where the contender has no such thing.
///
/// What a method's connection does is whole: messages come complete, unmasked and with their UTF-8 checked, and pings
/// are answered.
pub trait Contender {
    fn name(&self) -> &'static str;

    /// A turn receives all messages that have come.
    fn receive(&self, _: Receive, _: Socket) -> Option<Turn> {
        None
    }

    /// A turn sends some messages, and flushes.
    fn send(&self, _: Send, _: Socket) -> Option<Turn> {
        None
    }

    /// A turn sends back all messages that have come, and flushes.
    fn echo(&self, _: Socket) -> Option<Turn> {
        None
    }

    /// A turn opens a connection as the server, and drops it.
    fn handshake(&self, _: Socket) -> Option<Turn> {
        None
    }

    /// How many connections there can be at once without trouble.
    fn most_connections(&self) -> usize {
        1000
    }

    /// What an idle connection holds, of those whose memory the harness can't see.
    fn idle_bytes(&self) -> Option<usize> {
        None
    }

    /// The size of what a server holds for each connection, without the socket; `None` if that is in the heap already,
    /// as a part of a [`task`].
    fn size(&self) -> Option<usize> {
        None
    }

    /// Whether it is a library in Rust that gives its user whole messages, in order and joined. What it leaves to the
    /// user otherwise, the code here does.
    fn is_complete(&self) -> bool {
        false
    }

    /// Whether it knows about messages. What does not only moves bytes, and there is nothing to check.
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
    /// How long the longest message is.
    pub len: usize,
    /// Messages are compressed.
    pub deflate: Option<Takeover>,
}

#[derive(Clone)]
pub struct Send {
    pub role: Role,
    pub kind: Kind,
    /// One after the other, and round again.
    pub payloads: Vec<Bytes>,
    /// How many messages there are to a flush.
    pub flush: usize,
    /// Messages are to be compressed.
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
    /// Of kinds and contents, when they are checked.
    pub hash: Option<Hash>,
}

/// FNV-1a, in 64 bits.
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

/// What a future gives at once, without a runtime; `None` if it would wait.
#[inline]
pub fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// The same for a connection that lives in one future as long as it lasts, and is polled once a turn. It tells what it
/// has seen through the cell that it is given.
pub fn task<F: Future + 'static>(connection: impl FnOnce(Rc<RefCell<Seen>>) -> F) -> Turn {
    let cell = Rc::new(RefCell::new(Seen::default()));
    let mut future = Box::pin(connection(cell.clone()));
    Box::new(move |seen| {
        mem::swap(seen, &mut cell.borrow_mut());
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        mem::swap(seen, &mut cell.borrow_mut());
        assert!(polled.is_pending(), "a connection has ended");
    })
}

/// The payloads to send next, round and round.
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

    /// The next ones.
    #[inline]
    pub fn several<const COUNT: usize>(&mut self) -> [&T; COUNT] {
        let Self { items, next } = self;
        array::from_fn(|_| black_box(&items[advance(next, items.len())]))
    }
}

/// The index that was next; next is the one behind it.
#[inline]
fn advance(next: &mut usize, len: usize) -> usize {
    let index = *next;
    *next = if index + 1 == len { 0 } else { index + 1 };
    index
}
