//! How many instructions the key cases take, one message each. The count is the same on a noisy machine, so a slower
//! case is noticed at once. `benches/instructions/check` counts them and compares them with the written counts.
//!
//! ```text
//! cargo bench -p benches --bench instructions -- CASE       runs one case, for valgrind to count
//! cargo bench -p benches --bench instructions               runs them all, and prints their names
//! ```

mod common;

use std::{env, hint::black_box, io::Read, str};

use common::{KIB, ascii, binary, connect, connect_as, cyrillic, message};
use websocket_proto::{
    Config, Connection, Event, Input, Kind, ReadBuffer, Role, Sender, Storage, deflate, frame::MaskingKey, server,
};

/// How many times the counted code runs: many, so that one-time work does not matter.
const RUNS: usize = 16;

/// Unmasking twice restores a message.
const KEY: MaskingKey = MaskingKey([1; 4]);

/// The configuration and the reads of the loops in the documentation: all defaults.
const DOCUMENTED: Config = Config::new();
const READ: usize = 32 * KIB;

/// The number of messages in a run, and the run.
type Case = (usize, Box<dyn FnMut()>);

/// A name, and the preparation that is not counted.
type Named = (&'static str, fn() -> Case);

const CASES: &[Named] = &[
    ("receive_binary_16", || receive(Kind::Binary, &binary(16), 16)),
    ("receive_binary_125", || receive(Kind::Binary, &binary(125), 125)),
    ("receive_binary_1k", || receive(Kind::Binary, &binary(KIB), KIB)),
    ("receive_binary_64k", || receive(Kind::Binary, &binary(64 * KIB), 64 * KIB)),
    ("receive_ascii_125", || receive(Kind::Text, &ascii(125), 125)),
    ("receive_ascii_1k", || receive(Kind::Text, &ascii(KIB), KIB)),
    ("receive_cyrillic_1k", || receive(Kind::Text, &cyrillic(KIB), KIB)),
    ("receive_binary_64k_in_fragments_of_1k", || receive(Kind::Binary, &binary(64 * KIB), KIB)),
    ("receive_text_64k_in_fragments_of_1k", || receive(Kind::Text, &cyrillic(64 * KIB), KIB)),
    ("receive_binary_125_in_reads_of_1k", || receive_cut(&binary(125), KIB)),
    ("receive_binary_64k_in_reads_of_4k", || receive_cut(&binary(64 * KIB), 4 * KIB)),
    ("receive_ping", receive_ping),
    ("client_receives_binary_125", || client_receives(Kind::Binary, &binary(125), usize::MAX)),
    ("client_receives_ascii_64k_in_reads_of_4k", || client_receives(Kind::Text, &ascii(64 * KIB), 4 * KIB)),
    ("server_sends_125", || send(|| connect().1, 1)),
    ("server_sends_125_sixteen_to_a_flush", || send(|| connect().1, 16)),
    ("client_sends_125", || send(|| connect().0, 1)),
    ("client_sends_125_sixteen_to_a_flush", || send(|| connect().0, 16)),
    ("echo_125", echo),
    ("documented_receives_binary_125", || documented_receive(Kind::Binary, &binary(125), 125)),
    ("documented_receives_binary_16k", || documented_receive(Kind::Binary, &binary(16 * KIB), 16 * KIB)),
    ("documented_receives_binary_1m", || documented_receive(Kind::Binary, &binary(KIB * KIB), KIB * KIB)),
    ("documented_receives_binary_64k", || documented_receive(Kind::Binary, &binary(64 * KIB), 64 * KIB)),
    ("documented_receives_ascii_64k", || documented_receive(Kind::Text, &ascii(64 * KIB), 64 * KIB)),
    ("documented_receives_cyrillic_64k", || documented_receive(Kind::Text, &cyrillic(64 * KIB), 64 * KIB)),
    ("documented_receives_ascii_64_in_fragments_of_1", || documented_receive(Kind::Text, &ascii(64), 1)),
    ("documented_receives_ascii_64_in_fragments_of_16", || documented_receive(Kind::Text, &ascii(64), 16)),
    ("documented_receives_ascii_1k_in_fragments_of_256", || documented_receive(Kind::Text, &ascii(KIB), 256)),
    ("documented_receives_binary_1k_in_fragments_of_256", || documented_receive(Kind::Binary, &binary(KIB), 256)),
    ("documented_receives_binary_64k_in_fragments_of_1k", || documented_receive(Kind::Binary, &binary(64 * KIB), KIB)),
    ("documented_receives_binary_1k_in_reads_of_4k", || documented_receive_cut(Kind::Binary, &binary(KIB))),
    ("documented_receives_binary_16k_in_reads_of_4k", || documented_receive_cut(Kind::Binary, &binary(16 * KIB))),
    ("documented_receives_binary_64k_in_reads_of_4k", || documented_receive_cut(Kind::Binary, &binary(64 * KIB))),
    ("documented_receives_ascii_64k_in_reads_of_4k", || documented_receive_cut(Kind::Text, &ascii(64 * KIB))),
    ("documented_receives_cyrillic_64k_in_reads_of_4k", || documented_receive_cut(Kind::Text, &cyrillic(64 * KIB))),
    ("documented_client_receives_binary_64k", || documented_client_receive(&binary(64 * KIB))),
    ("documented_server_sends_125", || send(|| connect_as(DOCUMENTED).1, 1)),
    ("documented_server_sends_125_sixteen_to_a_flush", || send(|| connect_as(DOCUMENTED).1, 16)),
    ("documented_client_sends_125", || send(|| connect_as(DOCUMENTED).0, 1)),
    ("documented_client_sends_125_sixteen_to_a_flush", || send(|| connect_as(DOCUMENTED).0, 16)),
    ("documented_echo_125", || documented_echo(&binary(125), 1)),
    ("documented_echo_125_sixteen_to_a_read", || documented_echo(&binary(125), 16)),
    ("documented_echo_125_hundred_to_a_read", || documented_echo(&binary(125), 100)),
    ("documented_echo_16k", || documented_echo(&binary(16 * KIB), 1)),
    ("server_handshake", handshake),
    ("inflate_1k", inflate),
    ("deflate_1k", deflate),
];

fn main() {
    let name = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    match name {
        Some(name) => {
            let (_, prepare) = CASES.iter().find(|(case, _)| *case == name).expect("a case of this name");
            let (messages, mut run) = prepare();
            // Until memory has its final size.
            for _ in 0..RUNS {
                run();
            }
            counted(&mut *run);
            println!("{}", messages * RUNS);
        }
        None => {
            for (name, prepare) in CASES {
                prepare().1();
                println!("{name}");
            }
        }
    }
}

/// Valgrind counts the instructions in this function.
#[inline(never)]
fn counted(run: &mut dyn FnMut()) {
    for _ in 0..RUNS {
        run();
    }
}

fn receive(kind: Kind, payload: &[u8], fragment: usize) -> Case {
    let count = (8 * KIB / payload.len()).max(1);
    let mut wire = message(kind, payload, fragment, Some(KEY)).repeat(count);
    let mut connection = connect().1;
    (count, Box::new(move || assert_eq!(read(&mut connection, &mut wire, usize::MAX), count)))
}

fn receive_cut(payload: &[u8], most: usize) -> Case {
    let count = (8 * KIB / payload.len()).max(1);
    let mut wire = message(Kind::Binary, payload, payload.len(), Some(KEY)).repeat(count);
    let mut connection = connect().1;
    (count, Box::new(move || assert_eq!(read(&mut connection, &mut wire, most), count)))
}

fn receive_ping() -> Case {
    let mut wire = [0x89, 0x84, 1, 1, 1, 1, b'p', b'i', b'n', b'g'].repeat(16);
    let mut connection = connect().1;
    (16, Box::new(move || assert_eq!(read(&mut connection, &mut wire, usize::MAX), 16)))
}

fn client_receives(kind: Kind, payload: &[u8], most: usize) -> Case {
    let count = (8 * KIB / payload.len()).max(1);
    let mut wire = message(kind, payload, payload.len(), None).repeat(count);
    let mut connection = connect().0;
    (count, Box::new(move || assert_eq!(read(&mut connection, &mut wire, most), count)))
}

/// Reads messages and Pings, and writes the replies.
fn read<R: Role, S: Storage>(connection: &mut Connection<R, S, S>, wire: &mut [u8], most: usize) -> usize {
    let Connection { receiver: rx, sender: tx } = connection;
    let mut count = 0;
    for piece in wire.chunks_mut(most.min(wire.len())) {
        let mut input = Input::new(black_box(piece));
        while let Some(event) = rx.next_message(&mut input, tx) {
            count += usize::from(matches!(black_box(event), Event::Text(_) | Event::Binary(_) | Event::Ping(_)));
        }
        tx.consume(black_box(tx.pending()).len());
    }
    count
}

fn send<R: Role + 'static>(connect: fn() -> Connection<R, Vec<u8>, Vec<u8>>, flush: usize) -> Case {
    let payload = binary(125);
    let mut sender = connect().sender;
    let run = move || {
        for _ in 0..flush {
            sender.send_binary(black_box(&payload)).unwrap();
        }
        sender.consume(black_box(sender.pending()).len());
    };
    (flush, Box::new(run))
}

