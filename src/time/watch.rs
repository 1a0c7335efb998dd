use core::time::Duration;

use super::{Patience, TimedOut, clock::Time};
use crate::{Role, Sender, Storage, Transport};

/// The machine was suspended, or the caller busy, if a call is later than this.
const LATE: Time = Time::new(Duration::from_secs(1));

/// A transport that has left bytes for so long was full, and has not only taken them in parts.
const FULL: Time = Time::new(Duration::from_millis(100));

/// After a deadline the caller looks once more for what has arrived in time. This is how long it may wait for that: not
/// zero, which some interfaces take for ever.
const LOOK: Time = Time::new(Duration::from_millis(1));

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
/// - Inside a frame that is [sent in pieces](Sender::begin_frame) no Ping can be sent, and a silent peer is not given
///   up.
/// - A call may be early or late. A peer whose answer has arrived is not given up because the caller was busy: after
///   a deadline the loop gets another millisecond, in which it reads what is there. So let it prefer reading to the
///   end of its wait, as `biased` does in a `select!`. And if it finds that it is more than a second late, because
///   the machine was suspended, the peer gets one more Ping.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    patience: Patience,
    started: Time,
    /// The last sign of life.
    alive: Time,
    reading: bool,
    /// Since when the peer is asked for a sign of life; never while it is not.
    asked: Time,
    /// It is asked for the last time.
    again: bool,
    /// The question is a Ping that is queued or written. Otherwise the backlog was too large for one.
    pinged: bool,
    /// The number of Pings so far. The newest has it as its payload.
    pings: u32,
    /// When the newest Ping was written; never after its Pong.
    written: Time,
    /// How many bytes the transport takes before it has the newest Ping.
    before_ping: usize,
    /// Since when every write has left some bytes; never if the last has not.
    stalled: Time,
    /// When the closing handshake was first seen, or the transport took bytes after it had left some.
    closing: Time,
    /// When the wait for the end of the stream was first seen.
    ending: Time,
    /// The deadline that was missed, and when this was found.
    missed: Time,
    found: Time,
    /// The last and the average; nothing before the first.
    round_trip: Option<(Duration, Duration)>,
}

impl Watch {
    /// Returns the watch of a connection that was made or accepted `now`.
    pub const fn new(patience: Patience, now: Duration) -> Self {
        let now = Time::new(now);
        Self {
            patience,
            started: now,
            alive: now,
            reading: true,
            asked: Time::NEVER,
            again: false,
            pinged: false,
            pings: 0,
            written: Time::NEVER,
            before_ping: 0,
            stalled: Time::NEVER,
            closing: Time::NEVER,
            ending: Time::NEVER,
            missed: Time::NEVER,
            found: Time::NEVER,
            round_trip: None,
        }
    }

    /// Checks the deadline of the opening handshake. Returns how long until it is due; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`TimedOut::Opening`].
    pub fn check_opening(&mut self, now: Duration) -> Result<Option<Duration>, TimedOut> {
        self.check_deadline(TimedOut::Opening, self.started.after(self.patience.opening), Time::new(now))
    }

    /// Checks how long the peer takes to end the stream, for a caller that has no sender any more: after we have shut
    /// down our half of the stream, or have refused the handshake. Returns how long until it is due; `None` if there is
    /// no deadline.
    ///
    /// # Errors
    ///
    /// [`TimedOut::End`].
    pub fn check_end(&mut self, now: Duration) -> Result<Option<Duration>, TimedOut> {
        self.check_with(Transport::CloseNow, 0, now, |_| false)
    }

