//! What each of the small servers does, whatever it runs on. A package includes this file in its tests, beside
//! `PROGRAM`, the path of its program, which takes `ADDR:PORT` and how many seconds a peer may take over each step.
//!
//! The clients are sockets that write bytes.

#[path = "process.rs"]
mod process;

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::PROGRAM;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Better fail than hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// The exit code of a server that cannot run here.
const UNAVAILABLE: i32 = 69;

#[test]
fn messages_of_all_sizes_come_back() {
    let Some(server) = Server::start() else { return };
    let mut client = server.connect();
    for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        for (first, payload) in [(0x82, vec![b'x'; len]), (0x81, "ж".repeat(len / 2).into_bytes())] {
            client.write_all(&frame(first, &payload)).unwrap();
            expect(&mut client, first, &payload);
        }
    }
}

#[test]
fn a_message_may_arrive_in_many_pieces() {
    let Some(server) = Server::start() else { return };
    let mut client = server.connect();
    let mut wire = frame(0x01, b"0");
    for number in 1..100 {
        wire.extend(frame(0x89, &[number]));
        wire.extend(frame(0x00, number.to_string().as_bytes()));
    }
    wire.extend(frame(0x80, b"!"));
    for byte in wire {
        client.write_all(&[byte]).unwrap();
    }
    for number in 1..100 {
        expect(&mut client, 0x8A, &[number]);
    }
    let whole = (0..100).map(|number| number.to_string()).collect::<String>() + "!";
    expect(&mut client, 0x81, whole.as_bytes());
}

