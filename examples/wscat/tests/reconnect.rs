//! The terminal client, `examples/wscat`, over more than one connection: when it comes back, and what is sent again.

use std::{
    fmt::Display,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    iter, mem,
    net::{Shutdown, TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{Config, Connection, Event, Input, Transport, server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wscat");

/// With short delays: the first is at most 0.2 s, the longest 1.6 s.
const QUICK: [&str; 5] = ["--reconnect", "--backoff-first", "0.2", "--backoff-max", "1.6"];

/// How long a test waits for one thing. Better fail than hang.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_server_that_dies_and_comes_back_is_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut wscat = Wscat::start(&QUICK, address);
    let mut peer = Peer::accept(&listener);
    wscat.say("one");
    peer.echo();
    assert_eq!(wscat.heard(), "one");

    // It dies: nobody listens, and the connection is reset or ends without a Close.
    drop((peer, listener));
    wscat.wait_said("! connection lost: the peer left without a closing handshake; again in 0.");
    // These lines are read while there is no connection.
    wscat.say("two");
    wscat.say("three");
    let refused = format!("! cannot connect to {address}: connection refused; is it running, and the port right?");
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(seconds(&wscat.wait_said(&refused)));
    }
    assert!((0.2..=0.4).contains(&waits[0]), "{waits:?}");
    assert!((0.4..=0.8).contains(&waits[1]), "{waits:?}");
    assert!((0.8..=1.6).contains(&waits[2]), "{waits:?}");

    let listener = TcpListener::bind(address).unwrap();
    let mut peer = Peer::accept(&listener);
    for line in ["two", "three"] {
        peer.echo();
        assert_eq!(wscat.heard(), line);
    }
    wscat.say("four");
    peer.echo();
    assert_eq!(wscat.heard(), "four");
    drop(wscat.stdin.take());
    peer.serve_to_the_end();
    assert_eq!(wscat.end(), 0);
    assert_eq!(wscat.last_words, "* closed by us: 1000 (normal closure)");
}

/// The socket takes a part of what stdin has, and the peer reads nothing. The next connection gets the rest.
#[test]
fn lines_that_were_not_written_are_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start =
        |options: &[&str]| Wscat::start(&[&QUICK[..], &["--no-deflate", "--silence", "1"], options].concat(), address);
    let give_up = |wscat: &Wscat, mut peer: Peer| -> Vec<_> {
        wscat.wait_said("! timed out: the peer does not read; again in ");
        // What the socket has taken.
        iter::from_fn(|| peer.next_message()).collect()
    };

    // More than the sockets and wscat take: it has no memory for a further line.
    const COUNT: usize = 200;
    let mut wscat = start(&[]);
    let said = wscat.say_long_lines(COUNT);
    let mut received = give_up(&wscat, Peer::accept(&listener));
    let taken = said.try_iter().count();
    assert!(received.len() < taken && taken < COUNT, "{} of {taken} lines", received.len());
    let mut peer = Peer::accept(&listener);
    received.extend(iter::from_fn(|| peer.next_message()));
    peer.serve_to_the_end();
    assert_eq!(numbers(&received), Vec::from_iter(0..COUNT));
    assert_eq!(wscat.end(), 0, "{}", wscat.last_words);

    // A megabyte less: it has read all, and waits before it closes. But it does not wait to send again.
    let count = taken - 10;
    let mut wscat = start(&["--wait", "60"]);
    let said = wscat.say_long_lines(count);
    let mut received = give_up(&wscat, Peer::accept(&listener));
    assert_eq!(said.iter().count(), count);
    let mut peer = Peer::accept(&listener);
    while received.len() < count {
        received.push(peer.message());
    }
    assert_eq!(numbers(&received), Vec::from_iter(0..count));
}

#[test]
fn a_server_that_closes_at_once_is_asked_less_and_less_often() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let wscat = Wscat::start(&QUICK, listener.local_addr().unwrap());
    let mut peer = Peer::accept(&listener);
    // The first delay has no lower limit, and the last ones no longer grow.
    for (least, most) in [(0.0, 0.2), (0.2, 0.4), (0.4, 0.8), (0.8, 1.6), (0.8, 1.6)] {
        let began = Instant::now();
        peer.close(b"\x03\xF3overloaded");
        let wait = seconds(&wscat.wait_said("! closed by the peer: 1011 (internal error): overloaded; again in "));
        assert!((least..=most).contains(&wait), "{wait} s, not {least} to {most}");
        peer = Peer::accept(&listener);
        // It was rounded.
        assert!(began.elapsed().as_secs_f64() >= wait - 0.05, "{:?}", began.elapsed());
    }
}

