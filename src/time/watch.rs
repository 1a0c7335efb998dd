use core::time::Duration;

use super::{Patience, TimedOut};
use crate::{Role, Sender, Storage, Transport};

/// The machine was suspended, or the caller busy, if a call is later than this.
const LATE: Duration = Duration::from_secs(1);

/// A transport that has left bytes for so long was full, and has not only taken them in parts.
const FULL: Duration = Duration::from_millis(100);

/// After a deadline the caller looks once more for what has arrived in time. This is how long it may wait for that: not
/// zero, which some interfaces take for ever.
const LOOK: Duration = Duration::from_millis(1);

/// The deadlines of one connection: which one is next, and whether it was missed.
///
/// A loop calls [`check`](Self::check) each time before it waits, and waits no longer than that returns. Between these
/// calls it tells what the transport does: [`heard`](Self::heard) and [`wrote`](Self::wrote). The module's page has a
/// [whole loop](super#a-loop-that-survives-a-dead-peer).
///
/// - Every byte that is received shows that the peer is alive, not only a Pong: a Pong may wait behind a large message.
///   While a backlog drains, so does every byte that the transport takes.
/// - A peer that is silent gets one Ping. A Ping counts from when it was written, not from when it was queued. None is
///   sent after a Close.
/// - A call may be early or late. A peer whose answer has arrived is not given up because the caller was busy: after a
///   deadline the loop gets another millisecond, in which it reads what is there. So let it prefer reading to the end of
///   its wait, as `biased` does in a `select!`. And if it finds that it is more than a second late, because the machine
///   was suspended, the peer gets one more Ping.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    patience: Patience,
    started: Duration,
    /// The last sign of life.
    alive: Duration,
    reading: bool,
    /// Since when the peer is asked for a sign of life; `None` while it is not.
    asked: Option<Asked>,
    /// The number of Pings so far. The newest has it as its payload.
    pings: u32,
    /// When the newest Ping was written; `None` after its Pong.
    written: Option<Duration>,
    /// How many bytes the transport takes before it has the newest Ping.
    before_ping: usize,
    /// Since when every write has left some bytes.
    stalled: Option<Duration>,
    /// When the transport took bytes after it had left some.
    drained: Duration,
    /// What the peer is waited for after the connection was open, and since when.
    ending: Option<(TimedOut, Duration)>,
    /// The deadline that was found to be missed, and when it was.
    missed: Option<(TimedOut, Duration)>,
    round_trip: Option<RoundTrip>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Duration,
    /// This is its last chance.
    again: bool,
    /// A Ping is queued or written. If not, the backlog was too large for one.
    pinged: bool,
}

#[derive(Clone, Copy, Debug)]
struct RoundTrip {
    last: Duration,
    smoothed: Duration,
}

impl Watch {
    /// Returns the watch of a connection that was made or accepted `now`.
    pub const fn new(patience: Patience, now: Duration) -> Self {
        Self {
            patience,
            started: now,
            alive: now,
            reading: true,
            asked: None,
            pings: 0,
            written: None,
            before_ping: 0,
            stalled: None,
            drained: now,
            ending: None,
            missed: None,
            round_trip: None,
        }
    }

    /// Checks the deadline of the opening handshake. Returns how long until it is due; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`TimedOut::Opening`].
    pub fn check_opening(&mut self, now: Duration) -> Result<Option<Duration>, TimedOut> {
        self.check_deadline(TimedOut::Opening, self.started, self.patience.opening, now)
    }

    /// Checks the deadlines of a connection, and sends a Ping if one is due. Returns how long the caller may wait before
    /// it must check again; `None` if only the transport can change something.
    ///
    /// # Errors
    ///
    /// The deadline that was missed. The connection should be dropped: the peer cannot be told.
    pub fn check<R: Role, S: Storage>(
        &mut self,
        sender: &mut Sender<R, S>,
        now: Duration,
    ) -> Result<Option<Duration>, TimedOut> {
        self.check_with(sender.transport(), sender.backlog(), now, |payload| sender.send_ping(payload).is_ok())
    }