#[test]
fn the_first_message_may_arrive_with_the_request() {
    let Some(server) = Server::start() else { return };
    let mut socket = server.socket();
    socket.write_all(&[REQUEST, &frame(0x81, b"hi"), &frame(0x88, b"")].concat()).unwrap();
    let said = until_the_end(&mut socket);
    assert!(said.starts_with(b"HTTP/1.1 101 ") && said.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"), "{said:?}");
}

#[test]
fn a_request_without_upgrade_is_refused() {
    let Some(server) = Server::start() else { return };
    let mut socket = server.socket();
    socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let said = until_the_end(&mut socket);
    assert!(said.starts_with(b"HTTP/1.1 426 "), "{}", String::from_utf8_lossy(&said));
    server.log("not opened: no Upgrade: websocket header");
}

#[test]
fn a_stalled_handshake_is_dropped_at_the_deadline() {
    let Some(server) = Server::start_with("0.5") else { return };
    // At once, in the middle, and byte by byte.
    for (begin, drip) in [(0, b"".as_slice()), (40, b""), (0, REQUEST)] {
        let mut socket = server.socket();
        let began = Instant::now();
        socket.write_all(&REQUEST[..begin]).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut drip = drip.iter();
        while is_waiting(socket.read(&mut [0; 1000])) {
            // The server may be gone, which the next read shows.
            let _ = drip.next().map(|byte| socket.write_all(&[*byte]));
            assert!(began.elapsed() < PATIENCE);
        }
        let time = began.elapsed().as_secs_f64();
        assert!((0.4..3.0).contains(&time), "{time}");
        server.log("timed out in the opening handshake");
    }
}

#[test]
fn a_silent_peer_gets_a_ping_and_is_given_up() {
    let Some(server) = Server::start_with("0.5") else { return };
    let mut client = server.connect();
    expect(&mut client, 0x89, &[0, 0, 0, 1]);
    client.write_all(&frame(0x8A, &[0, 0, 0, 1])).unwrap();
    // Any byte is a sign of life.
    expect(&mut client, 0x89, &[0, 0, 0, 2]);
    client.write_all(&frame(0x8A, b"")[..1]).unwrap();
    expect(&mut client, 0x89, &[0, 0, 0, 3]);
    server.log("timed out: no answer to a Ping");
    assert_eq!(until_the_end(&mut client), b"");
}

#[test]
fn a_peer_that_never_reads_costs_little_and_is_given_up() {
    let Some(server) = Server::start_with("0.5") else { return };
    let mut client = server.connect();
    flood(&mut client, &[frame(0x82, &[7; 10_000]), frame(0x89, b"?")].concat());
    server.log("timed out: the peer does not read");
    server.is_small();
}

#[test]
fn a_peer_that_reads_late_gets_all_echoes_in_order() {
    let Some(server) = Server::start() else { return };
    let mut client = server.connect();
    // More than all buffers on the way can hold: so each end has waited for the other.
    let count = 10_000_u16;
    let payload = |number: u16| [number.to_be_bytes().as_slice(), &[0; 3000]].concat();
    let mut writer = client.try_clone().unwrap();
    let (progress, stalls) = mpsc::channel();
    let writing = thread::spawn(move || {
        for number in 0..count {
            writer.write_all(&[frame(0x82, &payload(number)), frame(0x89, &number.to_be_bytes())].concat()).unwrap();
            let _ = progress.send(());
        }
    });
    while stalls.recv_timeout(Duration::from_millis(300)).is_ok() {}
    assert!(!writing.is_finished(), "nothing has stalled");
    let (mut echoes, mut pong) = (0, None);
    while echoes < count || pong != Some(count - 1) {
        match read_frame(&mut client) {
            (0x82, bytes) => {
                assert!(bytes == payload(echoes), "echo {echoes}");
                echoes += 1;
            }
            // Some may be missing, but the last.
            (0x8A, bytes) => {
                let number = u16::from_be_bytes(bytes.try_into().unwrap());
                assert!(pong < Some(number), "{number} after {pong:?}");
                pong = Some(number);
            }
            frame => panic!("{frame:?}"),
        }
    }
    writing.join().unwrap();
    server.is_small();
}

#[test]
fn pings_never_wait_for_a_peer_that_does_not_read() {
    let Some(server) = Server::start() else { return };
    let mut client = server.connect();
    let (count, len) = (100_000_u32, 100);
    let payload = |number: u32| [number.to_be_bytes().as_slice(), &[0; 96]].concat();
    // Longer than all buffers on the way. If the server waited with its Pongs, this would fail.
    client.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    for number in (0..count).step_by(100) {
        let pings = (number..number + 100).flat_map(|number| frame(0x89, &payload(number))).collect::<Vec<_>>();
        client.write_all(&pings).unwrap();
    }
    let mut last = None;
    while last != Some(count - 1) {
        let (first, bytes) = read_frame(&mut client);
        assert_eq!((first, bytes.len()), (0x8A, len));
        let number = u32::from_be_bytes(*bytes.first_chunk().unwrap());
        assert!(last < Some(number), "{number} after {last:?}");
        last = Some(number);
    }
    server.is_small();
}

#[test]
fn of_a_burst_of_pings_the_newest_is_answered() {
    let Some(server) = Server::start() else { return };
    let mut client = server.connect();
    // In one read, and more than fit into any queue of replies.
    let pings = (0..4000_u16).flat_map(|number| frame(0x89, &number.to_be_bytes())).collect::<Vec<_>>();
    client.write_all(&pings).unwrap();
    let mut next = 0;
    while next < 4000 {
        let (first, number) = read_frame(&mut client);
        assert_eq!(first, 0x8A);
        let number = u16::from_be_bytes(number.try_into().unwrap());
        assert!(number >= next, "{number} after {next}");
        next = number + 1;
    }
}

#[test]
fn a_busy_peer_does_not_keep_the_others_waiting() {
    let Some(server) = Server::start() else { return };
    let (mut reader, messages) = (server.connect(), frame(0x81, b"busy").repeat(1000));
    let mut writer = reader.try_clone().unwrap();
    // They end with the server.
    thread::spawn(move || while writer.write_all(&messages).is_ok() {});
    thread::spawn(move || while reader.read(&mut [0; 64 << 10]).is_ok_and(|n| n > 0) {});
    for _ in 0..3 {
        let mut client = server.connect();
        client.write_all(&frame(0x81, b"hi")).unwrap();
        expect(&mut client, 0x81, b"hi");
    }
}

#[test]
fn a_close_is_answered_with_its_code_and_the_end_of_the_stream() {
    let Some(server) = Server::start() else { return };
    for (close, outcome) in [
        (b"".as_slice(), "closed by the peer: 1005"),
        (b"\x03\xE8bye", "closed by the peer: 1000"),
        (b"\x0F\xA0", "closed by the peer: 4000"),
    ] {
        let mut client = server.connect();
        client.write_all(&[frame(0x81, b"last"), frame(0x88, close), frame(0x81, b"too late")].concat()).unwrap();
        expect(&mut client, 0x81, b"last");
        expect(&mut client, 0x88, close);
        assert_eq!(until_the_end(&mut client), b"");
        drop(client);
        server.log(outcome);
    }
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told_why() {
    let Some(server) = Server::start() else { return };
    for (bytes, code) in [(frame(0x81, b"\xFF"), 1007_u16), (frame(0x83, b""), 1002)] {
        let mut client = server.connect();
        client.write_all(&bytes).unwrap();
        let (first, close) = read_frame(&mut client);
        assert_eq!((first, &close[..2]), (0x88, code.to_be_bytes().as_slice()));
        assert_eq!(until_the_end(&mut client), b"");
        drop(client);
        server.log("failed: ");
    }
}

#[test]
fn a_lost_stream_ends_its_connection() {
    let Some(server) = Server::start() else { return };
    // By its end: at once, and inside a message.
    for bytes in [b"".as_slice(), &frame(0x81, b"hello")[..8]] {
        let mut client = server.connect();
        client.write_all(bytes).unwrap();
        drop(client);
        server.log("connection lost");
    }
    // By a reset, which closing a socket with unread bytes causes.
    let mut client = server.connect();
    client.write_all(&frame(0x81, b"hello")).unwrap();
    client.peek(&mut [0]).unwrap();
    drop(client);
    server.log("connection lost");
    // By a reset while there is a backlog.
    let mut client = server.connect();
    client.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    while client.write_all(&frame(0x82, &[0; 10_000])).is_ok() {}
    drop(client);
    server.log("connection lost");
}

#[test]
fn a_peer_that_ends_its_half_gets_what_it_has_asked_for() {
    let Some(server) = Server::start() else { return };
    let mut client = server.connect();
    let message = frame(0x82, &[7; 1 << 20]);
    client.write_all(&message).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    expect(&mut client, 0x82, &[7; 1 << 20]);
    assert_eq!(until_the_end(&mut client), b"");
    server.log("connection lost");
}

#[cfg(unix)]
#[test]
fn a_server_that_stops_closes_and_waits_for_the_answers() {
    for signal in ["TERM", "INT"] {
        let Some(mut server) = Server::start() else { return };
        let (mut idle, mut busy, mut early) = (server.connect(), server.connect(), server.socket());
        let message = frame(0x82, &[7; 100_000]);
        busy.write_all(&message[..50_000]).unwrap();
        early.write_all(&REQUEST[..40]).unwrap();
        // Sockets are accepted in order, so `early` was accepted, too.
        let mut last = server.connect();
        server.signal(signal);
        for client in [&mut idle, &mut busy, &mut last] {
            expect(client, 0x88, &1001_u16.to_be_bytes());
        }
        assert!(!is_waiting(early.read(&mut [0; 1000])), "it keeps a handshake");
        server.log("in the opening handshake");
        // A message that crosses the Close is not answered, and does not hide the peer's own Close.
        busy.write_all(&message[50_000..]).unwrap();
        for mut client in [idle, busy, last] {
            client.write_all(&frame(0x88, &1001_u16.to_be_bytes())).unwrap();
            assert_eq!(until_the_end(&mut client), b"");
            drop(client);
            server.log("closed by us: 1001");
        }
        assert_eq!(server.code(), 0);
    }
}

#[cfg(unix)]
#[test]
fn a_peer_that_does_not_answer_a_close_does_not_hold_the_server() {
    let Some(mut server) = Server::start_with("0.5") else { return };
    let mut client = server.connect();
    server.signal("TERM");
    expect(&mut client, 0x88, &1001_u16.to_be_bytes());
    // Pings are still answered, but they buy no time.
    let began = Instant::now();
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    while is_waiting(client.read(&mut [0; 100])) {
        let _ = client.write_all(&frame(0x8A, b""));
        assert!(began.elapsed() < PATIENCE);
    }
    server.log("timed out: no answer to our Close");
    drop(client);
    assert_eq!(server.code(), 0);
}

struct Server {
    process: Child,
    address: String,
    log: mpsc::Receiver<String>,
}

impl Server {
    fn start() -> Option<Self> {
        Self::start_with("15")
    }

    /// `None` if the server cannot run here.
    fn start_with(seconds: &str) -> Option<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(["127.0.0.1:0", seconds]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let log = lines(process.stderr.take().unwrap());
        let Ok(line) = lines(process.stdout.take().unwrap()).recv_timeout(PATIENCE) else {
            let reason = log.recv_timeout(PATIENCE).unwrap_or_default();
            assert_eq!(process.wait().unwrap().code(), Some(UNAVAILABLE), "{reason}");
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI=true allows no skipped check: {reason}");
            println!("SKIPPED: {reason}");
            return None;
        };
        let address = line.strip_prefix("listening on ws://").unwrap().trim_end_matches('/').to_owned();
        Some(Self { process, address, log })
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// An open connection.
    fn connect(&self) -> TcpStream {
        let mut socket = self.socket();
        socket.write_all(REQUEST).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        socket
    }

    /// Waits for the next line of the log, which must have this text.
    fn log(&self, text: &str) {
        let line = self.log.recv_timeout(PATIENCE).expect("the log has no line");
        assert!(line.contains(text), "{line}, not {text}");
    }

    /// A connection has some hundred KiB at most, even if its peer does not read.
    fn is_small(&self) {
        if cfg!(target_os = "linux") {
            let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            let kib: u32 = peak.trim().trim_end_matches(" kB").parse().unwrap();
            assert!(kib < 24 << 10, "{kib} KiB");
        }
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        process::signal(name, &self.process);
    }

    /// The exit code, if it ends by itself.
    fn code(&mut self) -> i32 {
        process::exit_code(&mut self.process, PATIENCE).expect("a signal has ended it")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A frame of a client with this first byte. Its masking key is zero.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u64;
    let mut frame = vec![first];
    match len {
        0..126 => frame.push(0x80 | len as u8),
        126..0x1_0000 => frame.extend([&[0xFE], &len.to_be_bytes()[6..]].concat()),
        _ => frame.extend([&[0xFF], &len.to_be_bytes()[..]].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The first byte of the server's next frame, and its payload.
fn read_frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 2];
    socket.read_exact(&mut header).unwrap();
    let mut len = [0; 8];
    match header[1] {
        126 => socket.read_exact(&mut len[6..]).unwrap(),
        127 => socket.read_exact(&mut len).unwrap(),
        short => len[7] = short,
    }
    let mut payload = vec![0; u64::from_be_bytes(len) as usize];
    socket.read_exact(&mut payload).unwrap();
    (header[0], payload)
}

fn expect(socket: &mut TcpStream, first: u8, payload: &[u8]) {
    let (found, bytes) = read_frame(socket);
    assert!(found == first && bytes == payload, "{found:02X} with {} bytes, not {first:02X}", bytes.len());
}

/// Writes this again and again, until the server has taken nothing for a while.
fn flood(socket: &mut TcpStream, bytes: &[u8]) {
    socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let began = Instant::now();
    while socket.write_all(bytes).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the server never stops to read");
    }
}

/// All bytes until the server ends the stream, without a reset.
fn until_the_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    said
}

/// Whether a read has neither found the end nor failed.
fn is_waiting(result: std::io::Result<usize>) -> bool {
    match result {
        Ok(n) => n > 0,
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// The lines that a process writes.
fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    receiver
}
