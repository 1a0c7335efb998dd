//! The deadlines of a connection: each at its exact instant, and on a simulated link with thousands of schedules, in
//! which no living peer is given up and no dead one is kept.

mod common;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use common::{ClientEnd, ServerEnd, Store, frame, open};
use websocket_proto::{
    CloseCode, Config, Connection, Event, Input, Role, Server, Storage, Transport,
    time::{Patience, TimedOut, Watch},
};

const NS: Duration = Duration::from_nanos(1);
const LOOK: Duration = Duration::from_millis(1);

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Takes everything that is pending, as a socket with space does. Returns how many Pings of a server were among it.
fn written<R: Role, S: Storage>(connection: &mut Connection<R, S, S>, watch: &mut Watch, now: Duration) -> usize {
    let tx = &mut connection.sender;
    let bytes = tx.pending().to_vec();
    tx.consume(bytes.len());
    watch.wrote(bytes.len(), tx.backlog(), now);
    let pings = bytes.windows(4).filter(|bytes| bytes[..4] == [0x89, 4, 0, 0]);
    pings.count()
}

/// Checks that a deadline is missed at `due`, and no nanosecond before. The loop then has a millisecond to look at what
/// has arrived.
fn is_missed_at(due: Duration, what: TimedOut, mut check: impl FnMut(Duration) -> Result<Option<Duration>, TimedOut>) {
    assert_eq!(check(due - s(1)), Ok(Some(s(1))), "{what:?}");
    assert_eq!(check(due - NS), Ok(Some(NS)), "{what:?}");
    assert_eq!(check(due), Ok(Some(LOOK)), "{what:?}");
    assert_eq!(check(due), Ok(Some(LOOK)), "{what:?}: a call that is too early changes nothing");
    assert_eq!(check(due + LOOK - NS), Ok(Some(NS)), "{what:?}");
    assert_eq!(check(due + LOOK), Err(what));
    assert_eq!(check(due + s(9)), Err(what), "it stays missed");
}

#[test]
fn the_opening_handshake_has_ten_seconds() {
    let mut watch = Watch::new(Patience::new(), s(5));
    is_missed_at(s(15), TimedOut::Opening, |now| watch.check_opening(now));
    assert_eq!(Watch::new(Patience::new().opening(None), s(5)).check_opening(s(99_999)), Ok(None));
}

#[test]
fn a_silent_peer_is_asked_once_and_then_given_up() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(5));
    let tx = &mut server.sender;
    assert_eq!(watch.check(tx, s(5)), Ok(Some(s(25))));
    assert_eq!(watch.check(tx, s(30) - NS), Ok(Some(NS)));
    assert!(tx.is_empty());
    assert_eq!(watch.check(tx, s(30)), Ok(Some(s(25))));
    assert_eq!(watch.check(tx, s(31)), Ok(Some(s(24))));
    assert_eq!(written(&mut server, &mut watch, s(31)), 1, "one Ping, however often it is checked");
    is_missed_at(s(56), TimedOut::Answer, |now| watch.check(&mut server.sender, now));
}

#[test]
fn whatever_is_received_is_an_answer() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    assert_eq!(watch.check(&mut server.sender, s(25)), Ok(Some(s(25))));
    written(&mut server, &mut watch, s(25));
    watch.heard(s(50));
    assert_eq!(watch.check(&mut server.sender, s(50)), Ok(Some(s(25))));
    // Even if it was received when the deadline had been found to be missed, or is told late or twice.
    assert_eq!(watch.check(&mut server.sender, s(75)), Ok(Some(s(25))));
    written(&mut server, &mut watch, s(75));
    assert_eq!(watch.check(&mut server.sender, s(100)), Ok(Some(LOOK)));
    watch.heard(s(100));
    assert_eq!(watch.check(&mut server.sender, s(100) + LOOK), Ok(Some(s(25) - LOOK)));
    watch.heard(s(90));
    watch.heard(s(100));
    assert_eq!(watch.check(&mut server.sender, s(101)), Ok(Some(s(24))));
    // What was received before the question is no answer to it.
    assert_eq!(watch.check(&mut server.sender, s(125)), Ok(Some(s(25))));
    written(&mut server, &mut watch, s(125));
    watch.heard(s(100));
    is_missed_at(s(150), TimedOut::Answer, |now| {
        watch.heard(s(100));
        watch.check(&mut server.sender, now)
    });
}