#[test]
fn the_reason_decides_whether_to_come_back() {
    enum Script {
        /// Accepts, and sends a frame.
        Frame(&'static [u8]),
        /// Sends this in place of a response.
        Answer(&'static str),
    }
    use Script::{Answer, Frame};
    // The exit code, if it does not come back.
    #[rustfmt::skip]
    let table = [
        (Frame(b"\x88\x02\x03\xE8"),             Some(0), "* closed by the peer: 1000 (normal closure)"),
        (Frame(b"\x88\x02\x03\xEA"),             Some(4), "! closed by the peer: 1002 (protocol error)"),
        (Frame(b"\x88\x09\x03\xF0not you"),      Some(4), "! closed by the peer: 1008 (policy violation): not you"),
        (Frame(b"\x88\x02\x0F\xA0"),             Some(4), "! closed by the peer: 4000"),
        (Frame(b"\x83\x00"),                     Some(5), "! failed: reserved opcode"),
        (Answer("HTTP/1.1 404 X\r\n\r\n"),       Some(3), "! the server refused with status 404; is the path right?"),
        (Answer("SSH-2.0\r\n"),                  Some(3), "! not a WebSocket server: it says 'SSH-2.0'"),
        (Frame(b"\x88\x02\x03\xE9"),             None,    "! closed by the peer: 1001 (going away); again in 0."),
        (Frame(b"\x81\x02x"),                    None,    "! connection lost in the middle of a message; again in 0."),
        (Answer("HTTP/1.1 503 X\r\n\r\n"),       None,    "! the server refused with status 503; again in 0."),
        (Answer("HTTP/1.1 1"),                   None,    "! not a WebSocket server: the stream ended inside"),
        (Answer(""),                             None,    "! not a WebSocket server: the connection ended"),
    ];
    thread::scope(|scope| {
        for (script, code, said) in table {
            scope.spawn(move || {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let mut wscat = Wscat::start(&QUICK, listener.local_addr().unwrap());
                match script {
                    Frame(frame) => Peer::accept(&listener).last_words(frame),
                    Answer(words) => drop(answer(&listener, words)),
                }
                wscat.wait_said(said);
                let Some(code) = code else {
                    Peer::accept(&listener);
                    return;
                };
                assert_eq!(wscat.end(), code, "{said}");
                let again = listener.accept().map(drop).map_err(|error| error.kind());
                assert_eq!(again, Err(ErrorKind::WouldBlock), "{said}: it came back");
            });
        }
    });
}

#[test]
fn a_server_says_how_long_to_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let wscat = Wscat::start(&QUICK, listener.local_addr().unwrap());
    let began = Instant::now();
    refuse(&listener, "503 X\r\nRetry-After: 1\r\n");
    assert!((1.0..=1.2).contains(&seconds(&wscat.wait_said("! the server refused with status 503; again in "))));
    let peer = Peer::accept(&listener);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    peer.close(b"\x03\xF4");
    // Code 1012: whatever the options say, not within 5 seconds.
    let wait = wscat.wait_said("! closed by the peer: 1012 (service restart); again in ");
    assert!((5.0..=30.0).contains(&seconds(&wait)), "{wait}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wscat = Wscat::start(&["--reconnect"], listener.local_addr().unwrap());
    Peer::accept(&listener).close(b"\x03\xF4");
    assert!(seconds(&wscat.wait_said("! closed by the peer: 1012 (service restart); again in ")) >= 5.0);
    let kill = format!("kill -INT {}", wscat.process.id());
    let began = Instant::now();
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    wscat.process.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// A server that has lost its network says nothing, and its socket reports nothing.
#[test]
fn a_silent_server_is_found_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wscat = Wscat::start(&["--silence", "0.5"], listener.local_addr().unwrap());
    let mut peer = Peer::accept(&listener);
    // While it answers Pings, it is kept.
    for _ in 0..4 {
        assert!(matches!(peer.ping(), Some(payload) if payload.len() == 4));
        peer.write();
    }
    let began = Instant::now();
    assert!(peer.ping().is_some());
    assert_eq!(wscat.end(), 1);
    assert!((0.45..4.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    let said = &wscat.last_words;
    assert!(said.starts_with("! timed out: no answer to a Ping; round trip ") && said.ends_with(" ms"), "{said}");
}

/// It says nothing, and the Ping that asks it to waits behind what it has not read yet.
#[test]
fn a_server_that_reads_slowly_is_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wscat = Wscat::start(&["--no-deflate", "--silence", "0.5"], listener.local_addr().unwrap());
    let _said = wscat.say_long_lines(1000);
    let mut peer = Peer::accept(&listener);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        thread::sleep(Duration::from_millis(50));
        peer.socket.read_exact(&mut vec![0; 300_000]).unwrap();
    }
    assert_eq!(wscat.process.try_wait().unwrap(), None);
}

#[test]
fn a_ping_shows_the_round_trip_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wscat = Wscat::start(&[], listener.local_addr().unwrap());
    let mut peer = Peer::accept(&listener);
    wscat.say("/ping hello");
    assert_eq!(peer.ping().as_deref(), Some(&b"hello"[..]));
    thread::sleep(Duration::from_millis(300));
    peer.write();
    let said = wscat.wait_said("* pong hello (");
    let time: f64 = said.trim_end_matches(" ms)").parse().unwrap();
    assert!((300.0..5000.0).contains(&time), "{said}");
    drop(wscat.stdin.take());
    peer.serve_to_the_end();
    assert_eq!(wscat.end(), 0);
    assert_eq!(
        wscat.last_words,
        format!("* closed by us: 1000 (normal closure); round trip {}", said.trim_end_matches(')'))
    );
}

/// Before it answers our Close, a server may send for long what was asked of it.
#[test]
fn messages_extend_the_time_for_the_answer_to_a_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wscat = Wscat::start(&["--wait", "0", "--close-timeout", "0.5"], listener.local_addr().unwrap());
    let mut peer = Peer::accept(&listener);
    drop(wscat.stdin.take());
    for number in 0..8 {
        thread::sleep(Duration::from_millis(150));
        peer.connection.sender.send_text(&number.to_string()).unwrap();
        peer.write();
        assert_eq!(wscat.heard(), number.to_string());
    }
    peer.serve_to_the_end();
    assert_eq!(wscat.end(), 0, "{}", wscat.last_words);
}

