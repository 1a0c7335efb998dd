//! The example servers as processes, each against the same clients: blocking, on an event loop, on tokio, and the chat.
//! Also the command lines of all examples.

mod process;

use std::{
    env,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    slice,
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    Client, Config, Connection, Event, Input, Message, SystemRandom, Transport, Uri, client, frame::CloseCode,
};

#[test]
fn messages_of_all_sizes_come_back() {
    each(|server| {
        let mut client = server.connect();
        for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
            client.sends(Message::Binary(&vec![b'x'; len]));
            client.sends(Message::Text(&"ж".repeat(len / 2)));
        }
        client.closes();
    });
}

#[test]
fn many_messages_are_sent_before_any_echo_is_read() {
    each(|server| {
        let mut client = server.connect();
        const COUNT: usize = 2000;
        let message = [b'x'; 500];
        for _ in 0..COUNT {
            client.connection.sender.send(&message).unwrap();
        }
        // A megabyte: more than a server may store for a peer that doesn't read, and less than the sockets hold.
        client.write();
        for _ in 0..COUNT {
            client.expects(Message::Binary(&message));
        }
        client.closes();
    });
}

#[test]
fn the_first_message_may_arrive_with_the_request() {
    each(|server| {
        let mut socket = server.socket();
        let mut hello = REQUEST.to_vec();
        hello.extend(b"\x81\x82\0\0\0\0hi\x88\x80\0\0\0\0");
        socket.write_all(&hello).unwrap();
        let said = until_the_end(&mut socket);
        assert!(said.starts_with(b"HTTP/1.1 101 ") && said.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"), "{said:?}");
    });
}

#[test]
fn a_peer_that_breaks_the_protocol_gets_a_close_and_the_end() {
    each(|server| {
        let mut client = server.connect();
        client.socket.write_all(b"\x81\x81\0\0\0\0\xFF").unwrap();
        let said = until_the_end(&mut client.socket);
        assert!(said.starts_with(b"\x88") && said[2..4] == 1007_u16.to_be_bytes(), "{said:?}");
    });
}

#[test]
fn a_request_without_upgrade_is_refused() {
    each(|server| {
        let mut socket = server.socket();
        socket.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let said = until_the_end(&mut socket);
        assert!(said.starts_with(b"HTTP/1.1 426 "), "{}", String::from_utf8_lossy(&said));
    });
}

#[test]
fn a_slow_request_has_one_deadline() {
    each_with(&CHAT_TOO, &["--patience", "1"], |server| {
        let mut socket = server.socket();
        let began = Instant::now();
        let mut request = REQUEST[..40].iter();
        let end = drip(&mut socket, || request.next().map_or(b"", slice::from_ref));
        assert!(end - began < Duration::from_secs(4), "{}: {:?}", server.name, end - began);
    });
}

#[test]
fn a_slow_end_has_one_deadline() {
    each_with(&CHAT_TOO, &["--patience", "1"], |server| {
        let mut client = server.connect();
        let began = Instant::now();
        // This opcode does not exist. The server answers with a Close, which this peer ignores.
        client.socket.write_all(b"\x83\x80\0\0\0\0").unwrap();
        let end = drip(&mut client.socket, || b"x");
        assert!(end - began < Duration::from_secs(4), "{}: {:?}", server.name, end - began);
    });
}

#[test]
fn a_close_that_is_not_answered_has_one_deadline() {
    let echo = Server::start(&ECHO, &["--patience", "1"]);
    let mut client = echo.connect_to("/close/1000/bye");
    let began = Instant::now();
    let end = drip(&mut client.socket, || b"\x89\x80\0\0\0\0");
    assert!(end - began < Duration::from_secs(5), "{:?}", end - began);
}

/// Only a server with one thread per connection must drop such a peer. The others keep it for as long as it likes.
#[test]
fn an_echo_that_is_read_slowly_does_not_hold_a_thread() {
    let echo = Server::start(&ECHO, &["--patience", "1", "--no-deflate"]);
    let client = echo.connect();
    let began = Instant::now();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut frame = b"\x82\xFE\xFF\xFF\0\0\0\0".to_vec();
            frame.resize(8 + 0xFFFF, 0);
            while (&client.socket).write_all(&frame).is_ok() {}
        });
        while !writer.is_finished() && began.elapsed() < Duration::from_secs(8) {
            let _ = (&client.socket).read(&mut [0; 2048]);
            thread::sleep(Duration::from_millis(100));
        }
        let was_ended = writer.is_finished();
        let _ = client.socket.shutdown(Shutdown::Both);
        assert!(was_ended);
    });
}