#[test]
fn a_ping_counts_from_when_it_was_written() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    let tx = &mut server.sender;
    tx.send_binary(&[0; 996]).unwrap(); // 1000 bytes
    assert_eq!(watch.check(tx, s(25)), Ok(Some(s(25))));
    // Its frame has 6 bytes. Before the first of them was taken, the time to answer does not begin.
    tx.consume(1000);
    watch.wrote(1000, tx.backlog(), s(30));
    assert_eq!(watch.check(tx, s(31)), Ok(Some(s(19))));
    tx.consume(1);
    watch.wrote(1, tx.backlog(), s(40));
    is_missed_at(s(65), TimedOut::Answer, |now| watch.check(tx, now));
}

#[test]
fn a_backlog_that_drains_shows_life_and_one_that_does_not_shows_none() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    let tx = &mut server.sender;
    tx.send_binary(&[0; 10_000]).unwrap();
    // The transport takes the first bytes, and is then full. This says nothing about the peer.
    tx.consume(1000);
    watch.wrote(1000, tx.backlog(), s(10));
    assert_eq!(watch.check(tx, s(10)), Ok(Some(s(15))));
    for second in (20..100).step_by(20) {
        assert!(watch.check(tx, s(second)).is_ok());
        tx.consume(100);
        watch.wrote(100, tx.backlog(), s(second));
    }
    watch.wrote(0, tx.backlog(), s(100));
    assert_eq!(tx.backlog(), 8604, "no Ping was needed");
    assert_eq!(watch.check(tx, s(105)), Ok(Some(s(25))), "now one is queued");
    is_missed_at(s(130), TimedOut::Writing, |now| watch.check(tx, now));
}

/// A transport that takes something every few milliseconds was never empty, either.
#[test]
fn a_backlog_that_drains_fast_shows_life() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    let tx = &mut server.sender;
    tx.send_binary(&[0; 10_000]).unwrap();
    for tick in 0..3000 {
        assert!(watch.check(tx, ms(tick * 20)).is_ok());
        tx.consume(1);
        watch.wrote(1, tx.backlog(), ms(tick * 20));
    }
    assert_eq!(tx.backlog(), 7004, "no Ping was needed for a minute");
}

/// A server that sends something from time to time does not keep a dead peer: its socket takes small messages for hours.
#[test]
fn what_a_socket_takes_without_a_backlog_shows_nothing() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    let mut given_up = None;
    for second in 0..60 {
        server.sender.send_text("tick").unwrap();
        let checked = watch.check(&mut server.sender, s(second));
        written(&mut server, &mut watch, s(second));
        given_up = given_up.or(checked.err().map(|why| (second, why)));
    }
    assert_eq!(given_up, Some((51, TimedOut::Answer)));
}

#[test]
fn a_peer_that_is_not_read_is_not_silent() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    watch.reading(false, s(10));
    assert_eq!(watch.check(&mut server.sender, s(9999)), Ok(None));
    assert!(server.sender.is_empty());
    // Its time begins when it is read again.
    watch.reading(true, s(10_000));
    watch.reading(true, s(10_010));
    assert_eq!(watch.check(&mut server.sender, s(10_010)), Ok(Some(s(15))));
    // But one that does not read either is given up.
    watch.reading(false, s(10_011));
    assert_eq!(watch.check(&mut server.sender, s(10_012)), Ok(None));
    server.sender.send_binary(&[0; 1000]).unwrap();
    assert_eq!(watch.check(&mut server.sender, s(10_037)), Ok(Some(s(25))));
    // Its Ping was written, but not what follows it, and no answer would be read.
    server.sender.consume(server.sender.backlog());
    watch.wrote(1010, 0, s(10_037));
    server.sender.send_text("stuck").unwrap();
    is_missed_at(s(10_062), TimedOut::Writing, |now| watch.check(&mut server.sender, now));
}

