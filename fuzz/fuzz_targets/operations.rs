//! Two real ends, and every operation of applications, sockets and loops, in any order. Everything that one end was
//! allowed to send must arrive at the other: once, in order, unchanged.

#![no_main]

use std::{collections::VecDeque, mem};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::{
    Config, Connection, FixedStorage, Input, Kind, Message, OwnedReply, Receiver, Reply, Role, SendError, Sender,
    Storage, Transport, frame::CloseCode,
};
use websocket_proto_fuzz::{End as UncleanEnd, Log, MAX_REPLIES, PONG_BACKLOG, Seen, assert_used, connect, naive};

/// The longest message if the stores set no limit.
const LONGEST: usize = 5000;

#[derive(Arbitrary, Debug)]
struct Session {
    /// The size of the stores, in units of 16 bytes above the smallest; `None` is unlimited.
    store: Option<u8>,
    high_water: u16,
    keep: u8,
    /// For each end, bit n: whether every eighth call, from the n-th, is `next_chunk` and not `next_message`.
    chunks: [u8; 2],
    /// For each end: whether its replies pass through another task.
    two_tasks: [bool; 2],
    /// The connection is lost after the last operation.
    lost: bool,
    ops: Vec<(bool, Op)>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Message {
        text: bool,
        len: u8,
        how: How,
    },
    Ping {
        len: u8,
    },
    Pong {
        len: u8,
    },
    Close {
        code: Option<u16>,
        reason: u8,
    },
    /// The socket takes this many bytes.
    Write {
        count: u16,
    },
    /// The socket takes all but this many bytes.
    WriteAllBut {
        count: u8,
    },
    /// The peer reads this many bytes.
    Deliver {
        count: u16,
    },
    /// The replies reach the task that writes.
    HandOver,
    Release,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum How {
    Whole,
    Fragment {
        last: bool,
    },
    /// A vectored write, of which the socket takes this many bytes.
    Frame {
        sent: u16,
    },
    /// A vectored write that is dropped.
    FrameDropped,
}

fuzz_target!(|session: Session| {
    let config = Config::new().high_water(session.high_water.into()).keep(usize::from(session.keep) * 16);
    if let Some(units) = session.store {
        let capacity = 262 + usize::from(units) * 16;
        run(&session, capacity, connect(config, || FixedStorage::new(vec![0; capacity])));
    } else {
        run(&session, isize::MAX as usize, connect(config, Vec::new));
    }
});

fn run<A: Role, B: Role, S: Storage>(
    session: &Session,
    capacity: usize,
    (client, server): (Connection<A, S, S>, Connection<B, S, S>),
) {
    let mut client = End::new(session, capacity, true, client);
    let mut server = End::new(session, capacity, false, server);
    for (is_client, op) in &session.ops {
        match (*is_client, *op) {
            (true, Op::Deliver { count }) => deliver(&mut client, &mut server, count.into()),
            (false, Op::Deliver { count }) => deliver(&mut server, &mut client, count.into()),
            (true, op) => client.act(op),
            (false, op) => server.act(op),
        }
    }
    if session.lost {
        assert_eq!(client.rx.end_of_input().is_ok(), client.saw_close);
        assert_eq!(server.rx.end_of_input().is_ok(), server.saw_close);
        return;
    }

    while client.is_busy() || server.is_busy() {
        client.write(usize::MAX);
        server.write(usize::MAX);
        deliver(&mut client, &mut server, usize::MAX);
        deliver(&mut server, &mut client, usize::MAX);
        client.hand_over();
        server.hand_over();
    }
    client.check_rest(server.fragments.is_some(), Transport::AwaitEnd);
    server.check_rest(client.fragments.is_some(), Transport::CloseNow);
}

struct End<R, S: Storage> {
    rx: Receiver<R, S>,
    tx: Sender<R, S>,
    is_client: bool,
    capacity: usize,
    high_water: usize,
    longest_frame: usize,
    chunks: u8,
    calls: usize,
    log: Log,
    /// All bytes that the socket took, and how many of them reached the other end.
    output: Vec<u8>,
    delivered: usize,
    /// Everything that was accepted for sending and has not arrived yet.
    sent: VecDeque<Seen>,
    /// The fragmented message that is being sent.
    fragments: Option<(Kind, Vec<u8>)>,
    /// Pings that reached the other end, if neither they nor later ones were answered.
    unanswered: VecDeque<Vec<u8>>,
    /// Replies on their way to the writing task, each with the event that it answers.
    replies: VecDeque<(OwnedReply, Seen)>,
    two_tasks: bool,
    is_closing: bool,
    saw_close: bool,
    /// Makes every payload different.
    serial: u32,
}

impl<R: Role, S: Storage> End<R, S> {
    fn new(session: &Session, capacity: usize, is_client: bool, connection: Connection<R, S, S>) -> Self {
        let index = usize::from(is_client);
        Self {
            rx: connection.receiver,
            tx: connection.sender,
            is_client,
            capacity,
            high_water: session.high_water.into(),
            longest_frame: 0,
            chunks: session.chunks[index],
            calls: 0,
            log: Log::default(),
            output: Vec::new(),
            delivered: 0,
            sent: VecDeque::new(),
            fragments: None,
            unanswered: VecDeque::new(),
            replies: VecDeque::new(),
            two_tasks: session.two_tasks[index],
            is_closing: false,
            saw_close: false,
            serial: 0,
        }
    }

