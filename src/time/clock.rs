use core::{fmt, time::Duration};

/// A point in time, or a span of time, in 64 bits: the seconds, and below them 30 bits of nanoseconds.
///
/// So times are compared and added as one number, and are made from a `Duration`, and turned into one, without a
/// division. On a small processor this is half of the code of a [`Watch`](super::Watch).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(u64);

const BITS: u32 = 30;
const SECOND: u32 = 1_000_000_000;
/// What 30 bits can hold beyond a second.
const GAP: u64 = (1 << BITS) - SECOND as u64;

impl Time {
    /// After every other.
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// What is beyond 544 years is never.
    pub(super) const fn new(duration: Duration) -> Self {
        if duration.as_secs() >> (u64::BITS - BITS) > 0 {
            return Self::NEVER;
        }
        Self(duration.as_secs() << BITS | duration.subsec_nanos() as u64)
    }

    pub(super) const fn limit(duration: Option<Duration>) -> Self {
        match duration {
            Some(duration) => Self::new(duration),
            None => Self::NEVER,
        }
    }

    /// The end of a span that begins here.
    pub(super) fn after(self, span: Self) -> Self {
        // With the gap, nanoseconds of a second and more are carried into the seconds.
        let Some(sum) = self.0.checked_add(GAP).and_then(|sum| sum.checked_add(span.0)) else { return Self::NEVER };
        let is_carried = (self.0 ^ span.0 ^ sum) >> BITS & 1 == 1;
        Self(if is_carried { sum } else { sum - GAP })
    }

    /// The span from `earlier`, which is not later, until this; `None` if this is never.
    pub(super) fn since(self, earlier: Self) -> Option<Duration> {
        debug_assert!(earlier <= self, "there are no negative times");
        if self == Self::NEVER {
            return None;
        }
        let span = self.0.wrapping_sub(earlier.0);
        let is_borrowed = (self.0 ^ earlier.0 ^ span) >> BITS & 1 == 1;
        Some(Self(if is_borrowed { span.wrapping_sub(GAP) } else { span }).duration())
    }

    fn duration(self) -> Duration {
        let (seconds, nanos) = (self.0 >> BITS, self.0 as u32 & ((1 << BITS) - 1));
        // The compiler then knows that it cannot overflow.
        if nanos < SECOND { Duration::new(seconds, nanos) } else { Duration::MAX }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.write_str("never") } else { self.duration().fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as the arithmetic of `Duration`, also where nanoseconds are carried or borrowed.
    #[test]
    fn times_add_up() {
        let nanos = [0, 1, 2, 499_999_999, 500_000_000, 500_000_001, 999_999_998, 999_999_999];
        let seconds = [0, 1, 2, 59, 1 << 30, (1 << 33) - 1];
        let durations = || seconds.iter().flat_map(|s| nanos.iter().map(|n| Duration::new(*s, *n)));
        for a in durations() {
            assert_eq!(Time::new(a).duration(), a);
            for b in durations() {
                let [first, second] = [a, b].map(Time::new);
                assert_eq!(first < second, a < b);
                assert_eq!(first.after(second), Time::new(a + b), "{a:?} {b:?}");
                assert_eq!(first.max(second).since(second), Some(a.saturating_sub(b)), "{a:?} {b:?}");
            }
            assert_eq!(Time::new(a).after(Time::NEVER), Time::NEVER);
            assert_eq!(Time::NEVER.since(Time::new(a)), None);
        }
        assert_eq!(Time::new(Duration::MAX), Time::NEVER);
        assert_eq!(Time::NEVER.after(Time::new(Duration::from_nanos(1))), Time::NEVER);
        assert_eq!(Time::limit(None), Time::NEVER);
    }
}