/// If the backlog is over its limit, no Ping can be queued. It is not needed either, while the backlog drains.
#[test]
fn a_full_backlog_takes_no_ping() {
    let (mut server, _) = open(Config::new().high_water(1000));
    let mut watch = Watch::new(Patience::new(), s(0));
    let tx = &mut server.sender;
    tx.send_binary(&[0; 996]).unwrap();
    tx.consume(1);
    watch.wrote(1, tx.backlog(), s(0));
    assert_eq!(watch.check(tx, s(25)), Ok(Some(s(25))));
    assert_eq!(tx.backlog(), 999, "no Ping");
    tx.consume(500);
    watch.wrote(500, tx.backlog(), s(49));
    assert_eq!(watch.check(tx, s(50)), Ok(Some(s(24))));
    assert_eq!(watch.check(tx, s(74)), Ok(Some(s(25))), "now there is space for one");
    assert_eq!(tx.backlog(), 505);
    is_missed_at(s(99), TimedOut::Writing, |now| watch.check(tx, now));
}

/// In the middle of a frame that is sent in pieces, the peer can't be asked. So it is asked after it.
#[test]
fn no_ping_is_due_inside_a_frame() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    server.sender.begin_frame(websocket_proto::Kind::Binary, 1).unwrap();
    written(&mut server, &mut watch, s(0));
    assert_eq!(watch.check(&mut server.sender, s(25)), Ok(Some(s(25))));
    server.sender.send_payload(b"x").unwrap();
    assert_eq!(written(&mut server, &mut watch, s(30)), 0);
    assert_eq!(watch.check(&mut server.sender, s(50)), Ok(Some(s(25))));
    assert_eq!(server.sender.pending(), b"\x89\x04\0\0\0\x01");
}

/// A Pong that waits for the end of a frame is not what the peer must read.
#[test]
fn a_pong_that_is_held_inside_a_frame_gives_nobody_up() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    server.sender.begin_frame(websocket_proto::Kind::Binary, 1).unwrap();
    let mut ping = frame(0x89, b"", true);
    assert!(server.receiver.next_message(&mut Input::new(&mut ping), &mut server.sender).is_some());
    written(&mut server, &mut watch, s(0));
    for now in [25, 50, 75, 100] {
        assert_eq!(watch.check(&mut server.sender, s(now)), Ok(Some(s(25))));
    }
}

/// A transport may take a backlog at once that it has refused for long.
#[test]
fn a_peer_that_reads_a_backlog_too_large_for_a_ping_is_asked_then() {
    let (mut server, _) = open(Config::new().high_water(100));
    let mut watch = Watch::new(Patience::new(), s(0));
    server.sender.send_binary(&[0; 200]).unwrap();
    assert_eq!(watch.check(&mut server.sender, s(25)), Ok(Some(s(25))));
    assert_eq!(written(&mut server, &mut watch, s(40)), 0);
    assert_eq!(watch.check(&mut server.sender, s(40)), Ok(Some(s(25))));
    assert_eq!(written(&mut server, &mut watch, s(40)), 1);
    is_missed_at(s(65), TimedOut::Answer, |now| watch.check(&mut server.sender, now));
}

#[test]
fn a_clock_that_goes_back_makes_no_deadline_earlier() {
    for deadline in [TimedOut::Closing, TimedOut::End] {
        let mut watch = Watch::new(Patience::new().end(Some(s(10))), s(0));
        let mut check = |now| match deadline {
            TimedOut::End => watch.check_end(now),
            _ => watch.check_with(Transport::Closing, 0, now, |_| false),
        };
        check(s(100)).unwrap();
        check(s(50)).unwrap();
        is_missed_at(s(110), deadline, check);
    }
}