    fn act(&mut self, op: Op) {
        self.serial += 1;
        let before = self.waits();
        let pending = self.tx.pending().to_vec();
        let is_refused = match op {
            Op::Write { count } => return self.write(count.into()),
            Op::WriteAllBut { count } => return self.write(before.0.saturating_sub(count.into())),
            Op::HandOver => return self.hand_over(),
            Op::Message { text: true, len, how } => self.send(Message::Text(&text(self.serial, self.length(len))), how),
            Op::Message { text: false, len, how } => {
                self.send(Message::Binary(&bytes(self.serial, self.length(len))), how)
            }
            Op::Ping { len } => self.control(Sender::send_ping, ping(self.serial, len), Seen::Ping),
            Op::Pong { len } => self.control(Sender::send_pong, unasked_pong(self.serial, len), Seen::Pong),
            Op::Close { code, reason } => self.close(code, &text(self.serial, reason.into())),
            Op::Release => {
                self.rx.release();
                self.tx.release();
                true
            }
            Op::Deliver { .. } => unreachable!("needs both ends"),
        };
        if is_refused {
            assert_eq!(self.waits(), before);
        }
        let is_vectored = matches!(op, Op::Message { how: How::Frame { .. }, .. });
        assert!(is_vectored || self.tx.pending().starts_with(&pending), "what is pending stays until it is consumed");
    }

    /// How many bytes the socket could take, and how many wait in all: never more than allowed.
    fn waits(&self) -> (usize, usize) {
        assert_eq!(self.tx.is_open(), !self.is_closing);
        let most = self.high_water.max(self.longest_frame) + PONG_BACKLOG + MAX_REPLIES;
        assert!(self.tx.backlog() <= most, "{} bytes wait (at most {most})", self.tx.backlog());
        (self.tx.pending().len(), self.tx.backlog())
    }

    /// Sends, and returns whether that was refused. It must be refused if, and only if, there is a reason.
    fn send(&mut self, message: Message<'_>, how: How) -> bool {
        let (kind, payload) = (message.kind(), message.as_bytes());
        let is_fragment = matches!(how, How::Fragment { .. });
        let before = self.fragments.as_ref().filter(|(open, _)| *open == kind && is_fragment);
        if before.map_or(0, |(_, before)| before.len()) + payload.len() > self.capacity.min(LONGEST) {
            return true; // more than the other end takes
        }
        let len = self.frame_len(payload.len());
        let refusal = if self.is_closing {
            Some(SendError::Closing)
        } else if self.fragments.is_some() && before.is_none() {
            Some(SendError::MessageOpen)
        } else {
            self.no_room(len)
        };

        let verdict = match (how, message) {
            (How::Whole, Message::Text(text)) => self.tx.send_text(text),
            (How::Whole, Message::Binary(bytes)) => self.tx.send_binary(bytes),
            (How::Fragment { last }, Message::Text(text)) => self.tx.send_text_fragment(text, last),
            (How::Fragment { last }, Message::Binary(bytes)) => self.tx.send_binary_fragment(bytes, last),
            (How::FrameDropped, _) => self.tx.vectored_frame(message).map(drop),
            (How::Frame { sent }, _) => self.tx.vectored_frame(message).map(|frame| {
                let parts = frame.parts().concat();
                let sent = parts.len().min(sent.into());
                self.output.extend_from_slice(&parts[..sent]);
                frame.sent(sent);
            }),
        };
        assert_eq!(verdict.err(), refusal);
        if refusal.is_some() {
            return true;
        }

        self.longest_frame = self.longest_frame.max(len);
        let mut whole = self.fragments.take().map_or(Vec::new(), |(_, before)| before);
        whole.extend_from_slice(payload);
        if let How::Fragment { last: false } = how {
            self.fragments = Some((kind, whole));
        } else {
            self.sent.push_back(Seen::Message(kind, whole));
        }
        false
    }