#[test]
fn a_server_that_begins_messages_for_ever_runs_out_of_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut wscat = Wscat::start(&["--wait", "0", "--close-timeout", "0.1"], listener.local_addr().unwrap());
    let mut peer = Peer::accept(&listener);
    drop(wscat.stdin.take());
    let began = Instant::now();
    while peer.socket.write_all(b"\x81\x01x").is_ok() && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(wscat.end(), 1);
    // Ten times the limit.
    assert!((0.9..4.0).contains(&began.elapsed().as_secs_f64()), "{:?}", began.elapsed());
    assert_eq!(wscat.last_words, "! timed out: no answer to our Close: 1000 (normal closure)");
}

/// Everything was sent, and nobody needs another connection only to close it.
#[test]
fn after_our_close_there_is_no_other_attempt() {
    for (answer, code, said) in [
        (&b"\x88\x02\x03\xE9"[..], 0, "* closed by us: 1000 (normal closure), answered with 1001 (going away)"),
        (
            b"",
            1,
            "! connection lost: the peer left without a closing handshake (after our Close: 1000 (normal closure))",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut wscat = Wscat::start(&QUICK, listener.local_addr().unwrap());
        let mut peer = Peer::accept(&listener);
        wscat.say("the only line");
        drop(wscat.stdin.take());
        assert_eq!((peer.message().as_str(), peer.next_message()), ("the only line", None));
        peer.last_words(answer);
        assert_eq!((wscat.end(), wscat.last_words.as_str()), (code, said));
    }
}

#[test]
fn redirects_are_shown_and_followed_only_if_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = other.local_addr().unwrap();
    let secret = ["--header", "X: me", "--subprotocol", "bearer.me", "--origin", "http://me"];
    let with_user = format!("ann:%73ecret@{address}");

    let mut wscat = Wscat::start(&secret, address);
    refuse(&listener, "302 X\r\nLocation: ../b?c\r\n");
    assert_eq!(wscat.end(), 3);
    assert_eq!(wscat.last_words, format!("! the server refused with status 302, and points to ws://{address}/b?c"));

    let mut wscat = Wscat::start(&[&secret[..], &["--follow"]].concat(), &with_user);
    // The header and the credentials are for the first server only.
    let is_for_the_first = |request: &str| {
        request.contains("\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\n") && request.contains("\r\nX: me\r\n")
    };
    assert!(is_for_the_first(&refuse(&listener, "302 X\r\nLocation: b\r\n")));
    wscat.wait_said(&format!("* redirected to ws://{address}/b"));
    let same = refuse(&listener, &format!("307 X\r\nLocation: http://{there}/c\r\n"));
    assert!(same.starts_with("GET /b ") && is_for_the_first(&same), "{same}");
    let peer = Peer::accept(&other);
    assert!(peer.request.starts_with("GET /c ") && !peer.request.contains("Authorization"), "{}", peer.request);
    // Many servers take a token as a subprotocol.
    assert!(!peer.request.contains("me\r\n"), "{}", peer.request);
    peer.close(b"\x03\xE8");
    assert_eq!(wscat.end(), 0);

    // A circle.
    let mut wscat = Wscat::start(&["--follow"], address);
    for _ in 0..6 {
        refuse(&listener, "301 X\r\nLocation: /\r\n");
    }
    assert_eq!(wscat.end(), 3);
}