#[test]
fn a_clock_that_jumps_gives_one_more_ping() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    assert_eq!(watch.check(&mut server.sender, s(25)), Ok(Some(s(25))));
    assert_eq!(written(&mut server, &mut watch, s(25)), 1);
    // A second late is not a jump, but any more is.
    assert_eq!(watch.clone().check(&mut server.sender, s(51)), Ok(Some(LOOK)));
    assert_eq!(watch.check(&mut server.sender, s(3600)), Ok(Some(s(25))));
    assert_eq!(written(&mut server, &mut watch, s(3600)), 1);
    is_missed_at(s(3625), TimedOut::Answer, |now| watch.check(&mut server.sender, now));
    // And not another, however late.
    assert_eq!(watch.check(&mut server.sender, s(9999)), Err(TimedOut::Answer));
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(100));
    assert_eq!(watch.check(&mut server.sender, s(10)), Ok(Some(s(115))));
    watch.heard(s(10));
    watch.wrote(1, 0, s(9));
    assert_eq!(watch.check(&mut server.sender, s(124)), Ok(Some(s(1))));
}

#[test]
fn a_closing_handshake_has_ten_seconds_without_progress() {
    let (mut server, mut client) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    let tx = &mut server.sender;
    tx.send_binary(&[0; 10_000]).unwrap();
    tx.close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(watch.check(tx, s(100)), Ok(Some(s(10))), "from when it is first seen");
    tx.consume(1000);
    watch.wrote(1000, tx.backlog(), s(101));
    assert_eq!(watch.check(tx, s(101)), Ok(Some(s(9))));
    tx.consume(1000);
    watch.wrote(1000, tx.backlog(), s(109));
    // Messages that still arrive do not extend it.
    watch.heard(s(115));
    is_missed_at(s(119), TimedOut::Closing, |now| {
        watch.heard(now);
        watch.check(tx, now)
    });
    // No Ping follows a Close.
    let mut bytes = tx.pending().to_vec();
    assert!(bytes.ends_with(b"\x88\x02\x03\xe8"));

    // The client has answered, and waits for the end of the stream.
    let mut watch = Watch::new(Patience::new(), s(0));
    let mut close = bytes.split_off(bytes.len() - 4);
    assert!(client.receiver.next_message(&mut Input::new(&mut close), &mut client.sender).is_some());
    assert_eq!(watch.check(&mut client.sender, s(1)), Ok(Some(s(10))));
    written(&mut client, &mut watch, s(2));
    assert_eq!(client.sender.transport(), Transport::AwaitEnd);
    is_missed_at(s(4), TimedOut::End, {
        assert_eq!(watch.check(&mut client.sender, s(2)), Ok(Some(s(2))));
        |now| watch.check(&mut client.sender, now)
    });
}

/// A loop that lingers, or has refused a handshake, has no sender.
#[test]
fn the_end_of_a_stream_has_two_seconds() {
    let mut watch = Watch::new(Patience::new(), s(0));
    assert_eq!(watch.check_end(s(7)), Ok(Some(s(2))));
    is_missed_at(s(9), TimedOut::End, |now| watch.check_end(now));
}

#[test]
fn each_deadline_can_be_switched_off() {
    let later = s(1_000_000);
    let (mut server, _) = open(Config::new());
    let tx = &mut server.sender;
    // Without silence no Ping; without an answer many.
    assert_eq!(Watch::new(Patience::new().silence(None), s(0)).check(tx, later), Ok(None));
    assert!(tx.is_empty());
    let mut watch = Watch::new(Patience::new().answer(None), s(0));
    for second in (25..1000).step_by(25) {
        assert_eq!(watch.check(tx, s(second)), Ok(Some(s(25))));
        assert_eq!(watch.check(tx, s(second + 1)), Ok(Some(s(24))), "only one in 25 seconds");
    }
    assert_eq!(written(&mut server, &mut watch, s(1000)), 39);
    server.sender.close(CloseCode::NORMAL, "").unwrap();
    let mut watch = Watch::new(Patience::new().closing(None).end(None), s(0));
    assert_eq!(watch.check(&mut server.sender, later), Ok(None));
    server.sender.transport_lost();
    assert_eq!(watch.check(&mut server.sender, later), Ok(None));
    // A limit beyond the clock is none.
    let mut watch = Watch::new(Patience::new().silence(Some(Duration::MAX)), s(1));
    assert_eq!(watch.check_with(Transport::Open, 0, later, |_| panic!()), Ok(None));
}

