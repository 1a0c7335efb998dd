//! Two real ends joined in memory, with sends, partial writes and partial reads in any order: every message arrives
//! once, in order, unchanged, and both ends close in order.

mod common;

use std::collections::VecDeque;

use common::{frames, open, open_in, store};
use proptest::prelude::*;
use websocket_proto::{
    Config, Connection, Event, FixedStorage, Input, Kind, Role, SendError, Storage, Transport, client::RequestError,
    frame::CloseCode, server::AcceptError,
};

/// One end, and the bytes on their way to it.
struct End<R, I: Storage, O: Storage> {
    connection: Connection<R, I, O>,
    incoming: VecDeque<u8>,
    /// The messages that the application sent and received.
    sent: Vec<Message>,
    received: Vec<Message>,
    /// Fragments of the open message, or pieces of its only frame.
    open: Option<Message>,
    pings: usize,
    pongs: usize,
    closed: Option<Option<u16>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Message {
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Clone, Debug)]
enum Operation {
    Text(String),
    Binary(Vec<u8>),
    Fragment(Vec<u8>, bool),
    /// The next piece of a frame. If none was begun, one is begun that is longer than the piece by this many bytes.
    Piece(Vec<u8>, usize),
    /// A vectored write of which the socket takes this many bytes.
    Vectored(Vec<u8>, usize),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The network takes this many pending bytes.
    Write(usize),
    /// The other end reads this many of the bytes on their way.
    Read(usize),
    Close(u16),
}

impl<R: Role, I: Storage, O: Storage> End<R, I, O> {
    fn new(connection: Connection<R, I, O>) -> Self {
        Self {
            connection,
            incoming: VecDeque::new(),
            sent: vec![],
            received: vec![],
            open: None,
            pings: 0,
            pongs: 0,
            closed: None,
        }
    }

    fn write(&mut self, count: usize, wire: &mut VecDeque<u8>) {
        let tx = &mut self.connection.sender;
        let count = count.min(tx.pending().len());
        wire.extend(&tx.pending()[..count]);
        tx.consume(count);
    }

    fn read(&mut self, count: usize) {
        let count = count.min(self.incoming.len());
        let mut bytes: Vec<u8> = self.incoming.drain(..count).collect();
        let mut input = Input::new(&mut bytes);
        while let Some(event) = self.connection.receiver.next_message(&mut input, &mut self.connection.sender) {
            assert_eq!(self.closed, None, "nothing comes after a Close");
            match event {
                Event::Text(text) => self.received.push(Message::Text(text.into())),
                Event::Binary(data) => self.received.push(Message::Binary(data.into())),
                Event::Ping(_) => {}
                Event::Pong(_) => self.pongs += 1,
                Event::Close { code, .. } => self.closed = Some(code.map(CloseCode::get)),
                event => panic!("{event:?}"),
            }
        }
        assert!(input.is_empty());
    }

    /// Sends the next bytes of a frame that was begun.
    fn fill(&mut self) {
        if self.connection.sender.payload_remaining() > 0 {
            self.apply(&Operation::Piece(vec![0; 50], 0), &mut VecDeque::new());
        }
    }