    /// Checks the deadlines of a connection, and sends a Ping if one is due. Returns how long the caller may wait
    /// before it must check again, which is never zero; `None` if there is no deadline.
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
        let now = Time::new(now);
        let (what, due) = match transport {
            Transport::Open => self.check_open(backlog, now, ping),
            Transport::Closing => {
                begin(&mut self.closing, now);
                (TimedOut::Closing, self.closing.after(self.patience.closing))
            }
            Transport::AwaitEnd | Transport::CloseNow => {
                begin(&mut self.ending, now);
                (TimedOut::End, self.ending.after(self.patience.end))
            }
        };
        self.check_deadline(what, due, now)
    }

    fn check_open(&mut self, backlog: usize, now: Time, ping: impl FnOnce(&[u8]) -> bool) -> (TimedOut, Time) {
        // If nothing is read and nothing must be written, silence says nothing about the peer.
        if !self.reading && backlog == 0 {
            self.excuse(now);
            return (TimedOut::Writing, Time::NEVER);
        }
        let due = self.due();
        let is_asked = self.asked < Time::NEVER;
        // A second time only if the caller is late, and has not looked at what has arrived since the deadline.
        let may_ask = !is_asked || (!self.again && self.missed != due && now > due.after(LATE));
        if may_ask && now >= due {
            self.ask(backlog, now, ping);
        }
        // A caller whose writes block does not tell what was written, and has no backlog.
        let is_written = self.pinged && (self.before_ping == 0 || backlog == 0);
        let what = if self.reading && is_written { TimedOut::Answer } else { TimedOut::Writing };
        (what, self.due())
    }

    /// When a silent peer is asked, or given up.
    fn due(&self) -> Time {
        if self.asked < Time::NEVER {
            self.asked.max(self.alive).after(self.patience.answer)
        } else {
            self.alive.after(self.patience.silence)
        }
    }

    // If the caller ignores how long to wait, it is not calculated.
    #[inline(always)]
    fn check_deadline(&mut self, what: TimedOut, due: Time, now: Time) -> Result<Option<Duration>, TimedOut> {
        let mut until = due;
        if now >= due {
            if self.missed != due {
                (self.missed, self.found) = (due, now);
            }
            until = self.found.after(LOOK);
        }
        if now < until { Ok(until.since(now)) } else { Err(what) }
    }

    /// Asks the peer for a sign of life.
    fn ask(&mut self, backlog: usize, now: Time, ping: impl FnOnce(&[u8]) -> bool) {
        let number = self.pings.wrapping_add(1);
        self.pinged = ping(&number.to_be_bytes());
        if self.pinged {
            self.pings = number;
            // It has more than no bytes, so with the first of them it counts as written.
            (self.written, self.before_ping) = (now, backlog + 1);
        }
        if self.patience.answer == Time::NEVER || (!self.pinged && backlog == 0) {
            // Nobody is given up, or the peer cannot be asked now: in the middle of a frame.
            self.alive = now;
        } else {
            self.again = self.asked < Time::NEVER;
            self.asked = now;
        }
    }

    /// Says that bytes were received from the peer at `now`.
    ///
    /// A call with an earlier time, or with the same time again, does no harm. So a task that reads can store the
    /// time for the task that checks; but not rounded down, or the answer to a Ping may look older than the Ping.
    pub fn heard(&mut self, now: Duration) {
        self.excuse(Time::new(now));
    }

    /// Until now, the peer has done all that it should.
    fn excuse(&mut self, now: Time) {
        self.alive = self.alive.max(now);
        if self.asked <= now {
            self.asked = Time::NEVER;
        }
    }

    /// Says that the transport took `count` bytes, after which `backlog` bytes wait.
    ///
    /// A loop whose writes block until everything was taken need not call this. Its writes need a timeout of their
    /// own; if that is over, the peer has not read: [`TimedOut::Writing`].
    pub fn wrote(&mut self, count: usize, backlog: usize, now: Duration) {
        if count == 0 {
            return;
        }
        let now = Time::new(now);
        if now >= self.stalled.after(FULL) {
            // It takes bytes again, so the peer has read some.
            self.alive = self.alive.max(now);
            if self.closing < Time::NEVER {
                self.closing = now;
            }
        }
        // The backlog was too large for a Ping, and now it is smaller: the next check asks anew, if it still must.
        if !self.pinged {
            self.asked = Time::NEVER;
        }
        self.stalled = if backlog > 0 { self.stalled.min(now) } else { Time::NEVER };
        if self.before_ping > 0 {
            self.before_ping = self.before_ping.saturating_sub(count);
            if self.before_ping == 0 {
                for time in [&mut self.written, &mut self.asked] {
                    *time = if *time < Time::NEVER { now } else { Time::NEVER };
                }
            }
        }
    }

    /// Says whether the caller reads from the transport.
    ///
    /// While it does not, because the backlog is large or the application is busy, the peer is not found silent. But
    /// after the peer has ended its half of the stream, its silence is its own, so say `true`: it may never take bytes
    /// that the stream still buffers. A loop that always reads need not call this.
    pub fn reading(&mut self, reading: bool, now: Duration) {
        if reading != self.reading {
            self.excuse(Time::new(now));
        }
        self.reading = reading;
    }

    /// Takes the payload of a Pong. Returns the round-trip time if it is the answer to the watch's newest Ping.
    ///
    /// `None` for any other Pong, which changes nothing. [`heard`](Self::heard) has already told that the peer is
    /// alive.
    pub fn pong(&mut self, payload: &[u8], now: Duration) -> Option<Duration> {
        if payload != self.pings.to_be_bytes() || self.written == Time::NEVER {
            return None;
        }
        let last = Time::new(now).max(self.written).since(self.written)?;
        self.written = Time::NEVER;
        let smoothed = match self.round_trip {
            // RFC 6298 §2.3. The operators of `Duration` have a panic that the compiler keeps.
            Some((_, smoothed)) => Duration::from_nanos(((smoothed.as_nanos() * 7 + last.as_nanos()) / 8) as u64),
            None => last,
        };
        self.round_trip = Some((last, smoothed));
        Some(last)
    }

    /// Returns the time from when the last answered Ping was written to when its Pong was received; `None` before the
    /// first.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|(last, _)| last)
    }

    /// Returns the average of the round-trip times, in which the last one counts an eighth; `None` before the first.
    pub fn smoothed_round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|(_, smoothed)| smoothed)
    }
}

/// Begins a span, unless it has begun. Its beginning does not change, even if an earlier time is told later.
// A firmware would have it twice.
#[inline(never)]
fn begin(span: &mut Time, now: Time) {
    if *span == Time::NEVER {
        *span = now;
    }
}
