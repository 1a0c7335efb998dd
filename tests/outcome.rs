//! How a connection ended, and whether to come back: the code that a browser would report, the line in a log, and the
//! advice.

mod common;

use std::time::Duration;

use common::{ClientEnd, Part::*, ServerEnd, encode, open};
use websocket_proto::{
    CloseCode, Closes, Config, Connection, Ended, Error, Failure, Input, Outcome, Reply, Role, Storage, UncleanEnd,
    frame::{CloseError, HeaderError},
    head::HeadError,
    server::Refusal,
    time::{Backoff, Retry, TimedOut},
};

/// Passes everything that is pending to the other end.
fn pass<A: Role, B: Role, S: Storage>(from: &mut Connection<A, S, S>, to: &mut Connection<B, S, S>) {
    let mut bytes = from.sender.pending().to_vec();
    from.sender.consume(bytes.len());
    receive(to, &mut bytes);
}

fn receive<R: Role, S: Storage>(Connection { receiver, sender }: &mut Connection<R, S, S>, bytes: &mut [u8]) {
    let mut input = Input::new(bytes);
    while receiver.next_message(&mut input, sender).is_some() {}
}

/// Whether it is clean, its code, the Closes (sent, received, the peer's was first), the line, the advice.
type Facts<'t> = (bool, u16, (Option<u16>, Option<u16>, bool), &'t str, Retry);

#[track_caller]
fn assert_outcome(outcome: Outcome, (is_clean, code, closes, line, retry): Facts<'_>) {
    let passed = outcome.closes();
    assert_eq!((outcome.is_clean(), outcome.code()), (is_clean, code));
    assert_eq!((passed.sent(), passed.received(), passed.peer_was_first()), closes);
    assert_eq!(outcome.to_string(), line);
    assert_eq!(outcome.retry(), retry);
}

/// The receiver knows it before the sender does, who may get the reply when the transport is lost.
#[test]
fn a_close_whose_reply_is_on_its_way_is_the_peers() {
    let (Connection { mut receiver, mut sender }, _) = open(Config::new());
    let mut reply = None;
    let mut bytes = encode(&[F(0x88, &[3, 0xE9])], true);
    let mut keep = |kept: Reply<'_>| reply = Some(kept.to_owned());
    assert!(receiver.next_message(&mut Input::new(&mut bytes), &mut keep).is_some());
    let outcome = Outcome::new(receiver.end_of_input(), sender.closes());
    assert_outcome(outcome, (true, 1006, (None, None, true), "closed by the peer: 1006", Retry::Soon));
    sender.transport_lost();
    sender.reply(&reply.unwrap());
    let outcome = Outcome::new(receiver.end_of_input(), sender.closes());
    let line = "closed by the peer: 1001 (going away)";
    assert_outcome(outcome, (true, 1001, (None, Some(1001), true), line, Retry::Soon));
}

#[test]
fn each_end_knows_who_closed_first() {
    for (code, line, retry) in [
        (1000, "1000 (normal closure)", Retry::Never),
        (1001, "1001 (going away)", Retry::Soon),
        (1012, "1012 (service restart)", Retry::Later),
        (4000, "4000", Retry::Application),
    ] {
        let (mut server, mut client) = open(Config::new());
        server.sender.close(CloseCode::new(code).unwrap(), "reason").unwrap();
        let us = (Some(code), None, false);
        let lost = format!("connection lost: the peer left without a closing handshake (after our Close: {line})");
        assert_outcome(server.outcome(), (false, 1006, us, &lost, Retry::Never));
        pass(&mut server, &mut client);
        pass(&mut client, &mut server);
        let by_us = format!("closed by us: {line}");
        assert_outcome(server.outcome(), (true, code, (Some(code), Some(code), false), &by_us, Retry::Never));
        let by_peer = format!("closed by the peer: {line}");
        assert_outcome(client.outcome(), (true, code, (Some(code), Some(code), true), &by_peer, retry));
        // What happens later changes nothing.
        client.sender.transport_lost();
        assert_outcome(client.outcome(), (true, code, (Some(code), Some(code), true), &by_peer, retry));
        assert_eq!(client.outcome().or_timed_out(TimedOut::End), client.outcome());
    }
}