#[test]
fn a_round_trip_is_from_the_ping_to_its_own_pong() {
    let (mut server, _) = open(Config::new());
    let mut watch = Watch::new(Patience::new(), s(0));
    assert_eq!((watch.round_trip(), watch.smoothed_round_trip()), (None, None));
    assert_eq!(watch.pong(&[0; 4], s(1)), None);
    assert_eq!(watch.pong(b"", s(1)), None);
    assert_eq!(watch.round_trip(), None, "unsolicited Pongs answer nothing");

    watch.check(&mut server.sender, s(25)).unwrap();
    written(&mut server, &mut watch, s(26));
    watch.pong(&[0; 4], s(27));
    watch.pong(&[0, 0, 0, 2], s(27));
    assert_eq!(watch.round_trip(), None);
    watch.heard(s(27));
    assert_eq!(watch.pong(&[0, 0, 0, 1], s(27)), Some(s(1)));
    assert_eq!(watch.pong(&[0, 0, 0, 1], s(29)), None);
    assert_eq!((watch.round_trip(), watch.smoothed_round_trip()), (Some(s(1)), Some(s(1))), "the first Pong counts");

    watch.check(&mut server.sender, s(52)).unwrap();
    written(&mut server, &mut watch, s(52));
    watch.heard(s(61));
    watch.pong(&[0, 0, 0, 2], s(61));
    assert_eq!((watch.round_trip(), watch.smoothed_round_trip()), (Some(s(9)), Some(s(2))));
}

#[test]
fn a_task_without_the_sender_can_check() {
    let mut watch = Watch::new(Patience::new(), s(0));
    let mut pings = Vec::new();
    let mut check = |now| {
        watch.check_with(Transport::Open, 0, now, |payload| {
            pings.push(payload.to_vec());
            true
        })
    };
    assert_eq!(check(s(25)), Ok(Some(s(25))));
    assert_eq!(check(s(50)), Ok(Some(LOOK)));
    assert_eq!(check(s(50) + LOOK), Err(TimedOut::Answer));
    assert_eq!(pings, [[0, 0, 0, 1]]);
}

// ------------------------------------------------------------------------------------------------------------------
// A simulated link. Time is a number, so thousands of hours pass in a second.

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % limit.max(1)
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// One direction of a TCP connection: bytes arrive in order, and only so many are on their way or unread.
struct Link {
    packets: VecDeque<(Duration, Vec<u8>)>,
    capacity: usize,
    latency: Duration,
    jitter_ms: u64,
    /// From now on nothing arrives.
    is_cut: bool,
}

impl Link {
    fn space(&self) -> usize {
        let unread: usize = self.packets.iter().map(|(_, bytes)| bytes.len()).sum();
        self.capacity.saturating_sub(unread)
    }

    fn send(&mut self, bytes: &[u8], now: Duration, dice: &mut Dice) {
        let arrival = if self.is_cut { Duration::MAX } else { now + self.latency + ms(dice.below(self.jitter_ms)) };
        let last = self.packets.back().map_or(Duration::ZERO, |(arrival, _)| *arrival);
        self.packets.push_back((arrival.max(last), bytes.to_vec()));
    }

    fn next_arrival(&self) -> Duration {
        self.packets.front().map_or(Duration::MAX, |(arrival, _)| *arrival)
    }

    fn cut(&mut self) {
        self.is_cut = true;
        self.packets.iter_mut().for_each(|(arrival, _)| *arrival = Duration::MAX);
    }
}

/// An end whose loop is the documented one.
struct End<R, S: Storage> {
    connection: Connection<R, S, S>,
    is_server: bool,
    watch: Watch,
    /// What the watch was told.
    is_reading: bool,
    /// When the peer's time has begun anew: the loop began or ceased to read, or neither reads nor writes.
    excused_at: Duration,
    /// The loop does something else until then.
    busy_until: Duration,
    /// The application does not read until then.
    reads_from: Duration,
    /// What the last check returned, as an instant.
    wake_at: Duration,
    ended: Option<(Duration, Result<(), TimedOut>)>,
}