/// If a socket has a time-out, stopping and continuing the process interrupts its reads (signal(7)).
#[cfg(unix)]
#[test]
fn a_stopped_server_continues() {
    each_with(&CHAT_TOO, &[], |server| {
        let mut socket = server.socket();
        let (first, rest) = REQUEST.split_at(40);
        let pause = || {
            for signal in ["STOP", "CONT"] {
                thread::sleep(Duration::from_millis(50));
                server.signal(signal);
            }
            thread::sleep(Duration::from_millis(50));
        };
        socket.write_all(first).unwrap();
        pause();
        socket.write_all(rest).unwrap();
        let mut said = [0; 13];
        socket.read_exact(&mut said).unwrap();
        assert!(&said == b"HTTP/1.1 101 ", "{}", server.name);
        pause();
        socket.write_all(b"\x88\x80\0\0\0\0").unwrap();
        let said = until_the_end(&mut socket);
        assert!(said.ends_with(b"\r\n\r\n\x88\x00"), "{}", server.name);
    });
}

#[test]
fn the_log_says_how_each_connection_ended() {
    each_with(&WATCHED, &["--patience", "1"], |server| {
        for (bytes, outcome) in [
            (&b"\x88\x82\0\0\0\0\x03\xE9"[..], "closed by the peer: 1001 (going away)"),
            (b"\x81\x81\0\0\0\0\xFF", "failed: text is not UTF-8 (RFC 6455 \u{a7}8.1)"),
            (b"", "connection lost: the peer left without a closing handshake"),
        ] {
            let mut socket = server.connect().socket;
            socket.write_all(bytes).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            let line = server.log();
            assert!(line.starts_with(&socket.local_addr().unwrap().to_string()), "{}: {line}", server.name);
            assert!(line.ends_with(&format!(": {outcome}")), "{}: {line}", server.name);
        }
    });
    for server in &WATCHED[..2] {
        let mut server = Server::start(server, &["--patience", "0.1"]);
        let socket = server.socket();
        let line = server.log();
        assert!(line.ends_with(": timed out in the opening handshake"), "{}: {line}", server.name);
        drop(socket);
    }
}

#[test]
fn the_log_can_have_what_was_received_and_sent() {
    let mut server = Server::start(&ECHO_TOKIO, &["--verbose"]);
    let mut client = server.connect();
    client.sends(Message::Binary(&[0; 1000]));
    client.socket.write_all(b"\x89\x80\0\0\0\0").unwrap();
    client.socket.read_exact(&mut [0; 2]).unwrap();
    client.closes();
    let line = server.log();
    let traffic = "received 1 message and 1 Ping in 3 frames (1025 bytes, payload 1000); \
        sent 1 message and 1 Pong in 3 frames (1013 bytes, payload 1000)";
    assert!(line.ends_with(&format!("closed by the peer: 1000 (normal closure); {traffic}")), "{line}");
}

/// Its sockets stay open, but no program reads them: as after the loss of a network, there is no error to notice.
#[cfg(unix)]
#[test]
fn a_peer_that_was_stopped_is_given_up_in_time() {
    each_with(&WATCHED, &["--silence", "0.9"], |server| {
        let mut client = Wscat::start(server);
        client.is_alive();
        process::signal("STOP", &client.process);
        let stopped = Instant::now();
        let line = server.log();
        let after = stopped.elapsed().as_secs_f64();
        assert!(line.contains(": timed out: no answer to a Ping"), "{}: {line}", server.name);
        // A silence, and as long for the answer. A server that is late, on a busy machine, asks once more.
        assert!((1.0..5.0).contains(&after), "{}: {after} s", server.name);
    });
}

/// The same from the other side: the server is stopped, and the client finds out.
#[cfg(unix)]
#[test]
fn a_server_that_was_stopped_is_given_up_in_time() {
    each_with(&WATCHED, &[], |server| {
        let mut client = Wscat::start_with(&["--silence", "0.9"], server);
        client.is_alive();
        server.signal("STOP");
        let stopped = Instant::now();
        let line = loop {
            let line = client.said.recv_timeout(Duration::from_secs(10)).unwrap();
            if line.contains("timed out") {
                break line;
            }
        };
        let after = stopped.elapsed().as_secs_f64();
        server.signal("CONT");
        assert!(line.contains("timed out: no answer to a Ping"), "{}: {line}", server.name);
        assert!((1.0..5.0).contains(&after), "{}: {after} s", server.name);
    });
}

