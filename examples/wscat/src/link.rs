//! The sending half of the connection, shared by all who have something to send.
//!
//! | thread | here |
//! |-|-|
//! | stdin | sends messages; waits while too much waits for the socket |
//! | main | hands over the receiver's replies; never waits |
//! | writer | takes what is pending, and writes it to the socket |
//!
//! Why not a channel to the writer? It would have to be unbounded for the replies, which must never make the receiver
//! wait: then a peer that sends pings and reads nothing fills our memory. The [`Sender`] knows how to bound them.

use std::{
    error::Error,
    fmt::{self, Display},
    io::{self, Write},
    net::TcpStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use websocket_proto::{Client, Reply, SendError, Sender, SystemRandom, Transport, frame::CloseCode};

/// How much is written at a time. Small, so that a slow network still shows some progress every few seconds.
const WRITE: usize = 16 << 10;

pub(crate) type ClientSender = Sender<Client<SystemRandom>, Vec<u8>>;

pub(crate) struct Link {
    state: Mutex<State>,
    /// Something has become pending, or was written.
    changed: Condvar,
}

struct State {
    sender: ClientSender,
    /// How many bytes the socket has taken.
    written: u64,
    /// Where in them our own Close ends.
    close_ends: u64,
    /// The code in our own Close.
    close_code: Option<CloseCode>,
    lines_failed: bool,
}

impl Link {
    pub(crate) fn new(sender: ClientSender) -> Self {
        Self {
            state: Mutex::new(State {
                sender,
                written: 0,
                close_ends: u64::MAX,
                close_code: None,
                lines_failed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Sends something, as soon as the socket has taken enough of what was sent before: so a pipe into stdin runs at
    /// the peer's pace, and memory stays bounded.
    pub(crate) fn send<E: Into<NotSent>>(
        &self,
        mut send: impl FnMut(&mut ClientSender) -> Result<(), E>,
    ) -> Result<(), NotSent> {
        let mut state = self.lock();
        loop {
            match send(&mut state.sender).map_err(E::into) {
                Err(NotSent::Backlog) => state = self.wait(state),
                result => {
                    self.changed.notify_all();
                    return result;
                }
            }
        }
    }

    /// Sends a Close, behind all that was sent before.
    pub(crate) fn close(&self, close: Option<(CloseCode, &str)>) -> Result<(), NotSent> {
        let mut state = self.lock();
        match close {
            Some((code, reason)) => state.sender.close(code, reason)?,
            None => state.sender.close_without_code()?,
        }
        state.close_code = close.map(|(code, _)| code);
        state.close_ends = state.written + state.sender.pending().len() as u64;
        self.changed.notify_all();
        Ok(())
    }

    /// Takes a reply of the receiver's.
    pub(crate) fn reply(&self, reply: Reply<'_>) {
        self.lock().sender.reply(reply);
        self.changed.notify_all();
    }

    /// Writes whatever becomes pending, for ever.
    pub(crate) fn write_to(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(WRITE);
        loop {
            let mut state = self.lock();
            while state.sender.is_empty() {
                state = self.wait(state);
            }
            let pending = state.sender.pending();
            bytes.clear();
            bytes.extend_from_slice(&pending[..pending.len().min(WRITE)]);
            drop(state);

            // Without the lock, because it may take for ever: if the receiver had to wait for it with its reply, and the
            // peer did not read before we do, nobody would.
            socket.write_all(&bytes)?;
            socket.flush()?;

            // More may have become pending meanwhile, but always behind this.
            let mut state = self.lock();
            state.sender.consume(bytes.len());
            state.written += bytes.len() as u64;
            self.changed.notify_all();
        }
    }

    /// What to do with the socket now.
    pub(crate) fn transport(&self) -> Transport {
        self.lock().sender.transport()
    }

    /// How many bytes the socket has taken of what we had to say. Pongs that follow our Close are not of these: a peer that only pings
    /// gets on with nothing.
    pub(crate) fn written(&self) -> u64 {
        let state = self.lock();
        state.written.min(state.close_ends)
    }

    /// The code that we have closed with, if any.
    pub(crate) fn close_code(&self) -> Option<CloseCode> {
        self.lock().close_code
    }

    /// Notes that a line from stdin came to nothing.
    pub(crate) fn line_failed(&self) {
        self.lock().lines_failed = true;
    }

    /// Whether a line from stdin came to nothing.
    pub(crate) fn lines_failed(&self) -> bool {
        self.lock().lines_failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why something was not sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// Too much waits for the socket: later.
    Backlog,
    /// The connection is closing: never.
    Closing,
    /// It can't be sent as it is.
    Invalid(Box<dyn Error>),
}

impl From<SendError> for NotSent {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Backlog { .. } => Self::Backlog,
            SendError::Closing => Self::Closing,
            error => Self::Invalid(error.into()),
        }
    }
}

impl Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backlog => f.write_str("too much waits for the socket"),
            Self::Closing => f.write_str("the connection is closing"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl Error for NotSent {}