const BACKLOG: usize = 64 << 10;

impl<R: Role, S: Storage> End<R, S> {
    fn new(connection: Connection<R, S, S>, is_server: bool, patience: Patience) -> Self {
        let watch = Watch::new(patience, s(0));
        let (busy_until, reads_from, wake_at) = (s(0), s(0), s(0));
        Self {
            connection,
            is_server,
            watch,
            is_reading: true,
            excused_at: s(0),
            busy_until,
            reads_from,
            wake_at,
            ended: None,
        }
    }

    /// A server stops reading while its backlog is large. If both ends did so, neither would read.
    fn reads(&self, now: Duration) -> bool {
        (!self.is_server || self.connection.sender.backlog() < BACKLOG) && now >= self.reads_from
    }

    /// The top of the loop.
    fn check(&mut self, now: Duration) {
        let reads = self.reads(now);
        if reads != self.is_reading || self.wake_at == Duration::MAX {
            (self.is_reading, self.excused_at) = (reads, now);
        }
        self.watch.reading(reads, now);
        match self.watch.check(&mut self.connection.sender, now) {
            Err(why) => self.ended = Some((now, Err(why))),
            Ok(_) if self.connection.sender.transport() == Transport::CloseNow => self.ended = Some((now, Ok(()))),
            Ok(wait) => self.wake_at = wait.map_or(Duration::MAX, |wait| now + wait),
        }
    }

    /// When this end next has something to do.
    fn next(&self, now: Duration, incoming: &Link, outgoing: &Link) -> Duration {
        if self.ended.is_some() {
            return Duration::MAX;
        }
        let mut next = self.wake_at;
        if self.reads(now) {
            next = next.min(incoming.next_arrival());
        } else if self.reads_from > now {
            next = next.min(self.reads_from);
        }
        if self.reads(now) != self.is_reading || (!self.connection.sender.is_empty() && outgoing.space() > 0) {
            next = now;
        }
        next.max(self.busy_until).max(now)
    }

    /// One turn of the loop: the first branch that is ready, then the top again.
    fn turn(&mut self, now: Duration, incoming: &mut Link, outgoing: &mut Link, dice: &mut Dice) {
        let reads = self.reads(now);
        let Connection { receiver: rx, sender: tx } = &mut self.connection;
        if reads && incoming.next_arrival() <= now {
            let (_, mut bytes) = incoming.packets.pop_front().unwrap();
            self.watch.heard(now);
            let mut input = Input::new(&mut bytes);
            while let Some(event) = rx.next_message(&mut input, tx) {
                match event {
                    Event::Pong(payload) => _ = self.watch.pong(payload, now),
                    Event::Failed(failure) => panic!("{failure}"),
                    _ => {}
                }
            }
        } else if !tx.is_empty() && outgoing.space() > 0 {
            let count = tx.pending().len().min(outgoing.space()).min(1 + dice.below(20_000) as usize);
            outgoing.send(&tx.pending()[..count], now, dice);
            tx.consume(count);
            self.watch.wrote(count, tx.backlog(), now);
        }
        self.check(now);
    }
}

/// What happens beside the protocol in a schedule.
struct Story {
    seed: u64,
    /// How long the server's loop may be busy at a time.
    busy_ms: u64,
    /// When the client's machine or network vanishes.
    vanishes: Option<Duration>,
    /// When the client stops, with its sockets open: it does not read any more.
    stops: Option<Duration>,
    until: Duration,
}