fn echo() -> Case {
    let mut wire = message(Kind::Binary, &binary(125), 125, Some(KEY)).repeat(16);
    let Connection { receiver: mut rx, sender: mut tx } = connect().1;
    let run = move || {
        let mut input = Input::new(black_box(&mut wire));
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            if let Event::Binary(data) = event {
                tx.send_binary(data).unwrap();
            }
        }
        assert_eq!(tx.pending().len(), 16 * 127);
        tx.consume(black_box(tx.pending()).len());
    };
    (16, Box::new(run))
}

/// The loop of the README, but it only counts messages.
fn documented_receive(kind: Kind, payload: &[u8], fragment: usize) -> Case {
    documented_loop(connect_as(DOCUMENTED).1, payload, message(kind, payload, fragment, Some(KEY)), usize::MAX)
}

/// The same with reads of at most 4 KiB.
fn documented_receive_cut(kind: Kind, payload: &[u8]) -> Case {
    documented_loop(connect_as(DOCUMENTED).1, payload, message(kind, payload, payload.len(), Some(KEY)), 4 * KIB)
}

/// The same as a client.
fn documented_client_receive(payload: &[u8]) -> Case {
    documented_loop(connect_as(DOCUMENTED).0, payload, message(Kind::Binary, payload, payload.len(), None), usize::MAX)
}

