//! Both tasks over streams in memory, whose other end does what a peer may do.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex, split},
    net::{TcpListener, TcpStream},
    sync::{mpsc::Sender, watch},
    task::JoinHandle,
    time::timeout,
};
use two_tasks::{Peers, messages, serve, talk};
use websocket_proto::{Config, Input, OwnedMessage, ServerConnection, server, time::Patience};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Better fail than hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Long enough for every task to do what it can.
const A_WHILE: Duration = Duration::from_millis(100);

/// A client's Close with code 1000.
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xE8";

const LEN: usize = 10_000;

#[tokio::test]
async fn who_sends_waits_until_the_peer_reads() {
    let mut talk = Talk::start();
    let count = talk.fill().await;
    let to_peer = talk.to_peer.clone();
    let waiting = tokio::spawn(async move { to_peer.send(message(count)).await.is_ok() });
    for number in 0..=count {
        talk.expect(number).await;
    }
    assert!(within(waiting).await.unwrap());
}

#[tokio::test]
async fn a_close_is_answered_while_the_channel_is_full() {
    let mut talk = Talk::start();
    let count = talk.fill().await;
    talk.peer.write_all(CLOSE).await.unwrap();
    // The peer has read nothing yet, and the application knows already.
    assert!(within(talk.to_peer.send(message(count))).await.is_err());
    for number in 0..count {
        talk.expect(number).await;
    }
    assert_eq!(frame(&mut talk.peer).await, (0x88, b"\x03\xE8".to_vec()));
    assert_eq!(talk.end().await, "closed by the peer: 1000 (normal closure)");
}

#[tokio::test]
async fn a_close_behind_echoes_that_are_not_read_is_answered_behind_them() {
    let talk = Talk::start();
    let (mut reader, mut writer) = split(talk.peer);
    let mut writing = tokio::spawn(async move {
        for number in 0..1000_u32 {
            writer.write_all(&masked(0x82, &payload(number))).await.unwrap();
        }
        writer.write_all(CLOSE).await.unwrap();
        writer
    });
    assert!(timeout(A_WHILE, &mut writing).await.is_err(), "the echoes are stored without limit");
    for number in 0..1000_u32 {
        assert!(frame(&mut reader).await == (0x82, payload(number)), "{number}");
    }
    assert_eq!(frame(&mut reader).await, (0x88, b"\x03\xE8".to_vec()));
    assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
    drop((reader, within(writing).await));
    assert_eq!(within(talk.outcome).await.unwrap(), "closed by the peer: 1000 (normal closure)");
}

#[tokio::test]
async fn pings_are_read_while_the_channel_is_full() {
    let mut talk = Talk::start();
    let count = talk.fill().await;
    for number in 0..10_000_u32 {
        within(talk.peer.write_all(&masked(0x89, &number.to_be_bytes()))).await.unwrap();
    }
    let (mut messages, mut pong) = (0, None);
    while messages < count || pong != Some(9999) {
        match frame(&mut talk.peer).await {
            (0x82, bytes) => {
                assert!(bytes == payload(messages), "message {messages}");
                messages += 1;
            }
            (0x8A, bytes) => {
                let number = u32::from_be_bytes(bytes.try_into().unwrap());
                assert!(pong < Some(number), "{number} after {pong:?}");
                pong = Some(number);
            }
            (first, _) => panic!("{first:02X}"),
        }
    }
    talk.peer.write_all(CLOSE).await.unwrap();
    assert_eq!(frame(&mut talk.peer).await.0, 0x88);
    talk.end().await;
}

#[tokio::test]
async fn a_server_that_stops_sends_what_it_has_accepted() {
    let mut talk = Talk::start();
    let count = talk.fill().await;
    talk.stop.send_replace(());
    assert!(within(talk.to_peer.send(message(count))).await.is_err());
    for number in 0..count {
        talk.expect(number).await;
    }
    assert_eq!(frame(&mut talk.peer).await, (0x88, b"\x03\xE9".to_vec()));
    talk.peer.write_all(b"\x88\x82\0\0\0\0\x03\xE9").await.unwrap();
    assert_eq!(talk.end().await, "closed by us: 1001 (going away)");
}

#[tokio::test]
async fn a_writer_that_sleeps_learns_that_the_peer_is_gone() {
    let talk = Talk::start();
    drop(talk.peer);
    assert_eq!(within(talk.outcome).await.unwrap(), "connection lost: the peer left without a closing handshake");
    assert!(talk.to_peer.send(message(0)).await.is_err());
}

#[tokio::test]
async fn a_writer_that_waits_for_the_peer_learns_that_it_is_gone() {
    let talk = Talk::start();
    talk.fill().await;
    drop(talk.peer);
    assert_eq!(within(talk.outcome).await.unwrap(), "connection lost: the peer left without a closing handshake");
    assert!(talk.to_peer.send(message(0)).await.is_err());
}