#[cfg(unix)]
#[test]
fn an_idle_peer_that_answers_pings_stays() {
    each_with(&WATCHED, &["--silence", "1"], |server| {
        let mut client = Wscat::start(server);
        client.is_alive();
        thread::sleep(Duration::from_secs(5));
        assert_eq!(server.log.try_recv().ok(), None, "{}", server.name);
        client.is_alive();
        drop(client.stdin.take());
        let line = server.log();
        assert!(line.contains(": closed by the peer: 1000 (normal closure)"), "{}: {line}", server.name);
        assert!(server.name == "chat" || line.contains("; round trip "), "{}: {line}", server.name);
    });
}

#[cfg(unix)]
mod signals {
    use super::*;

    const GOING_AWAY: &[u8] = b"\x88\x02\x03\xE9";

    /// A client's Close frame with the same code.
    const ANSWER: &[u8] = b"\x88\x82\0\0\0\0\x03\xE9";

    /// How a read fails when its time is over.
    const NOTHING: [Result<usize, ErrorKind>; 2] = [Err(ErrorKind::WouldBlock), Err(ErrorKind::TimedOut)];

    #[test]
    fn a_server_ends_when_its_peers_have_answered() {
        for signal in ["TERM", "INT"] {
            each_with(&CHAT_TOO, &[], |server| {
                let mut idle = server.connect().socket;
                let mut busy = server.connect().socket;
                let mut early = server.socket();
                let message = [b"\x82\xFF\0\0\0\0\0\x01\0\0\0\0\0\0".as_slice(), &[0; 0x1_0000]].concat();
                let (first, rest) = message.split_at(30_000);
                busy.write_all(first).unwrap();
                early.write_all(&REQUEST[..40]).unwrap();
                thread::sleep(Duration::from_millis(100));
                server.signal(signal);
                let began = Instant::now();

                early.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                let dropped = early.read(&mut [0; 100]).map_err(|error| error.kind());
                assert!(!NOTHING.contains(&dropped), "{} keeps a handshake", server.name);
                let mut said = [0; 4];
                for socket in [&mut idle, &mut busy] {
                    socket.read_exact(&mut said).unwrap();
                    assert_eq!(said, GOING_AWAY, "{}", server.name);
                }
                busy.write_all(rest).unwrap();
                busy.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                let waited = busy.read(&mut [0; 100]).map_err(|error| error.kind());
                assert!(NOTHING.contains(&waited), "{} answers a message that crosses: {waited:?}", server.name);
                let refused = TcpStream::connect(&server.address);
                assert!(refused.is_err(), "{} still accepts", server.name);
                for mut socket in [idle, busy] {
                    socket.write_all(ANSWER).unwrap();
                    assert_eq!(until_the_end(&mut socket), b"", "{}", server.name);
                }
                assert_eq!(server.wait(), Some(0), "{}", server.name);
                assert!(began.elapsed() < Duration::from_secs(4), "{}: {:?}", server.name, began.elapsed());
            });
        }
    }

    #[test]
    fn a_peer_that_never_answers_does_not_hold_a_server() {
        each_with(&CHAT_TOO, &[], |server| {
            let mut silent = server.connect().socket;
            server.signal("TERM");
            let began = Instant::now();
            let mut said = [0; 4];
            silent.read_exact(&mut said).unwrap();
            assert_eq!(said, GOING_AWAY, "{}", server.name);
            assert_eq!(server.wait(), Some(0), "{}", server.name);
            assert!(began.elapsed() > Duration::from_secs(4), "{} has given it no time", server.name);
            assert!(began.elapsed() < Duration::from_secs(8), "{}: {:?}", server.name, began.elapsed());
        });
    }

    #[test]
    fn a_peer_that_only_pings_runs_out_of_time() {
        each_with(&CHAT_TOO, &["--patience", "1"], |server| {
            let mut client = server.connect();
            server.signal("TERM");
            let began = Instant::now();
            let end = drip(&mut client.socket, || b"\x89\x80\0\0\0\0");
            assert!(end - began < Duration::from_secs(4), "{}: {:?}", server.name, end - began);
            assert_eq!(server.wait(), Some(0), "{}", server.name);
        });
    }

    #[test]
    fn a_second_signal_ends_a_server_at_once() {
        each_with(&CHAT_TOO, &[], |server| {
            let mut silent = server.connect().socket;
            server.signal("TERM");
            let began = Instant::now();
            silent.read_exact(&mut [0; 4]).unwrap();
            server.signal("INT");
            assert_eq!(server.wait(), Some(1), "{}", server.name);
            assert!(began.elapsed() < Duration::from_secs(2), "{}: {:?}", server.name, began.elapsed());
        });
    }
}