    fn control(
        &mut self,
        send: impl Fn(&mut Sender<R, S>, &[u8]) -> Result<(), SendError>,
        payload: Vec<u8>,
        seen: impl Fn(Vec<u8>) -> Seen,
    ) -> bool {
        let refusal = if self.is_closing {
            Some(SendError::Closing)
        } else if payload.len() > 125 {
            Some(SendError::ControlTooLong { len: payload.len() })
        } else {
            self.no_room(self.frame_len(payload.len()))
        };
        assert_eq!(send(&mut self.tx, &payload).err(), refusal);
        if refusal.is_none() {
            self.sent.push_back(seen(payload));
        }
        refusal.is_some()
    }

    fn close(&mut self, code: Option<u16>, reason: &str) -> bool {
        let (verdict, reason) = match code.map(CloseCode::new) {
            None => (self.tx.close_without_code(), ""),
            Some(Ok(code)) => (self.tx.close(code, reason), reason),
            Some(Err(_)) => return true,
        };
        let refusal = if self.is_closing {
            Some(SendError::Closing)
        } else {
            (reason.len() > 123).then_some(SendError::ReasonTooLong { len: reason.len() })
        };
        assert_eq!(verdict.err(), refusal);
        if refusal.is_none() {
            self.closes(code, reason.to_owned());
        }
        refusal.is_some()
    }

    /// A Close was accepted, from the application or as a reply: the last frame that the other end sees.
    fn closes(&mut self, code: Option<u16>, reason: String) {
        self.is_closing = true;
        self.sent.push_back(Seen::Close { code, reason, message_cut_short: self.fragments.is_some() });
    }

    fn write(&mut self, count: usize) {
        let pending = self.tx.pending();
        let count = count.min(pending.len());
        self.output.extend_from_slice(&pending[..count]);
        self.tx.consume(count);
        assert_eq!(self.tx.is_empty(), self.waits() == (0, 0), "a Pong that waits apart follows");
    }

    /// Passes the receiver's replies to the sender.
    fn hand_over(&mut self) {
        for (reply, event) in mem::take(&mut self.replies) {
            let (pending, backlog) = self.waits();
            self.tx.reply(&reply);
            match event {
                Seen::Ping(payload) => {
                    // Pongs are queued while there is space. Then a new one replaces the one that waits separately.
                    let after = self.waits();
                    let len = self.frame_len(payload.len());
                    let queued = (pending + len, backlog + len);
                    let apart = (pending, pending + len);
                    let one_waits_apart = backlog > pending;
                    if self.may_be_round() {
                        assert!(after.1 <= backlog + len);
                    } else if one_waits_apart || pending + len > self.room() {
                        assert_eq!(after, apart);
                    } else if pending + self.frame_len(125) <= PONG_BACKLOG {
                        assert_eq!(after, queued);
                    } else {
                        assert!(after == queued || after == apart);
                    }
                }
                Seen::Close { code, reason, .. } => {
                    if !self.is_closing {
                        self.closes(code, reason);
                    }
                    let (pending, backlog) = self.waits();
                    assert!(pending == backlog || self.may_be_round(), "nobody waits for a Pong any more");
                }
                event => unreachable!("{event:?} needs no reply"),
            }
        }
    }

    /// Whether the output may wrap around in its array: then fewer bytes may be pending than are queued.
    fn may_be_round(&self) -> bool {
        (301..isize::MAX as usize).contains(&self.capacity)
    }

    /// The space in the store that the application may use: a Close always fits beside it.
    fn room(&self) -> usize {
        self.capacity - self.frame_len(125)
    }

    fn no_room(&self, len: usize) -> Option<SendError> {
        let (waiting, room) = (self.tx.backlog(), self.room());
        let limit = self.high_water.min(room);
        if len > room {
            Some(SendError::FrameTooLong { len, limit: room })
        } else {
            (waiting > 0 && waiting + len > limit).then_some(SendError::Backlog { waiting, limit })
        }
    }

    fn frame_len(&self, payload: usize) -> usize {
        let length = match payload {
            0..=125 => 0,
            126..=0xFFFF => 2,
            _ => 8,
        };
        2 + length + if self.is_client { 4 } else { 0 } + payload
    }