#[tokio::test]
async fn after_a_lost_write_a_close_is_still_read() {
    for (bytes, outcome) in [
        (masked(0x88, b"\x03\xF0why"), "closed by the peer: 1008 (policy violation)"),
        (vec![], "connection lost: the peer left without a closing handshake"),
    ] {
        let (mut peer, reader) = duplex(1000);
        let (writer, gone) = duplex(1000);
        drop(gone);
        let (to_peer, _stop, ended) = begin(reader, writer);
        to_peer.send(message(0)).await.unwrap();
        within(to_peer.closed()).await;
        peer.write_all(&bytes).await.unwrap();
        assert_eq!(within(ended).await.unwrap(), outcome);
        // The reader has ended, too, although this end of the stream is open.
        assert!(peer.write_all(b"x").await.is_err());
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_delays_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (peers, stop) = (Peers::default(), watch::Sender::new(()));
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, address) = listener.accept().await.unwrap();
        tokio::spawn(serve(socket, address, Patience::new(), peers.clone(), stop.subscribe()));
        client.write_all(REQUEST).await.unwrap();
        let mut byte = [0];
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            within(client.read_exact(&mut byte)).await.unwrap();
            head.extend(byte);
        }
        clients.push(client);
    }
    // More than all buffers on the way to the first hold.
    for number in 0..2000_u32 {
        peers.send_to_all(&message(number));
        assert!(frame(&mut clients[1]).await == (0x82, payload(number)), "{number}");
    }
    // The first has missed some.
    let mut numbers = Vec::new();
    while let Ok((0x82, bytes)) = timeout(A_WHILE, frame(&mut clients[0])).await {
        numbers.push(u32::from_be_bytes(*bytes.first_chunk().unwrap()));
    }
    assert!(numbers.is_sorted() && numbers[0] == 0 && numbers.len() < 2000, "{} messages", numbers.len());
}

/// A connection, and the other end of its stream.
struct Talk {
    peer: DuplexStream,
    to_peer: Sender<OwnedMessage>,
    stop: watch::Sender<()>,
    outcome: JoinHandle<String>,
}

impl Talk {
    fn start() -> Self {
        let (stream, peer) = duplex(1000);
        let (reader, writer) = split(stream);
        let (to_peer, stop, outcome) = begin(reader, writer);
        Self { peer, to_peer, stop, outcome }
    }

    /// Sends messages until the channel is full, because nobody reads them. Returns how many were accepted.
    async fn fill(&self) -> u32 {
        let mut count = 0;
        while timeout(A_WHILE, self.to_peer.send(message(count))).await.is_ok() {
            count += 1;
            assert!(count < 1000, "they are stored without limit");
        }
        count
    }

    async fn expect(&mut self, number: u32) {
        assert!(frame(&mut self.peer).await == (0x82, payload(number)), "{number}");
    }

    /// Waits for the end of the stream behind the Close. Returns the outcome.
    async fn end(mut self) -> String {
        assert_eq!(within(self.peer.read(&mut [0])).await.unwrap(), 0);
        drop(self.peer);
        within(self.outcome).await.unwrap()
    }
}

fn begin(
    reader: impl AsyncRead + Unpin + Send + 'static,
    writer: impl AsyncWrite + Unpin + Send + 'static,
) -> (Sender<OwnedMessage>, watch::Sender<()>, JoinHandle<String>) {
    let mut handshake = server::Handshake::new(Config::new());
    assert!(handshake.read(&mut Input::new(&mut REQUEST.to_vec())));
    let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
    let mut connection: ServerConnection = upgrade.accept(&server::Accept::new()).unwrap();
    connection.sender.consume(usize::MAX);
    let (messages, (stop, stopping)) = (messages(), watch::channel(()));
    let patience = Patience::new().end(Some(A_WHILE));
    let to_peer = messages.0.clone();
    let talk = async move { talk(reader, writer, connection, patience, messages, stopping).await.to_string() };
    (to_peer, stop, tokio::spawn(talk))
}

fn message(number: u32) -> OwnedMessage {
    payload(number).into()
}

fn payload(number: u32) -> Vec<u8> {
    [number.to_be_bytes().as_slice(), &[0; LEN]].concat()
}

/// A frame of a client. Its masking key is zero.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => frame.extend([&[0xFE], &(len as u16).to_be_bytes()[..]].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The first byte of the server's next frame, and its payload.
async fn frame(peer: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    within(async {
        let first = peer.read_u8().await.unwrap();
        let len = match peer.read_u8().await.unwrap() {
            126 => peer.read_u16().await.unwrap().into(),
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        peer.read_exact(&mut payload).await.unwrap();
        (first, payload)
    })
    .await
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("this takes too long")
}