#[test]
fn a_close_without_a_code_is_1005() {
    let (mut server, mut client) = open(Config::new());
    client.sender.close_without_code().unwrap();
    pass(&mut client, &mut server);
    pass(&mut server, &mut client);
    let line = "closed by the peer: 1005 (no code)";
    assert_outcome(server.outcome(), (true, 1005, (Some(1005), Some(1005), true), line, Retry::Never));
    let line = "closed by us: 1005 (no code)";
    assert_outcome(client.outcome(), (true, 1005, (Some(1005), Some(1005), false), line, Retry::Never));
}

#[test]
fn closes_that_cross_and_answers_with_another_code() {
    let (mut server, mut client) = open(Config::new());
    server.sender.close(CloseCode::GOING_AWAY, "").unwrap();
    client.sender.close(CloseCode::NORMAL, "").unwrap();
    pass(&mut client, &mut server);
    pass(&mut server, &mut client);
    let line = "closed by us: 1001 (going away), answered with 1000 (normal closure)";
    assert_outcome(server.outcome(), (true, 1000, (Some(1001), Some(1000), false), line, Retry::Never));
    let line = "closed by us: 1000 (normal closure), answered with 1001 (going away)";
    assert_outcome(client.outcome(), (true, 1001, (Some(1000), Some(1001), false), line, Retry::Never));
}

#[test]
fn a_lost_connection_is_1006() {
    let (mut server, _) = open(Config::new());
    let nothing = (None, None, false);
    let line = "connection lost: the peer left without a closing handshake";
    assert_outcome(server.outcome(), (false, 1006, nothing, line, Retry::Soon));
    assert_eq!(server.outcome().ended(), Ended::Lost(UncleanEnd::WithoutClose));
    let line = "timed out: no answer to a Ping";
    assert_outcome(server.outcome().or_timed_out(TimedOut::Answer), (false, 1006, nothing, line, Retry::Soon));
    assert_eq!(server.outcome().or_timed_out(None), server.outcome());
    receive(&mut server, &mut encode(&[F(0x01, b"beginning")], true));
    let line = "connection lost in the middle of a message";
    assert_outcome(server.outcome(), (false, 1006, nothing, line, Retry::Soon));
    server.sender.close(CloseCode::NORMAL, "").unwrap();
    let line = "timed out: no answer to our Close: 1000 (normal closure)";
    let outcome = server.outcome().or_timed_out(TimedOut::Answer);
    assert_eq!(outcome.to_string(), "timed out: no answer to a Ping (after our Close: 1000 (normal closure))");
    let outcome = server.outcome().or_timed_out(TimedOut::Closing);
    assert_outcome(outcome, (false, 1006, (Some(1000), None, false), line, Retry::Never));
}

#[test]
fn a_failure_says_the_rule() {
    let (mut server, mut client) = open(Config::new());
    receive(&mut client, &mut encode(&[F(0x81, b"\xFF")], false));
    let line = "failed: text is not UTF-8 (RFC 6455 §8.1)";
    assert_outcome(client.outcome(), (false, 1006, (Some(1007), None, false), line, Retry::Never));
    // The peer of the one that has failed sees a Close.
    pass(&mut client, &mut server);
    let line = "closed by the peer: 1007 (invalid payload)";
    assert_outcome(server.outcome(), (true, 1007, (Some(1007), Some(1007), true), line, Retry::Never));
    // After a Close of ours, none explains the failure.
    let (mut server, _) = open(Config::new());
    server.sender.close(CloseCode::NORMAL, "").unwrap();
    receive(&mut server, &mut encode(&[WrongMask(0x81, &[0])], true));
    let line = "failed: frame without a mask (RFC 6455 §5.1)";
    assert_outcome(server.outcome(), (false, 1006, (Some(1000), None, false), line, Retry::Never));
}

