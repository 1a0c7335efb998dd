//! The program as a process, and clients that are hostile, late, gone or a little wrong.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The largest message.
const LARGEST: usize = 64 << 10;

/// How many connections are served at once.
const CLIENTS: usize = 4;

#[test]
fn messages_of_all_sizes_come_back() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for len in [0, 1, 125, 126, 4096, 65_535, LARGEST] {
        for opcode in [1, 2] {
            client.write_all(&masked(0x80 | opcode, &vec![b'x'; len])).unwrap();
            expect(&mut client, &frame(0x80 | opcode, &vec![b'x'; len]));
        }
    }
    closes(client);
}

#[test]
fn a_message_may_arrive_byte_by_byte_and_in_fragments() {
    let server = Server::start(&[]);
    let mut client = server.socket();
    let frames = [masked(0x01, "zw".as_bytes()), masked(0x89, b"?"), masked(0x00, b""), masked(0x80, "ölf".as_bytes())];
    for byte in [REQUEST, &frames.concat()].concat() {
        client.write_all(&[byte]).unwrap();
    }
    expect_response(&mut client);
    expect(&mut client, &[frame(0x8A, b"?"), frame(0x81, "zwölf".as_bytes())].concat());
    closes(client);
}

#[test]
fn the_first_messages_may_arrive_with_the_request() {
    let server = Server::start(&[]);
    let mut client = server.socket();
    client.write_all(&[REQUEST, &masked(0x82, b"hi").repeat(50)].concat()).unwrap();
    expect_response(&mut client);
    expect(&mut client, &frame(0x82, b"hi").repeat(50));
    closes(client);
}

#[test]
fn the_answers_to_one_read_fit_beside_the_largest_message() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let (begun, small) = (vec![b'x'; LARGEST], b"a message of any size, which is longer than its header");
    client.write_all(&masked(0x02, &begun)).unwrap();
    // All of it was read when the Pong arrives.
    client.write_all(&masked(0x89, b"")).unwrap();
    expect(&mut client, &frame(0x8A, b""));
    let frames = [masked(0x80, b""), masked(0x82, small).repeat(4000 / (small.len() + 6)), masked(0x89, &[7; 50])];
    client.write_all(&frames.concat()).unwrap();
    let echoes = [frame(0x82, &begun), frame(0x82, small).repeat(4000 / (small.len() + 6)), frame(0x8A, &[7; 50])];
    expect(&mut client, &echoes.concat());
    closes(client);
}

#[test]
fn many_messages_are_sent_before_any_echo_is_read() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.write_all(&masked(0x82, &[7; 500]).repeat(500)).unwrap();
    expect(&mut client, &frame(0x82, &[7; 500]).repeat(500));
    closes(client);
}

#[test]
fn a_close_is_answered_with_its_code() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    client.write_all(&masked(0x88, b"\x03\xE9bye")).unwrap();
    assert_eq!(until_the_end(client), frame(0x88, b"\x03\xE9bye"));
    assert_eq!(server.log(), "closed by the peer: 1001 (going away)");
}

#[test]
fn a_peer_that_breaks_the_protocol_or_a_limit_is_told_so() {
    let mut server = Server::start(&[]);
    for (bytes, code, outcome) in [
        (masked(0x81, b"\xFF"), 1007_u16, "failed: text is not UTF-8 (RFC 6455 §8.1)"),
        (frame(0x82, b"not masked"), 1002, "failed: frame without a mask (RFC 6455 §5.1)"),
        (masked(0x82, &[0; LARGEST + 1]), 1009, "failed: message of 65537 bytes (at most 65536) (RFC 6455 §10.4)"),
    ] {
        let mut client = server.client();
        client.write_all(&bytes).unwrap();
        let said = until_the_end(client);
        assert!(said[0] == 0x88 && said[2..4] == code.to_be_bytes(), "{said:?}");
        assert_eq!(server.log(), outcome);
    }
}