#[test]
fn every_example_has_help_and_refuses_unknown_options() {
    let names = [
        "echo",
        "echo_mio",
        "echo_tokio",
        "behind_proxy",
        "tls_echo",
        "embedded_io",
        "chat",
        "wscat",
        "autobahn_client",
        "interop_client",
    ];
    for name in names {
        for flag in ["--help", "-h"] {
            let (code, stdout, stderr) = run(name, &[flag]);
            assert_eq!((code, stderr.as_str()), (Some(0), ""), "{name}");
            assert!(
                stdout.contains(&format!("\n\nUsage: {name} ")) && stdout.contains("  --help "),
                "{name}: {stdout}"
            );
            assert!(stdout.lines().all(|line| line.chars().count() <= 90), "{name}: {stdout}");
        }
        is_wrong(name, &["--nonsense"], "no such option: --nonsense");
    }
    for (name, arguments, problem) in [
        ("echo", &["--patience"][..], "--patience needs a number of seconds"),
        ("echo_tokio", &["--silence", "-1"], "--silence needs a number of seconds, not \"-1\""),
        ("echo_mio", &["--port", "70000"], "--port needs a port, not \"70000\""),
        ("echo", &["--window", "7"], "--window needs 8 to 15"),
        ("chat", &["--origin", "here"], "--origin needs a URL, such as https://chat.example.com, not \"here\""),
        ("interop_client", &[], "--url is missing"),
    ] {
        is_wrong(name, arguments, problem);
    }
}

fn is_wrong(name: &str, arguments: &[&str], problem: &str) {
    let (code, stdout, stderr) = run(name, arguments);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}");
    assert!(stderr.ends_with(&format!(" {problem} (see {name} --help)\n")), "{name}: {stderr}");
}