    fn apply(&mut self, operation: &Operation, wire: &mut VecDeque<u8>) {
        let tx = &mut self.connection.sender;
        let outcome = match operation {
            Operation::Text(text) => tx.send_text(text).map(|()| self.sent.push(Message::Text(text.clone()))),
            Operation::Binary(data) => tx.send_binary(data).map(|()| self.sent.push(Message::Binary(data.clone()))),
            Operation::Fragment(data, last) => tx.send_binary_fragment(data, *last).map(|()| {
                let open = self.open.get_or_insert(Message::Binary(vec![]));
                if let Message::Binary(so_far) = open {
                    so_far.extend_from_slice(data);
                }
                if *last {
                    self.sent.extend(self.open.take());
                }
            }),
            Operation::Piece(data, more) => {
                let begun = match tx.payload_remaining() {
                    0 => tx.begin_frame(Kind::Binary, (data.len() + more) as u64),
                    _ => Ok(()),
                };
                begun.and_then(|()| {
                    let Message::Binary(so_far) = self.open.get_or_insert(Message::Binary(vec![])) else { panic!() };
                    let piece = &data[..data.len().min(tx.payload_remaining() as usize)];
                    let sent = tx.send_payload(piece).map(|()| so_far.extend_from_slice(piece));
                    if tx.payload_remaining() == 0 {
                        self.sent.extend(self.open.take());
                    }
                    sent
                })
            }
            Operation::Vectored(data, taken) => tx.vectored_frame(&data[..]).map(|frame| {
                let parts = frame.parts().concat();
                let taken = (*taken).min(parts.len());
                wire.extend(&parts[..taken]);
                frame.sent(taken);
                self.sent.push(Message::Binary(data.clone()));
            }),
            Operation::Ping(payload) => {
                self.pings += usize::from(tx.send_ping(payload).is_ok());
                Ok(())
            }
            Operation::Pong(payload) => {
                let _ = tx.send_pong(payload);
                Ok(())
            }
            Operation::Close(code) => {
                let _ = tx.close(CloseCode::new(*code).unwrap(), "done");
                Ok(())
            }
            Operation::Write(count) => {
                self.write(*count, wire);
                Ok(())
            }
            Operation::Read(count) => {
                self.read(*count);
                Ok(())
            }
        };
        match outcome {
            Ok(()) => {}
            Err(SendError::MessageOpen) => assert!(self.open.is_some()),
            Err(SendError::Closing) => assert!(!self.connection.sender.is_open()),
            Err(SendError::Backlog { .. } | SendError::FrameTooLong { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let data = || prop_oneof![prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 100..300)];
    prop_oneof![
        3 => "\\PC{0,40}".prop_map(Operation::Text),
        3 => data().prop_map(Operation::Binary),
        3 => (data(), any::<bool>()).prop_map(|(data, last)| Operation::Fragment(data, last)),
        3 => (data(), 0_usize..400).prop_map(|(data, more)| Operation::Piece(data, more)),
        2 => (data(), 0_usize..400).prop_map(|(data, taken)| Operation::Vectored(data, taken)),
        2 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Operation::Ping),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Operation::Pong),
        4 => (0_usize..300).prop_map(Operation::Write),
        4 => (0_usize..300).prop_map(Operation::Read),
    ]
}

fn play<S: Storage>(config: Config, stores: [S; 4], operations: &[(bool, Operation)], code: u16, server_closes: bool) {
    let (server, client) = open_in(config, stores);
    let (mut server, mut client) = (End::new(server), End::new(client));
    for (at_server, operation) in operations {
        if *at_server {
            server.apply(operation, &mut client.incoming);
        } else {
            client.apply(operation, &mut server.incoming);
        }
    }
    // The end that closes first completes its frame.
    for _ in 0..20 {
        if server_closes {
            server.fill();
            server.write(usize::MAX, &mut client.incoming);
        } else {
            client.fill();
            client.write(usize::MAX, &mut server.incoming);
        }
    }
    // One end closes. Then both write and read a few bytes at a time, until the transport may close.
    if server_closes {
        server.apply(&Operation::Close(code), &mut client.incoming);
    } else {
        client.apply(&Operation::Close(code), &mut server.incoming);
    }
    for round in 0.. {
        assert!(round < 10_000, "they never finish");
        server.write(97, &mut client.incoming);
        client.write(89, &mut server.incoming);
        server.read(83);
        client.read(101);
        server.fill();
        client.fill();
        // The end that closes may still send a Pong behind its Close.
        let all_written = server.connection.sender.backlog() == 0 && client.connection.sender.backlog() == 0;
        if all_written && client.closed.is_some() && server.closed.is_some() {
            break;
        }
    }
    assert_eq!(server.connection.sender.transport(), Transport::CloseNow);
    assert_eq!(client.connection.sender.transport(), Transport::AwaitEnd);
    assert_eq!((server.closed, client.closed), (Some(Some(code)), Some(Some(code))));
    assert_eq!(server.connection.receiver.end_of_input(), Ok(()));
    assert_eq!(client.connection.receiver.end_of_input(), Ok(()));
    assert_eq!(client.received, server.sent);
    assert_eq!(server.received, client.sent);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_interleaving_delivers_everything_and_closes(
        operations in prop::collection::vec((any::<bool>(), operation()), 0..60),
        code in prop_oneof![Just(1000_u16), Just(1014), 3000_u16..5000],
        server_closes: bool,
    ) {
        play(Config::new(), [(); 4].map(|()| store()), &operations, code, server_closes);
    }

    #[test]
    fn the_same_without_an_allocator_and_with_a_low_mark(
        operations in prop::collection::vec((any::<bool>(), operation()), 0..60),
        server_closes: bool,
    ) {
        let stores = [(); 4].map(|()| FixedStorage::new([0; 20_000]));
        play(Config::new().high_water(700), stores, &operations, 1000, server_closes);
    }
}

/// Every Ping is answered while the backlog of Pongs has space, whatever else is in transit.
#[test]
fn every_ping_is_answered_in_order() {
    let (server, client) = open(Config::new());
    let (mut server, mut client) = (End::new(server), End::new(client));
    for number in 0..30_u8 {
        client.apply(&Operation::Ping(vec![number; 100]), &mut server.incoming);
    }
    client.write(usize::MAX, &mut server.incoming);
    server.read(usize::MAX);
    let pongs = frames(server.connection.sender.pending());
    assert_eq!(pongs, (0..30).map(|number| (0x8A, vec![number; 100])).collect::<Vec<_>>());
    server.write(usize::MAX, &mut client.incoming);
    client.read(usize::MAX);
    assert_eq!(client.pongs, 30);
}

/// Both ends close at the same time: each takes the other's Close for the answer.
#[test]
fn closes_that_cross() {
    let (server, client) = open(Config::new());
    let (mut server, mut client) = (End::new(server), End::new(client));
    server.apply(&Operation::Close(1001), &mut client.incoming);
    client.apply(&Operation::Close(1000), &mut server.incoming);
    server.write(usize::MAX, &mut client.incoming);
    client.write(usize::MAX, &mut server.incoming);
    server.read(usize::MAX);
    client.read(usize::MAX);
    assert_eq!((server.closed, client.closed), (Some(Some(1000)), Some(Some(1001))));
    assert!(server.connection.sender.is_empty() && client.connection.sender.is_empty());
    assert_eq!(server.connection.sender.transport(), Transport::CloseNow);
    assert_eq!(client.connection.sender.transport(), Transport::AwaitEnd);
}

/// Tunnels whose ends have agreed in another way need no handshake. What is in the stores is dropped.
#[test]
fn ends_without_a_handshake() {
    let full = || FixedStorage::new([7; 300]);
    let keys = common::keys as fn() -> [u8; 4];
    let server = Connection::server_without_handshake(Config::new(), full(), full()).unwrap();
    let client = Connection::client_without_handshake(Config::new(), keys, full(), full()).unwrap();
    let (mut server, mut client) = (End::new(server), End::new(client));
    client.apply(&Operation::Text("hello".into()), &mut server.incoming);
    client.write(usize::MAX, &mut server.incoming);
    server.read(usize::MAX);
    server.apply(&Operation::Close(1000), &mut client.incoming);
    server.write(usize::MAX, &mut client.incoming);
    client.read(usize::MAX);
    assert_eq!(server.received, [Message::Text("hello".into())]);
    assert_eq!(client.closed, Some(Some(1000)));

    for capacity in [0, 253, 254, 261, 262] {
        let store = || FixedStorage::new(vec![0; capacity]);
        let server = Connection::server_without_handshake(Config::new(), store(), store());
        let too_small = AcceptError::StoreTooSmall { needed: 254, capacity };
        assert_eq!(server.err(), (capacity < 254).then_some(too_small));
        let client = Connection::client_without_handshake(Config::new(), keys, store(), store());
        let too_small = RequestError::StoreTooSmall { needed: 262, capacity };
        assert_eq!(client.err(), (capacity < 262).then_some(too_small));
    }
}

/// Messages that arrive after our Close are still delivered.
#[test]
fn messages_arrive_until_the_peers_close() {
    let (server, client) = open(Config::new());
    let (mut server, mut client) = (End::new(server), End::new(client));
    server.apply(&Operation::Close(1000), &mut client.incoming);
    client.apply(&Operation::Text("crossing".into()), &mut server.incoming);
    client.write(usize::MAX, &mut server.incoming);
    server.read(usize::MAX);
    assert_eq!(server.received, [Message::Text("crossing".into())]);
    assert_eq!(server.connection.sender.send_text("answer"), Err(SendError::Closing));
    assert_eq!(server.connection.sender.transport(), Transport::Closing);
}
