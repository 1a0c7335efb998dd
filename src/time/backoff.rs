use core::time::Duration;

use super::{Retry, clock::Time};
use crate::Randomness;

/// How long a client waits before it connects again (RFC 6455 §7.2.3).
///
/// The first delay is random between 0 and 5 seconds, so that the clients of a server that restarts do not come back at
/// the same moment. Each further delay is random in the upper half of a limit that doubles: 5 to 10 seconds, 10 to 20,
/// and so on up to 30 to 60 seconds.
///
/// The delays begin anew only after a connection was [up](Self::up) for a minute. A server that accepts and then closes
/// is otherwise asked again every few seconds for ever.
///
/// ```
/// use std::time::Duration;
/// use websocket_proto::{SystemRandom, time::{Backoff, Retry}};
///
/// let mut random = SystemRandom::new()?;
/// let mut backoff = Backoff::new().first(Duration::from_secs(1));
/// let now = Duration::ZERO;
/// let delay = backoff.delay(Retry::Soon, now, &mut random).unwrap();
/// assert!(delay < Duration::from_secs(1));
/// let delay = backoff.delay(Retry::Soon, now, &mut random).unwrap();
/// assert!((1..2).contains(&delay.as_secs()));
/// assert_eq!(backoff.delay(Retry::Never, now, &mut random), None);
/// # Ok::<(), websocket_proto::RandomnessError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    stable: Duration,
    /// Delays since the last connection that was up for long.
    attempts: u32,
    up_since: Time,
}

/// The delays that the registry of close codes names for 1012, in nanoseconds.
const LATER: [u64; 2] = [5_000_000_000, 30_000_000_000];

impl Backoff {
    /// Returns the default: 5 seconds, 60 seconds, and a minute.
    pub const fn new() -> Self {
        Self {
            first: Duration::from_secs(5),
            max: Duration::from_secs(60),
            stable: Duration::from_secs(60),
            attempts: 0,
            up_since: Time::NEVER,
        }
    }

    /// Sets the longest first delay.
    #[must_use]
    pub const fn first(self, first: Duration) -> Self {
        Self { first, ..self }
    }

    /// Sets the longest delay. That of `Retry::Later` may be longer, and that of `Retry::After` is as long as the
    /// server says.
    #[must_use]
    pub const fn max(self, max: Duration) -> Self {
        Self { max, ..self }
    }

    /// Sets how long a connection must have been up for the delays to begin anew.
    #[must_use]
    pub const fn stable(self, stable: Duration) -> Self {
        Self { stable, ..self }
    }

    /// Says that a connection is open `now`.
    pub const fn up(&mut self, now: Duration) {
        self.up_since = Time::new(now);
    }

    /// Returns how many delays were returned since a connection was last up for long.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns how long to wait before the next attempt; `None` if there should be none.
    ///
    /// Call it when a connection has ended, or could not be made. [`Retry::Application`] counts as [`Retry::Never`]: an
    /// application that wants to come back passes something else.
    pub fn delay(&mut self, retry: Retry, now: Duration, random: &mut impl Randomness) -> Option<Duration> {
        let was_stable = Time::new(now) >= self.up_since.after(Time::new(self.stable));
        self.up_since = Time::NEVER;
        if was_stable {
            self.attempts = 0;
        }
        let doubled = 1_u64.checked_shl(self.attempts).unwrap_or(u64::MAX);
        let most = nanos(self.first).saturating_mul(doubled).min(nanos(self.max));
        let least = if self.attempts == 0 { 0 } else { most / 2 };
        let random = u32::from_be_bytes(random.next_key());
        let between = |least: u64, most: u64| least + share(most - least, random);
        let delay = match retry {
            Retry::Soon => between(least, most),
            Retry::Later => between(least.max(LATER[0]), most.max(LATER[1])),
            Retry::After(time) => nanos(time).saturating_add(between(0, most)),
            Retry::Application | Retry::Never => return None,
        };
        self.attempts = self.attempts.saturating_add(1);
        Some(Duration::from_nanos(delay))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// Numbers, because the operators of `Duration` have a panic that the compiler keeps. What is longer than 584 years is
/// cut.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A random part of a span, less than all of it.
fn share(span: u64, random: u32) -> u64 {
    ((u128::from(span) * u128::from(random)) >> 32) as u64
}