/// Each rule that a peer can break has its section, and each fault of ours has none.
#[test]
fn failures_name_their_sections() {
    use Failure::*;
    let forbidden = CloseCode::new(1006).unwrap_err();
    for (failure, rule) in [
        (ReservedBits(0x40), Some("RFC 6455 §5.2")),
        (Header(HeaderError::ReservedOpcode(3)), Some("RFC 6455 §5.2")),
        (Header(HeaderError::FragmentedControl), Some("RFC 6455 §5.5")),
        (Header(HeaderError::ControlTooLong), Some("RFC 6455 §5.5")),
        (Header(HeaderError::LengthTopBit), Some("RFC 6455 §5.2")),
        (NothingToContinue, Some("RFC 6455 §5.4")),
        (MessageInsideMessage, Some("RFC 6455 §5.4")),
        (Unmasked, Some("RFC 6455 §5.1")),
        (Masked, Some("RFC 6455 §5.1")),
        (Close(CloseError::OneByte), Some("RFC 6455 §5.5.1")),
        (Close(CloseError::Reason), Some("RFC 6455 §5.5.1")),
        (Close(CloseError::Code(forbidden)), Some("RFC 6455 §7.4")),
        (InvalidUtf8, Some("RFC 6455 §8.1")),
        (FrameTooLong { len: 2, limit: 1 }, Some("RFC 6455 §10.4")),
        (MessageTooLong { len: 2, limit: 1 }, Some("RFC 6455 §10.4")),
        (TooManyFragments { limit: 1 }, Some("RFC 6455 §10.4")),
        (Inflate, Some("RFC 7692 §7.2.2")),
        (OutOfMemory, None),
        (ForeignInput, None),
    ] {
        assert_eq!(failure.rule(), rule, "{failure:?}");
        // Our own fault may be over soon.
        let outcome = Outcome::new(Err(UncleanEnd::Failed(failure)), Closes::default());
        assert_eq!(outcome.retry(), if rule.is_some() { Retry::Never } else { Retry::Soon }, "{failure:?}");
    }
}

#[test]
fn a_connection_that_was_never_open() {
    let nothing = (None, None, false);
    let outcome = Outcome::refused(503);
    let line = "refused with status 503";
    assert_outcome(outcome, (false, 1006, nothing, line, Retry::Soon));
    let outcome = Outcome::refused(404);
    let line = "refused with status 404";
    assert_outcome(outcome, (false, 1006, nothing, line, Retry::Never));
    assert_outcome(Outcome::refused(302), (false, 1006, nothing, "refused with status 302", Retry::Never));
    assert_outcome(Outcome::not_connected(), (false, 1006, nothing, "not connected", Retry::Soon));
    let outcome = Outcome::from(TimedOut::Opening);
    assert_outcome(outcome, (false, 1006, nothing, "timed out in the opening handshake", Retry::Soon));
    assert_eq!(Outcome::from(HeadError::Incomplete { seen: 9 }).retry(), Retry::Soon);
    assert_eq!(Outcome::from(HeadError::Version).retry(), Retry::Never);
    assert_eq!(Outcome::from(Refusal::NotAnUpgrade).retry(), Retry::Never);
    assert_eq!(Outcome::from(Error::OutOfMemory).retry(), Retry::Soon);
    assert_eq!(Outcome::from(Failure::Masked).ended(), Ended::Failed(Failure::Masked));
    let lost = Outcome::from(UncleanEnd::InsideMessage);
    assert_eq!((lost.ended(), lost.retry()), (Ended::Lost(UncleanEnd::InsideMessage), Retry::Soon));
}

/// Functions that also read and write return an `io::Error`, which may have an error of the crate in it.
#[cfg(feature = "std")]
#[test]
fn an_error_of_reading_and_writing_becomes_an_outcome() {
    use std::io;

    assert_eq!(
        Outcome::from(io::Error::from(websocket_proto::client::UpgradeError::Refused { status: 503 })),
        Outcome::refused(503)
    );
    let late = Outcome::from(io::Error::from(TimedOut::Opening));
    assert_eq!(late.ended(), Ended::TimedOut(TimedOut::Opening));
    assert_eq!(Outcome::from(io::Error::from(io::ErrorKind::ConnectionRefused)), Outcome::not_connected());
    assert_eq!(Outcome::from(io::Error::other("whatever")), Outcome::not_connected());
}

/// The whole table of codes and of statuses.
#[test]
fn what_deserves_another_attempt() {
    for code in 0..=u16::MAX {
        let expected = match code {
            1001 | 1006 | 1011 | 1014 => Retry::Soon,
            1012 | 1013 => Retry::Later,
            3000..=4999 => Retry::Application,
            _ => Retry::Never,
        };
        assert_eq!(Retry::after_code(code), expected, "{code}");
        let soon = matches!(code, 408 | 425 | 429 | 500..=599);
        assert_eq!(Retry::after_status(code), if soon { Retry::Soon } else { Retry::Never }, "{code}");
    }
}