/// The exit code of an example, its stdout and its stderr.
fn run(name: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(program(name)).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The path of an example's program. Cargo builds programs only for the tests of their own package, so this builds all.
fn program(name: &str) -> PathBuf {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        // The path of this test is target/PROFILE/deps/NAME-HASH.
        let test = env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        // All packages: with the features of `cargo test --workspace`, so that no library is compiled again.
        cargo.args(["build", "--quiet", "--workspace", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the examples do not build");
        profile.to_owned()
    });
    programs.join(name).with_extension(env::consts::EXE_EXTENSION)
}

/// The name of a server's program, its arguments, and the path of its WebSockets.
type Example = (&'static str, &'static [&'static str], &'static str);

const ECHO: Example = ("echo", &["--listen", "127.0.0.1:0"], "/");
const ECHO_MIO: Example = ("echo_mio", &["--port", "0"], "/");
const ECHO_TOKIO: Example = ("echo_tokio", &["127.0.0.1:0"], "/");
const CHAT: Example = ("chat", &["--listen", "127.0.0.1:0"], "/chat");
const ECHOES: [Example; 3] = [ECHO, ECHO_MIO, ECHO_TOKIO];
const CHAT_TOO: [Example; 4] = [ECHO, ECHO_MIO, ECHO_TOKIO, CHAT];
/// Those that send Pings to silent peers, and log how each connection ended.
const WATCHED: [Example; 3] = [ECHO_MIO, ECHO_TOKIO, CHAT];

/// The path is that of the chat; the echo servers ignore it.
const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Runs the same test on every echo server.
fn each(act: impl Fn(&mut Server) + Sync) {
    each_with(&ECHOES, &[], act);
}

/// Runs the same test on some servers, at the same time.
fn each_with(servers: &[Example], arguments: &[&str], act: impl Fn(&mut Server) + Sync) {
    thread::scope(|scope| {
        for server in servers {
            scope.spawn(|| act(&mut Server::start(server, arguments)));
        }
    });
}

/// The lines of a process, as soon as they are written. Waiting for one can have a limit.
fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
    receiver
}

/// Sends something every tenth of a second until the server closes the socket. Returns when that was seen.
fn drip<'a>(socket: &mut TcpStream, mut next: impl FnMut() -> &'a [u8]) -> Instant {
    let began = Instant::now();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // The end of the stream is not enough: the server may still read.
    while began.elapsed() < Duration::from_secs(10) && socket.write_all(next()).is_ok() {
        match socket.read(&mut [0; 1024]) {
            Ok(0) => thread::sleep(Duration::from_millis(100)),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    Instant::now()
}

struct Server {
    name: &'static str,
    process: Child,
    address: String,
    path: &'static str,
    /// The lines of stderr.
    log: mpsc::Receiver<String>,
}

impl Server {
    fn start((name, listen, path): &Example, arguments: &[&str]) -> Self {
        let mut command = Command::new(program(name));
        command.args(*listen).args(arguments);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = lines(process.stderr.take().unwrap());
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().split_once("://").and_then(|(_, address)| address.strip_suffix('/'));
        let address = address.unwrap_or_else(|| panic!("{name} says {line:?}")).to_owned();
        Self { name, process, address, path, log }
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        process::signal(name, &self.process);
    }

    /// The next line of the log.
    fn log(&mut self) -> String {
        self.log.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The exit code, if the process ended by itself.
    #[cfg(unix)]
    fn wait(&mut self) -> Option<i32> {
        process::exit_code(&mut self.process, Duration::from_secs(20))
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(&self.address).unwrap();
        // Better fail than hang.
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    fn connect(&self) -> Peer {
        self.connect_to(self.path)
    }

    fn connect_to(&self, path: &str) -> Peer {
        let mut socket = self.socket();
        let uri = format!("ws://{}{path}", self.address);
        let request = client::Request::new(Uri::parse(&uri).unwrap());
        let mut handshake =
            client::Handshake::new(Config::new().high_water(4 << 20), &request, SystemRandom::new().unwrap()).unwrap();
        socket.write_all(handshake.pending()).unwrap();
        let mut buf = [0; 1024];
        loop {
            let n = socket.read(&mut buf).unwrap();
            if handshake.read(&mut Input::new(&mut buf[..n])) || n == 0 {
                break;
            }
        }
        Peer { connection: handshake.into_response().unwrap().upgrade().unwrap(), socket }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client in a process of its own.
#[cfg(unix)]
struct Wscat {
    process: Child,
    stdin: Option<std::process::ChildStdin>,
    received: mpsc::Receiver<String>,
    /// What it said on stderr.
    said: mpsc::Receiver<String>,
}

#[cfg(unix)]
impl Wscat {
    fn start(server: &Server) -> Self {
        Self::start_with(&[], server)
    }

    fn start_with(options: &[&str], server: &Server) -> Self {
        let mut command = Command::new(program("wscat"));
        command.args(options).arg(format!("ws://{}{}", server.address, server.path));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stdin = process.stdin.take();
        let received = lines(process.stdout.take().unwrap());
        let said = lines(process.stderr.take().unwrap());
        Self { process, stdin, received, said }
    }

    /// It sends a message, and receives an answer.
    fn is_alive(&mut self) {
        self.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
        self.received.recv_timeout(Duration::from_secs(5)).unwrap();
    }
}

#[cfg(unix)]
impl Drop for Wscat {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that reads only as far as it needs.
struct Peer {
    socket: TcpStream,
    connection: Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>,
}

impl Peer {
    fn write(&mut self) {
        let sender = &mut self.connection.sender;
        self.socket.write_all(sender.pending()).unwrap();
        sender.consume(usize::MAX);
    }

    fn sends(&mut self, message: Message<'_>) {
        self.connection.sender.send(message).unwrap();
        self.write();
        self.expects(message);
    }

    fn expects(&mut self, message: Message<'_>) {
        let len = message.as_bytes().len();
        let header = match len {
            ..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        };
        let mut frame = vec![0; header + len];
        self.socket.read_exact(&mut frame).unwrap();
        let Connection { receiver, sender } = &mut self.connection;
        let event = receiver.next_message(&mut Input::new(&mut frame), sender);
        assert!(event.as_ref().and_then(Event::message) == Some(message), "{len} bytes were sent");
    }

    fn closes(mut self) {
        self.connection.sender.close(CloseCode::NORMAL, "bye").unwrap();
        self.write();
        let mut said = until_the_end(&mut self.socket);
        let Connection { receiver, sender } = &mut self.connection;
        let event = receiver.next_message(&mut Input::new(&mut said), sender);
        assert!(matches!(event, Some(Event::Close { code: Some(CloseCode::NORMAL), reason: "bye", .. })), "{event:?}");
        assert_eq!(sender.transport(), Transport::AwaitEnd);
    }
}

/// All bytes until the server ends the stream, without a reset.
fn until_the_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    socket.read_to_end(&mut said).unwrap();
    said
}