fn documented_loop<R: Role + 'static>(
    connection: Connection<R, Vec<u8>, Vec<u8>>,
    payload: &[u8],
    message: Vec<u8>,
    most: usize,
) -> Case {
    let count = (64 * KIB / payload.len()).max(1);
    let wire = message.repeat(count);
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut buffer = ReadBuffer::new(vec![0; READ]);
    let run = move || {
        let mut received = 0;
        let mut stream = black_box(&wire[..]);
        while !stream.is_empty() {
            let room = buffer.room_for(&mut rx);
            let most = most.min(room.len());
            let n = stream.read(&mut room[..most]).unwrap();
            let mut input = buffer.received(n);
            while let Some(event) = rx.next_message(&mut input, &mut tx) {
                received += usize::from(matches!(black_box(event), Event::Text(_) | Event::Binary(_)));
            }
            write_all(&mut tx);
        }
        assert_eq!(received, count);
    };
    (count, Box::new(run))
}

/// The same loop, but it answers.
fn documented_echo(payload: &[u8], count: usize) -> Case {
    let wire = message(Kind::Binary, payload, payload.len(), Some(KEY)).repeat(count);
    let Connection { receiver: mut rx, sender: mut tx } = connect_as(DOCUMENTED).1;
    let mut buffer = ReadBuffer::new(vec![0; READ]);
    let run = move || {
        let mut written = 0;
        let mut stream = black_box(&wire[..]);
        while !stream.is_empty() {
            let n = stream.read(buffer.room_for(&mut rx)).unwrap();
            let mut input = buffer.received(n);
            while let Some(event) = rx.next_message(&mut input, &mut tx) {
                match event {
                    Event::Text(text) => tx.send_text(text).unwrap(),
                    Event::Binary(data) => tx.send_binary(data).unwrap(),
                    _ => {}
                }
            }
            written += write_all(&mut tx);
        }
        assert!(written > wire.len() - 8 * count);
    };
    (count, Box::new(run))
}

/// The socket takes all pending bytes. Returns their number.
fn write_all<R: Role, S: Storage>(tx: &mut Sender<R, S>) -> usize {
    let mut written = 0;
    while !tx.is_empty() {
        let pending = black_box(tx.pending()).len();
        tx.consume(pending);
        written += pending;
    }
    written
}

fn handshake() -> Case {
    let mut request = common::REQUEST.to_vec();
    let run = move || {
        let mut handshake = server::Handshake::new(Config::new());
        assert!(handshake.read(&mut Input::new(black_box(&mut request))));
        let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
        let subprotocol = upgrade.select_subprotocol(&["chat.v1", "chat.v2"]);
        let connection = upgrade.accept(&server::Accept::new().subprotocol(subprotocol)).unwrap();
        black_box(connection.sender.pending());
    };
    (1, Box::new(run))
}

/// A message from a new context refers to no earlier one, so it can be repeated.
fn inflate() -> Case {
    let config = Config::new().keep(256 * KIB).deflate(deflate::Config::new().send_takeover(false));
    let (mut client, mut server) = connect_as(config);
    client.sender.send_text(str::from_utf8(&ascii(KIB)).unwrap()).unwrap();
    let wire = client.sender.pending().to_vec();
    let mut room = wire.clone();
    let run = move || {
        room.copy_from_slice(&wire);
        assert_eq!(read(&mut server, &mut room, usize::MAX), 1);
    };
    (1, Box::new(run))
}

fn deflate() -> Case {
    let config = Config::new().keep(256 * KIB).deflate(deflate::Config::new().send_takeover(false));
    let mut sender = connect_as(config).1.sender;
    let text = String::from_utf8(ascii(KIB)).unwrap();
    let run = move || {
        sender.send_text(black_box(&text)).unwrap();
        sender.consume(black_box(sender.pending()).len());
    };
    (1, Box::new(run))
}