    /// Lengths of payloads: mostly short, and close to all limits of a header's form and of a store.
    fn length(&self, len: u8) -> usize {
        match len {
            0..=200 => len.into(),
            201..=250 => (usize::from(len) - 200) * LONGEST / 50,
            _ => self.room().min(LONGEST).saturating_sub(usize::from(255 - len) * 2),
        }
    }

    /// Whether something is on its way to the other end.
    fn is_busy(&self) -> bool {
        self.tx.backlog() > 0 || self.delivered < self.output.len() || !self.replies.is_empty()
    }

    /// Everything arrived.
    fn check_rest(&self, message_is_open: bool, transport: Transport) {
        assert_eq!(self.sent, [], "accepted, and never arrived");
        let frames = naive::frames(&self.output, self.is_client, 0);
        let close = frames.iter().position(|(first, _)| *first == 0x88);
        let (end, transport) = if self.is_closing {
            // A Ping that crosses our Close is still answered.
            let behind = close.map(|at| &frames[at + 1..]).expect("a Close was sent");
            assert!(behind.iter().all(|(first, _)| *first == 0x8A), "more than Pongs behind a Close");
            (UncleanEnd::Closed, transport)
        } else {
            assert_eq!(close, None);
            assert!(self.unanswered.is_empty(), "the newest ping is answered");
            (if message_is_open { UncleanEnd::InsideMessage } else { UncleanEnd::BetweenMessages }, Transport::Open)
        };
        assert_eq!(UncleanEnd::from(self.rx.end_of_input()), end);
        assert_eq!(self.tx.transport(), transport);
    }
}

/// Moves bytes from one end's socket to the other's.
fn deliver<A: Role, B: Role, S: Storage>(from: &mut End<A, S>, to: &mut End<B, S>, count: usize) {
    let undelivered = &from.output[from.delivered..];
    let mut piece = undelivered[..count.min(undelivered.len())].to_vec();
    from.delivered += piece.len();
    let mut input = Input::new(&mut piece);
    loop {
        let mut reply = None;
        let mut replies = |owed: Reply<'_>| assert!(reply.replace(owed.to_owned()).is_none());
        to.calls += 1;
        let found = if to.chunks >> (to.calls % 8) & 1 != 0 {
            to.rx.next_chunk(&mut input, &mut replies).map(|event| to.log.chunk(event))
        } else {
            to.rx.next_message(&mut input, &mut replies).map(|event| to.log.event(event))
        };
        if found.is_none() {
            break;
        }
        for seen in to.log.take() {
            to.see(from, &seen);
            to.replies.extend(reply.take().map(|reply| (reply, seen)));
        }
        assert!(reply.is_none(), "a reply to nothing");
        if !to.two_tasks {
            to.hand_over();
        }
    }
    assert_used(&input);
}

impl<R: Role, S: Storage> End<R, S> {
    /// Checks that the other end sent this.
    fn see<P: Role>(&mut self, from: &mut End<P, S>, seen: &Seen) {
        if let Seen::Pong(payload) = seen
            && let Some(index) = self.unanswered.iter().position(|ping| ping == payload)
        {
            // A Pong may also answer the Pings before it.
            self.unanswered.drain(..=index);
            return;
        }
        assert_eq!(from.sent.pop_front().as_ref(), Some(seen));
        match seen {
            Seen::Ping(payload) => from.unanswered.push_back(payload.clone()),
            Seen::Close { .. } => self.saw_close = true,
            _ => {}
        }
    }
}

fn bytes(serial: u32, len: usize) -> Vec<u8> {
    (0..len).map(|index| (index as u32 ^ serial.wrapping_mul(0x9E37)) as u8).collect()
}

/// Code points of every length.
fn text(serial: u32, len: usize) -> String {
    let mut text = String::new();
    let mut letters = ['a', 'é', '世', '🦀'].into_iter().cycle().skip(serial as usize % 4);
    text.extend(std::iter::from_fn(|| letters.next()).take(len / 4));
    text.extend(std::iter::repeat_n('.', len - text.len()));
    text
}

/// All are different, and none is an [`unasked_pong`].
fn ping(serial: u32, len: u8) -> Vec<u8> {
    [b"?", &serial.to_be_bytes()[..], &bytes(serial, len.into())].concat()
}

fn unasked_pong(serial: u32, len: u8) -> Vec<u8> {
    [b"!", &serial.to_be_bytes()[..], &bytes(serial, len.into())].concat()
}