    /// As [`check`](Self::check), for a task that does not have the sender: from its [`transport`](Sender::transport)
    /// and [`backlog`](Sender::backlog), and a closure that sends a Ping with this payload. The closure returns whether
    /// it could.
    ///
    /// # Errors
    ///
    /// See [`check`](Self::check).
    pub fn check_with(
        &mut self,
        transport: Transport,
        backlog: usize,
        now: Duration,
        ping: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<Duration>, TimedOut> {
        match transport {
            Transport::Open => self.check_open(backlog, now, ping),
            Transport::Closing => {
                let since = self.ending(TimedOut::Closing, now).max(self.drained);
                self.check_deadline(TimedOut::Closing, since, self.patience.closing, now)
            }
            Transport::AwaitEnd | Transport::CloseNow => {
                let since = self.ending(TimedOut::End, now);
                self.check_deadline(TimedOut::End, since, self.patience.end, now)
            }
        }
    }

    fn ending(&mut self, what: TimedOut, now: Duration) -> Duration {
        match self.ending {
            Some((earlier, since)) if earlier == what => since,
            _ => {
                self.ending = Some((what, now));
                now
            }
        }
    }

    fn check_open(
        &mut self,
        backlog: usize,
        now: Duration,
        ping: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<Duration>, TimedOut> {
        // If nothing is read and nothing must be written, silence says nothing about the peer.
        if !self.reading && backlog == 0 {
            self.excuse(now);
            return Ok(None);
        }
        let Some(asked) = self.asked else {
            self.missed = None;
            return match remaining(self.alive, self.patience.silence, now) {
                Ok(wait) => Ok(wait),
                Err(_) => Ok(self.ask(false, backlog, now, ping)),
            };
        };
        let since = asked.at.max(self.alive);
        if !asked.again
            && self.missed.is_none()
            && remaining(since, self.patience.answer, now).is_err_and(|late| late > LATE)
        {
            return Ok(self.ask(true, backlog, now, ping));
        }
        // A caller whose writes block does not tell what was written, and has no backlog.
        let is_written = asked.pinged && (self.before_ping == 0 || backlog == 0);
        let what = if self.reading && is_written { TimedOut::Answer } else { TimedOut::Writing };
        self.check_deadline(what, since, self.patience.answer, now)
    }

    fn check_deadline(
        &mut self,
        what: TimedOut,
        since: Duration,
        limit: Option<Duration>,
        now: Duration,
    ) -> Result<Option<Duration>, TimedOut> {
        let in_time = remaining(since, limit, now);
        if in_time.is_ok() {
            self.missed = None;
            return Ok(in_time.unwrap_or_default());
        }
        match self.missed {
            Some((earlier, at)) if earlier == what => remaining(at, Some(LOOK), now).map_err(|_| what),
            _ => {
                self.missed = Some((what, now));
                Ok(Some(LOOK))
            }
        }
    }

    /// Asks the peer for a sign of life. Returns how long to wait for one.
    fn ask(
        &mut self,
        again: bool,
        backlog: usize,
        now: Duration,
        ping: impl FnOnce(&[u8]) -> bool,
    ) -> Option<Duration> {
        let number = self.pings.wrapping_add(1);
        let pinged = ping(&number.to_be_bytes());
        if pinged {
            self.pings = number;
            // It has more than no bytes, so with the first of them it counts as written.
            (self.written, self.before_ping) = (Some(now), backlog + 1);
        }
        if self.patience.answer.is_none() || (!pinged && backlog == 0) {
            // Nobody is given up, or the peer cannot be asked now: in the middle of a frame.
            self.alive = now;
            return self.patience.silence;
        }
        self.asked = Some(Asked { at: now, again, pinged });
        self.patience.answer
    }

    /// Says that bytes were received from the peer at `now`.
    ///
    /// It may be told late or twice, so a task that reads can store the time for the task that checks.
    pub fn heard(&mut self, now: Duration) {
        self.alive = self.alive.max(now);
        if self.asked.is_some_and(|asked| asked.at <= now) {
            self.asked = None;
        }
    }

    /// Says that the transport took `count` bytes, after which `backlog` bytes wait.
    ///
    /// A loop whose writes block until everything was taken need not call this.
    pub fn wrote(&mut self, count: usize, backlog: usize, now: Duration) {
        if count == 0 {
            return;
        }
        if self.stalled.is_some_and(|since| now.saturating_sub(since) >= FULL) {
            // It takes bytes again, so the peer has read some.
            (self.alive, self.drained) = (self.alive.max(now), now);
            if self.asked.is_some_and(|asked| !asked.pinged) {
                self.asked = None;
            }
        }
        self.stalled = (backlog > 0).then(|| self.stalled.unwrap_or(now));
        if self.before_ping > 0 {
            self.before_ping = self.before_ping.saturating_sub(count);
            if self.before_ping == 0 {
                self.written = self.written.map(|_| now);
                if let Some(asked) = &mut self.asked {
                    asked.at = now;
                }
            }
        }
    }

    /// Says whether the caller reads from the transport.
    ///
    /// While it does not, because the backlog is large or the application is busy, the peer is not found silent. A loop
    /// that always reads need not call this.
    pub fn reading(&mut self, reading: bool, now: Duration) {
        if reading != self.reading {
            self.excuse(now);
        }
        self.reading = reading;
    }

    /// So far nothing is known against the peer.
    fn excuse(&mut self, now: Duration) {
        (self.asked, self.missed) = (None, None);
        self.alive = self.alive.max(now);
    }

    /// Takes the payload of a Pong. If it is the answer to the newest Ping, the round-trip time is known.
    ///
    /// Any other Pong changes nothing. [`heard`](Self::heard) has already told that the peer is alive.
    pub fn pong(&mut self, payload: &[u8], now: Duration) {
        if payload != self.pings.to_be_bytes() {
            return;
        }
        let Some(written) = self.written.take() else { return };
        let last = now.saturating_sub(written);
        let smoothed = match self.round_trip {
            // RFC 6298 §2.3.
            Some(RoundTrip { smoothed, .. }) => smoothed - smoothed / 8 + last / 8,
            None => last,
        };
        self.round_trip = Some(RoundTrip { last, smoothed });
    }

    /// Returns the time from when the last answered Ping was written to when its Pong was received; `None` before the
    /// first.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|round_trip| round_trip.last)
    }

    /// Returns the average of the round-trip times, in which the last one counts an eighth; `None` before the first.
    pub fn smoothed_round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|round_trip| round_trip.smoothed)
    }
}

/// How long until `limit` has passed since `since`, or how long ago it had. Without a limit, for ever.
fn remaining(since: Duration, limit: Option<Duration>, now: Duration) -> Result<Option<Duration>, Duration> {
    let Some(due) = limit.and_then(|limit| since.checked_add(limit)) else { return Ok(None) };
    match due.checked_sub(now) {
        Some(wait) if !wait.is_zero() => Ok(Some(wait)),
        _ => Err(now.saturating_sub(due)),
    }
}