/// The numbers at the beginning of long lines.
fn numbers(messages: &[String]) -> Vec<usize> {
    messages.iter().map(|message| message.split_once(' ').unwrap().0.parse().unwrap()).collect()
}

/// The number of seconds at the end of a line, or of what is left of it.
fn seconds(said: &str) -> f64 {
    let words = said.trim_end_matches(" s");
    words.rsplit(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_else(|| panic!("no seconds: {said}"))
}

/// Reads a request, and refuses it. Returns the request.
fn refuse(listener: &TcpListener, status_and_headers: &str) -> String {
    answer(listener, &format!("HTTP/1.1 {status_and_headers}Content-Length: 0\r\n\r\n"))
}

/// Reads a request, answers it, and ends the stream. Returns the request.
fn answer(listener: &TcpListener, answer: &str) -> String {
    let (mut socket, request) = accept(listener);
    socket.write_all(answer.as_bytes()).unwrap();
    request
}

fn accept(listener: &TcpListener) -> (TcpStream, String) {
    listener.set_nonblocking(true).unwrap();
    let began = Instant::now();
    let mut socket = loop {
        match listener.accept() {
            Ok((socket, _)) => break socket,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(began.elapsed() < PATIENCE, "nobody connects");
        thread::sleep(Duration::from_millis(5));
    };
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = Vec::new();
    let mut buf = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let n = socket.read(&mut buf).unwrap();
        assert!(n > 0, "the request is cut short");
        request.extend_from_slice(&buf[..n]);
    }
    (socket, String::from_utf8(request).unwrap())
}

/// The server's end of a connection.
struct Peer {
    socket: TcpStream,
    request: String,
    connection: Connection<websocket_proto::Server, Vec<u8>, Vec<u8>>,
    /// What was received after the last event.
    rest: Vec<u8>,
}

impl Peer {
    fn accept(listener: &TcpListener) -> Self {
        let (socket, request) = accept(listener);
        let mut handshake = server::Handshake::new(Config::new());
        assert!(handshake.read(&mut Input::new(&mut request.clone().into_bytes())));
        let connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
        let mut peer = Self { socket, request, connection, rest: Vec::new() };
        peer.write();
        peer
    }

    /// Sends a Close, and ends the stream.
    fn close(self, payload: &[u8]) {
        self.last_words(&[&[0x88, payload.len() as u8], payload].concat());
    }

    /// Sends bytes, and ends the stream.
    fn last_words(mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
        let _ = self.socket.shutdown(Shutdown::Write);
        while self.socket.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {}
    }

    /// Writes what is pending: Pongs and the answer to a Close, too.
    fn write(&mut self) {
        let sender = &mut self.connection.sender;
        self.socket.write_all(sender.pending()).unwrap();
        sender.consume(usize::MAX);
    }

    /// Receives until `pick` has found something; `None` at the end of the stream or of the connection.
    fn receive<T>(&mut self, mut pick: impl FnMut(Event<'_>) -> Option<T>) -> Option<T> {
        loop {
            let Connection { receiver, sender } = &mut self.connection;
            let mut rest = mem::take(&mut self.rest);
            let mut input = Input::new(&mut rest);
            while let Some(event) = receiver.next_message(&mut input, sender) {
                if let Some(found) = pick(event) {
                    self.rest = input.remaining().to_vec();
                    return Some(found);
                }
            }
            let mut buf = [0; 64 << 10];
            match self.socket.read(&mut buf).unwrap() {
                0 => return None,
                _ if sender.transport() == Transport::CloseNow => return None,
                n => self.rest.extend_from_slice(&buf[..n]),
            }
        }
    }

    fn next_message(&mut self) -> Option<String> {
        // Pongs, if there were Pings. wscat may have gone.
        let _ = self.socket.write_all(self.connection.sender.pending());
        self.connection.sender.consume(usize::MAX);
        self.receive(|event| match event {
            Event::Text(text) => Some(Some(text.to_owned())),
            Event::Close { .. } => Some(None),
            _ => None,
        })
        .flatten()
    }

    fn message(&mut self) -> String {
        self.next_message().expect("a message")
    }

    /// The payload of the next Ping. Its Pong is not written yet.
    fn ping(&mut self) -> Option<Vec<u8>> {
        self.receive(|event| if let Event::Ping(payload) = event { Some(payload.to_vec()) } else { None })
    }

    /// Sends the next message back.
    fn echo(&mut self) {
        let message = self.message();
        self.connection.sender.send_text(&message).unwrap();
        self.write();
    }

    /// Answers the peer's Close, if it is received or will be next.
    fn serve_to_the_end(&mut self) {
        if self.connection.sender.is_open() {
            assert_eq!(self.next_message(), None);
        }
        self.write();
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}

/// wscat as a process.
struct Wscat {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// The last line on stderr, after [`end`](Self::end).
    last_words: String,
}

impl Wscat {
    fn start(options: &[&str], address: impl Display) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(options).arg(format!("ws://{address}/"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (lines(process.stdout.take().unwrap()), lines(process.stderr.take().unwrap()));
        Self { stdin: process.stdin.take(), process, stdout, stderr, last_words: String::new() }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Begins to write lines of 100 kB that begin with numbers, and then to end stdin. Tells after each.
    fn say_long_lines(&mut self, count: usize) -> Receiver<()> {
        let mut stdin = self.stdin.take().unwrap();
        let (sender, said) = channel();
        thread::spawn(move || {
            for number in 0..count {
                // wscat may be killed.
                if writeln!(stdin, "{number} {}", "x".repeat(100_000)).is_err() || sender.send(()).is_err() {
                    break;
                }
            }
        });
        said
    }

    /// The next line on stdout.
    fn heard(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("a line on stdout")
    }

    /// Waits for a line on stderr that begins so. Returns the rest of the line, with the digits at the end of `start`.
    fn wait_said(&self, start: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => match line.strip_prefix(start) {
                    Some(rest) => {
                        let digits = start.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.');
                        return format!("{}{rest}", &start[digits.len()..]);
                    }
                    None => seen.push(line),
                },
                Err(error) => panic!("{start} was not said ({error}), only {seen:?}"),
            }
        }
    }

    /// Waits for the end of the process. Returns its exit code.
    fn end(&mut self) -> i32 {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "wscat does not end");
            thread::sleep(Duration::from_millis(5));
        };
        loop {
            match self.stderr.recv_timeout(PATIENCE) {
                Ok(line) => self.last_words = line,
                Err(RecvTimeoutError::Disconnected) => return status.code().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("stderr does not end"),
            }
        }
    }
}

impl Drop for Wscat {
    fn drop(&mut self) {
        let _ = (self.process.kill(), self.process.wait());
    }
}

/// The lines of a pipe, as they are written.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