/// Returns the server's end.
fn play(story: &Story) -> End<Server, Store> {
    let mut dice = Dice(story.seed);
    let (server, client): (ServerEnd, ClientEnd) = open(Config::new());
    let patience = Patience::new();
    let mut server = End::new(server, true, patience);
    // The client answers, and never gives up by itself.
    let mut client = End::new(client, false, Patience::new().silence(None).closing(None).end(None));
    let link = |dice: &mut Dice| Link {
        packets: VecDeque::new(),
        capacity: 1000 + dice.below(100_000) as usize,
        latency: ms(dice.below(5000)),
        jitter_ms: dice.below(2000),
        is_cut: false,
    };
    let (mut up, mut down) = (link(&mut dice), link(&mut dice));
    server.check(s(0));
    client.check(s(0));
    let mut now = s(0);
    let mut next_act = s(0);
    while server.ended.is_none() {
        let next = server.next(now, &up, &down).min(client.next(now, &down, &up)).min(next_act);
        now = next.min(story.vanishes.filter(|at| *at > now).unwrap_or(Duration::MAX));
        if now >= story.until {
            break;
        }
        if story.vanishes.is_some_and(|at| now >= at) && !up.is_cut {
            up.cut();
            down.cut();
        }
        if story.stops.is_some_and(|at| now >= at) {
            client.busy_until = Duration::MAX;
        }
        // The applications: a message now and then, sometimes a large one; a pause in reading; a loop that is busy.
        if now >= next_act {
            next_act = now + ms(dice.below(40_000));
            let len = if dice.one_in(4) { dice.below(200_000) } else { dice.below(200) } as usize;
            let message = vec![0; len];
            match dice.below(6) {
                0 if server.connection.sender.backlog() < BACKLOG => _ = server.connection.sender.send_binary(&message),
                1 if client.connection.sender.backlog() < BACKLOG => _ = client.connection.sender.send_binary(&message),
                // It pauses because it has received much.
                2 if !up.is_cut && client.busy_until < Duration::MAX => {
                    server.reads_from = now + ms(dice.below(100_000))
                }
                3 => server.busy_until = now + ms(dice.below(story.busy_ms)),
                4 => client.busy_until = client.busy_until.max(now + ms(dice.below(5000))),
                _ => {}
            }
            if server.busy_until <= now && server.ended.is_none() {
                server.check(now);
            }
        }
        if server.next(now, &up, &down) <= now {
            server.turn(now, &mut up, &mut down, &mut dice);
        }
        if client.next(now, &down, &up) <= now {
            client.turn(now, &mut down, &mut up, &mut dice);
        }
    }
    server
}

#[test]
fn no_peer_that_answers_in_time_is_given_up() {
    let mut round_trips = 0;
    for seed in 0..10_000 {
        let story = Story { seed, busy_ms: 100_000, vanishes: None, stops: None, until: s(600) };
        let server = play(&story);
        assert_eq!(server.ended, None, "schedule {seed}");
        round_trips += usize::from(server.watch.round_trip().is_some());
    }
    assert!(round_trips > 5000, "{round_trips} schedules had a Ping that was answered");
}

/// A silence, and an answer that does not come. If the loop is busy in between, it finds out as much later, and may ask
/// once more.
#[test]
fn no_peer_that_vanishes_is_kept() {
    let mut whys = HashMap::new();
    for seed in 0..10_000 {
        let mut dice = Dice(!seed);
        let at = ms(dice.below(100_000));
        let (vanishes, stops) = if dice.one_in(2) { (Some(at), None) } else { (None, Some(at)) };
        let busy_ms = if dice.one_in(2) { 1 } else { 20_000 };
        let server = play(&Story { seed, busy_ms, vanishes, stops, until: s(2000) });
        let Some((when, Err(why))) = server.ended else { panic!("schedule {seed}: {:?}", server.ended) };
        // What is on its way arrives up to 7 seconds later.
        let since = (at + s(7)).max(server.excused_at);
        let most = if busy_ms == 1 { s(50) + ms(100) } else { s(50 + 25 + 3 * 20) };
        assert!(when <= since + most, "schedule {seed}: gone {at:?}, since {since:?}, given up {when:?}: {why:?}");
        *whys.entry(format!("{why:?}")).or_insert(0) += 1;
    }
    assert!(whys["Answer"] > 1000 && whys["Writing"] > 100, "{whys:?}");
}
