//! The sending half of the connection, shared by all threads that send.
//!
//! | thread | what it does here |
//! |-|-|
//! | stdin | sends messages; waits while the backlog is too long |
//! | main | passes on the receiver's replies; never waits |
//! | writer | writes the pending bytes to the socket |
//!
//! Why not a channel to the writer? The receiver must never wait with its replies, so the channel would have to be
//! unbounded. Then a peer that sends Pings and reads nothing could fill our memory. The [`Sender`] limits its replies.

use std::{
    error::Error,
    fmt::{self, Display},
    io::{self, ErrorKind, Write},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use websocket_proto::{
    Client, Closes, Reply, SendError, Sender, SystemRandom, Transport,
    frame::CloseCode,
    time::{TimedOut, Watch},
};

use crate::{now, options::Options, socket::Socket};

/// How many bytes one write takes. Few, so that a slow network shows progress every few seconds.
const WRITE: usize = 16 << 10;

/// After so many times the limit, a server that still begins new messages does not intend to close.
const CLOSING_LIMITS: u32 = 10;

pub(crate) type ClientSender = Sender<Client<SystemRandom>, Vec<u8>>;

/// Of one connection: the next one has a link of its own.
pub(crate) struct Link {
    state: Mutex<State>,
    /// Bytes became pending, or were written, or the connection is over.
    changed: Condvar,
}

struct State {
    sender: ClientSender,
    /// With the sender, because the thread that writes must tell it.
    watch: Watch,
    /// How many bytes the socket took.
    written: u64,
    /// How many it will have taken after the last message.
    queued: u64,
    /// Where our own Close begins, counted in those bytes.
    close_begins: Option<u64>,
    /// When a message was first received after our Close.
    late_since: Option<Duration>,
    /// The newest Ping of the user, and when it was sent.
    ping: Option<(Vec<u8>, Duration)>,
    round_trip: Option<Duration>,
    over: bool,
}

impl Link {
    pub(crate) fn new(sender: ClientSender, watch: Watch) -> Self {
        Self {
            state: Mutex::new(State {
                sender,
                watch,
                written: 0,
                queued: 0,
                close_begins: None,
                late_since: None,
                ping: None,
                round_trip: None,
                over: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Sends something as soon as the socket took enough earlier bytes. So a pipe into stdin runs at the peer's pace,
    /// and memory stays limited.
    pub(crate) fn send<E: Into<NotSent>>(
        &self,
        mut send: impl FnMut(&mut ClientSender) -> Result<(), E>,
    ) -> Result<(), NotSent> {
        let mut state = self.lock();
        loop {
            match send(&mut state.sender).map_err(E::into) {
                Err(NotSent::Backlog) => state = self.wait(state),
                result => {
                    if result.is_ok() {
                        state.queued = state.end();
                    }
                    self.changed.notify_all();
                    return result;
                }
            }
        }
    }

    /// Sends a Ping of the user, to find out how long its Pong takes.
    pub(crate) fn ping(&self, payload: &[u8]) -> Result<(), NotSent> {
        self.lock().ping = Some((payload.to_vec(), now()));
        self.send(|sender| sender.send_ping(payload))
    }

    /// Sends a Close, behind everything that was sent before.
    pub(crate) fn close(&self, close: Option<(CloseCode, &str)>) -> Result<(), NotSent> {
        let mut state = self.lock();
        let begins = state.end();
        match close {
            Some((code, reason)) => state.sender.close(code, reason)?,
            None => state.sender.close_without_code()?,
        }
        (state.close_begins, state.queued) = (Some(begins), state.end());
        self.changed.notify_all();
        Ok(())
    }

    /// Sends a reply of the receiver.
    pub(crate) fn reply(&self, reply: Reply<'_>) {
        self.lock().sender.reply(reply);
        self.changed.notify_all();
    }

    /// Writes all pending bytes, until the connection is over.
    pub(crate) fn write_to(&self, mut socket: &Socket) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(WRITE);
        loop {
            let mut state = self.lock();
            while state.sender.is_empty() && !state.over {
                state = self.wait(state);
            }
            if state.over {
                return Ok(());
            }
            let pending = state.sender.pending();
            bytes.clear();
            bytes.extend_from_slice(&pending[..pending.len().min(WRITE)]);
            drop(state);

            // Without the lock, because the write may take for ever. If the receiver's reply had to wait for it, and
            // the peer did not read before we do, neither end would go on.
            let n = match socket.write(&bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            socket.flush()?;

            // More bytes may be pending meanwhile, but always behind these.
            let mut state = self.lock();
            state.sender.consume(n);
            state.written += n as u64;
            let backlog = state.sender.backlog();
            state.watch.wrote(n, backlog, now());
            self.changed.notify_all();
        }
    }

    /// Something was received. `message` says that it was a part of a message, and whether that is complete.
    pub(crate) fn heard(&self, message: Option<bool>, options: &Options) {
        let mut state = self.lock();
        let now = now();
        state.watch.heard(now);
        // The watch limits the time from our Close to its answer. But before it answers, a server may send for long
        // what was asked of it. So here the limit is for the time without a message, which Pings don't extend.
        if let (Transport::Closing, Some(is_complete)) = (state.sender.transport(), message) {
            let since = *state.late_since.get_or_insert(now);
            if !is_complete || now - since < options.close_timeout.saturating_mul(CLOSING_LIMITS) {
                state.watch = Watch::new(options.patience(), now);
            }
        }
    }

    /// Takes the payload of a Pong. `None` if it answers a Ping of the watch. Otherwise the time since the user's Ping,
    /// if it answers that.
    pub(crate) fn pong(&self, payload: &[u8]) -> Option<Option<Duration>> {
        let mut state = self.lock();
        let now = now();
        if let Some((_, sent)) = state.ping.take_if(|(ping, _)| ping == payload) {
            state.round_trip = Some(now - sent);
            return Some(state.round_trip);
        }
        let Some(time) = state.watch.pong(payload, now) else { return Some(None) };
        state.round_trip = Some(time);
        None
    }

    /// The time that the newest answered Ping took.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.lock().round_trip
    }

    /// Checks all deadlines, and sends a Ping if one is due. Returns what to do with the socket, and how long to wait.
    pub(crate) fn check(&self) -> Result<(Transport, Option<Duration>), TimedOut> {
        let mut state = self.lock();
        let State { sender, watch, .. } = &mut *state;
        let transport = sender.transport();
        let wait = watch.check(sender, now())?;
        self.changed.notify_all();
        Ok((transport, wait))
    }

    /// Which Closes have passed.
    pub(crate) fn closes(&self) -> Closes {
        self.lock().sender.closes()
    }

    /// How many bytes the socket took.
    pub(crate) fn written(&self) -> u64 {
        self.lock().written
    }

    /// How many bytes the socket will have taken after the last message, if the connection lasts so long.
    pub(crate) fn queued(&self) -> u64 {
        self.lock().queued
    }

    /// Whether we have closed, and the socket took everything before our Close.
    pub(crate) fn has_sent_all(&self) -> bool {
        let state = self.lock();
        state.close_begins.is_some_and(|begins| begins <= state.written)
    }

    /// Ends all waiting: the connection is over.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.sender.transport_lost();
        state.over = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where the next message begins, counted as `written` is.
    fn end(&self) -> u64 {
        self.written + self.sender.pending().len() as u64
    }
}

/// Why something was not sent.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// The backlog is too long: try again later.
    Backlog,
    /// The connection is closing: don't try again.
    Closing,
    /// The message is not valid.
    Invalid(Box<dyn Error>),
}

impl From<SendError> for NotSent {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Backlog { .. } => Self::Backlog,
            SendError::Closing | SendError::TransportLost => Self::Closing,
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