#[test]
fn a_request_without_upgrade_is_refused() {
    let mut server = Server::start(&[]);
    let mut client = server.socket();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let said = until_the_end(client);
    assert!(
        said.starts_with(b"HTTP/1.1 426 ") && said.ends_with(b"WebSocket server.\n"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    assert!(server.log().starts_with("not opened: "));
}

#[test]
fn a_request_has_one_deadline() {
    let mut server = Server::start(&["--patience", "0.5"]);
    let mut client = server.socket();
    let began = Instant::now();
    let mut request = REQUEST.chunks(1);
    drip(&mut client, || request.next().unwrap());
    assert!((400..3000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(server.log(), "timed out in the opening handshake");
}

#[test]
fn a_silent_peer_gets_a_ping_and_is_dropped() {
    let mut server = Server::start(&["--silence", "0.4"]);
    let mut client = server.client();
    let began = Instant::now();
    for number in 1..=2 {
        expect(&mut client, &frame(0x89, &[0, 0, 0, number]));
        if number == 1 {
            client.write_all(&masked(0x8A, &[0, 0, 0, number])).unwrap();
        }
    }
    assert_eq!(until_the_end(client), b"");
    assert!((1100..4000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(server.log(), "timed out: no answer to a Ping");
}

#[test]
fn a_peer_that_never_reads_is_dropped() {
    let mut server = Server::start(&["--silence", "0.4"]);
    let mut client = server.client();
    client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let message = masked(0x82, &[0; LARGEST]);
    while client.write_all(&message).is_ok() {}
    assert_eq!(server.log(), "timed out: the peer does not read");
}

#[test]
fn a_reset_ends_a_write() {
    let mut server = Server::start(&[]);
    let mut client = server.client();
    client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let message = masked(0x82, &[0; LARGEST]);
    while client.write_all(&message).is_ok() {}
    drop(client);
    assert_eq!(server.log(), "connection lost in the middle of a message");
    closes(server.client());
}

#[test]
fn a_peer_that_does_not_end_the_stream_has_one_deadline() {
    let mut server = Server::start(&["--patience", "0.5"]);
    let mut client = server.client();
    let began = Instant::now();
    client.write_all(&masked(0x88, b"")).unwrap();
    drip(&mut client, || b"x");
    assert!((400..3000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    assert_eq!(server.log(), "closed by the peer: 1005 (no code)");
}

#[test]
fn a_lost_stream_is_noticed_at_once() {
    let mut server = Server::start(&[]);
    let lost = "connection lost: the peer left without a closing handshake";
    // It ends its half, and still gets its echo.
    let mut client = server.client();
    client.write_all(&masked(0x81, b"last")).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(until_the_end(client), frame(0x81, b"last"));
    assert_eq!(server.log(), lost);
    // It leaves with an unread echo, so the system resets the connection.
    let mut client = server.client();
    client.write_all(&masked(0x81, b"unread")).unwrap();
    client.peek(&mut [0]).unwrap();
    drop(client);
    assert_eq!(server.log(), lost);
    // In the middle of its request.
    let mut client = server.socket();
    client.write_all(&REQUEST[..40]).unwrap();
    drop(client);
    assert!(server.log().starts_with("not opened: "));
}

#[test]
fn connections_follow_each_other_and_more_of_them_wait() {
    let server = Server::start(&[]);
    let address = &server.address;
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..3 * CLIENTS {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut client = open(address);
                    client.write_all(&masked(0x81, b"hello")).unwrap();
                    expect(&mut client, &frame(0x81, b"hello"));
                    closes(client);
                }
            });
        }
    });
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn all_servers_are_free_again_after_peers_that_are_gone() {
    let mut server = Server::start(&["--patience", "0.2", "--silence", "0.2"]);
    for _ in 0..3 {
        let silent: Vec<_> = (0..CLIENTS).map(|_| server.client()).collect();
        for _ in &silent {
            assert_eq!(server.log(), "timed out: no answer to a Ping");
        }
    }
    closes(server.client());
}

/// A client's frame, with a masking key that changes nothing.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame(first, payload);
    frame[1] |= 0x80;
    let header = frame.len() - payload.len();
    frame.splice(header..header, [0; 4]);
    frame
}

/// A server's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len();
    let mut frame = match len {
        ..126 => vec![first, len as u8],
        126..0x1_0000 => [&[first, 126][..], &(len as u16).to_be_bytes()].concat(),
        _ => [&[first, 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    frame.extend(payload);
    frame
}

fn expect(socket: &mut TcpStream, bytes: &[u8]) {
    let mut said = vec![0; bytes.len()];
    socket.read_exact(&mut said).unwrap();
    assert!(said == bytes, "{:?} in place of {:?}", &said[..said.len().min(20)], &bytes[..bytes.len().min(20)]);
}

fn expect_response(socket: &mut TcpStream) {
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
    assert!(said.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&said));
}

fn closes(mut socket: TcpStream) {
    socket.write_all(&masked(0x88, b"\x03\xE8")).unwrap();
    assert_eq!(until_the_end(socket), frame(0x88, b"\x03\xE8"));
}

/// Reads to the end, and then ends its own half.
fn until_the_end(mut socket: TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    match socket.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error} after {said:?}"),
        _ => said,
    }
}

/// Sends some bytes every 50 ms, until the server does not take them any more.
fn drip<'a>(socket: &mut TcpStream, mut next: impl FnMut() -> &'a [u8]) {
    let began = Instant::now();
    while socket.write_all(next()).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10));
        thread::sleep(Duration::from_millis(50));
    }
}

fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Connects, with the opening handshake.
fn open(address: &str) -> TcpStream {
    let mut socket = connect(address);
    socket.write_all(REQUEST).unwrap();
    expect_response(&mut socket);
    socket
}

struct Server {
    process: Child,
    address: String,
    /// The lines of stderr.
    log: mpsc::Receiver<String>,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_embassy_server"));
        command.arg("127.0.0.1:0").args(options).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (line, log) = mpsc::channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ws://").and_then(|line| line.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("it says {line:?}")).to_owned();
        Self { process, address, log }
    }

    fn socket(&self) -> TcpStream {
        connect(&self.address)
    }

    fn client(&self) -> TcpStream {
        open(&self.address)
    }

    /// The next line of the log.
    fn log(&mut self) -> String {
        self.log.recv_timeout(Duration::from_secs(10)).expect("a line of log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