/// A source whose every byte is the same.
fn always(byte: u8) -> impl FnMut() -> [u8; 4] {
    move || [byte; 4]
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The limits of the first delays: the least that the source can give, and the most, which is less than the limit.
#[test]
fn delays_double_up_to_a_minute() {
    let (mut least, mut most) = (Backoff::new(), Backoff::new());
    for (attempt, (from, to)) in [(0, 5), (5, 10), (10, 20), (20, 40), (30, 60), (30, 60)].into_iter().enumerate() {
        assert_eq!(least.attempts(), attempt as u32);
        assert_eq!(least.delay(Retry::Soon, s(0), &mut always(0)), Some(s(from)));
        let delay = most.delay(Retry::Soon, s(0), &mut always(0xFF)).unwrap();
        assert!(s(to) - Duration::from_millis(1) < delay && delay < s(to), "{delay:?}");
    }
    // It never overflows.
    for _ in 0..100 {
        assert_eq!(least.delay(Retry::Soon, s(0), &mut always(0)), Some(s(30)));
    }
    let mut forever = Backoff::new().max(Duration::MAX).first(Duration::MAX / 2);
    for _ in 0..100 {
        forever.delay(Retry::Soon, s(0), &mut always(0xFF)).unwrap();
    }
}

#[test]
fn the_kind_of_retry_changes_the_delay() {
    for (byte, later, after) in [(0, 5, 100), (0xFF, 30, 105)] {
        let near = |delay: Option<Duration>, limit| {
            let delay = delay.unwrap();
            assert!(delay <= s(limit) && s(limit) - delay < Duration::from_millis(1), "{delay:?} {limit}");
        };
        near(Backoff::new().delay(Retry::Later, s(0), &mut always(byte)), later);
        near(Backoff::new().delay(Retry::After(s(100)), s(0), &mut always(byte)), after);
    }
    let mut backoff = Backoff::new();
    for retry in [Retry::Never, Retry::Application] {
        assert_eq!(backoff.delay(retry, s(0), &mut always(0)), None);
    }
    assert_eq!(backoff.attempts(), 0);
    assert_eq!(
        backoff.delay(Retry::After(Duration::MAX), s(0), &mut always(0xFF)),
        Some(Duration::from_nanos(u64::MAX))
    );
    // After many attempts the delays of a service restart are not shorter than others.
    for _ in 0..9 {
        backoff.delay(Retry::Soon, s(0), &mut always(0)).unwrap();
    }
    assert_eq!(backoff.delay(Retry::Later, s(0), &mut always(0)), Some(s(30)));
}

/// A server that accepts and then closes is not asked every five seconds for ever.
#[test]
fn only_a_connection_that_was_up_for_long_resets_the_delays() {
    let mut backoff = Backoff::new();
    let mut now = s(0);
    for expected in [0, 5, 10, 20, 30, 30] {
        backoff.up(now);
        now += s(60) - Duration::from_nanos(1);
        let delay = backoff.delay(Retry::Soon, now, &mut always(0)).unwrap();
        assert_eq!(delay, s(expected));
    }
    backoff.up(now);
    now += s(60);
    assert_eq!(backoff.delay(Retry::Soon, now, &mut always(0)), Some(s(0)));
    // An attempt that was never up does not count as long.
    now += s(1000);
    assert_eq!(backoff.delay(Retry::Soon, now, &mut always(0)), Some(s(5)));
    assert_eq!(Backoff::new().stable(s(0)).attempts(), 0);
}

/// Most of a thousand clients don't come back in the same tenth of a second.
#[cfg(feature = "std")]
#[test]
fn clients_come_back_at_different_times() {
    let mut random = websocket_proto::SystemRandom::new().unwrap();
    let mut tenths = [0; 50];
    for _ in 0..1000 {
        let delay = Backoff::new().delay(Retry::Soon, s(0), &mut random).unwrap();
        tenths[delay.as_millis() as usize / 100] += 1;
    }
    // 20 are expected in each; 60 would be nine standard deviations above.
    assert!(tenths.iter().all(|count| *count < 60), "{tenths:?}");
}

/// The halves of a connection that two tasks have.
#[test]
fn an_outcome_from_both_halves_is_the_same() {
    let (mut server, mut client): (ServerEnd, ClientEnd) = open(Config::new());
    client.sender.close(CloseCode::NORMAL, "").unwrap();
    pass(&mut client, &mut server);
    assert_eq!(Outcome::new(server.receiver.end_of_input(), server.sender.closes()), server.outcome());
}
