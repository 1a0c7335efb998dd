//! The client as a process: with `echo_tokio`, and with servers that follow a script. `tests/tls` runs it over TLS.

#[path = "../../tests/process.rs"]
mod process;

use std::{
    env,
    io::{BufRead, BufReader, ErrorKind::WouldBlock, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{Config, Input, server};

/// Better fail than hang. Two attempts to connect again take at most 15 seconds; a silent peer gets a Ping after 25.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_new_user_reads_at_most_100_lines_of_code() {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let count = include_str!("../src/main.rs").lines().filter(is_code).count();
    assert!(count <= 100, "{count} lines");
}

#[test]
fn it_sends_while_it_receives() {
    let echo = Echo::start("127.0.0.1:0");
    let mut client = Client::start(&echo.address);
    client.say("hello");
    assert_eq!(client.hears(), "hello");
    // More than all buffers on the way can hold, so neither end may wait for the other.
    let mut stdin = client.stdin.take().unwrap();
    let line = |number| format!("{number:065000}");
    let writer = thread::spawn(move || (0..200).for_each(|number| writeln!(stdin, "{}", line(number)).unwrap()));
    for number in 0..200 {
        assert!(client.hears() == line(number), "{number}");
    }
    writer.join().unwrap();
    // The thread has dropped stdin.
    assert_eq!(client.code(), 0);
}

#[test]
fn it_comes_back_after_the_server_was_killed() {
    let mut echo = Echo::start("127.0.0.1:0");
    let address = echo.address.clone();
    let mut client = Client::start(&address);
    client.say("before");
    assert_eq!(client.hears(), "before");
    echo.kill();
    client.complains("connection lost");
    for number in 0..10 {
        client.say(&format!("meanwhile {number}"));
    }
    let _echo = Echo::start(&address);
    for number in 0..10 {
        assert_eq!(client.hears(), format!("meanwhile {number}"));
    }
    client.say("behind");
    assert_eq!(client.hears(), "behind");
    client.stdin = None;
    assert_eq!(client.code(), 0);
}

#[test]
fn it_waits_as_long_as_a_refusal_says() {
    let (listener, client) = listen();
    accept(&listener).write_all(b"HTTP/1.1 503 Later\r\nRetry-After: 6\r\n\r\n").unwrap();
    client.complains("status 503");
    let refused = Instant::now();
    accept(&listener);
    // Without the header it is at most 5 seconds.
    assert!(refused.elapsed() > Duration::from_millis(5900), "{:?}", refused.elapsed());
}

#[test]
fn messages_may_arrive_with_the_response() {
    let (listener, mut client) = listen();
    let mut socket = accept(&listener);
    let mut hello = response(&mut socket);
    hello.extend(b"\x81\x02hi\x89\x01?\x88\x02\x03\xE8");
    socket.write_all(&hello).unwrap();
    assert_eq!(client.hears(), "hi");
    assert_eq!(frame(&mut socket), (0x8A, b"?".to_vec()));
    assert_eq!(frame(&mut socket), (0x88, b"\x03\xE8".to_vec()));
    drop(socket);
    client.complains("closed by the peer: 1000");
    assert_eq!(client.code(), 1, "nobody has asked it to end");
}

#[test]
fn it_does_not_follow_a_redirect_but_says_where_it_leads() {
    let (listener, mut client) = listen();
    let mut socket = accept(&listener);
    socket.write_all(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n").unwrap();
    client.complains("redirects to /elsewhere");
    client.complains("status 302");
    assert_eq!(client.code(), 1);
}

#[test]
fn an_answer_that_stops_is_no_reason_to_give_up() {
    let (listener, client) = listen();
    accept(&listener).write_all(b"HTTP/1.1 101 Swi").unwrap();
    client.complains("not connected");
    accept(&listener);
}

#[test]
fn it_waits_for_a_server_only_while_there_is_something_to_send() {
    let (listener, mut client) = listen();
    client.say("once");
    accept(&listener);
    client.complains("not connected");
    client.stdin = None;
    let mut socket = accept(&listener);
    let hello = response(&mut socket);
    socket.write_all(&hello).unwrap();
    assert_eq!(frame(&mut socket), (0x81, b"once".to_vec()));
    drop((socket, listener));
    client.complains("connection lost");
    assert_eq!(client.code(), 0);
}

#[test]
fn wrong_usage_says_what_is_right() {
    for address in ["--help", "", "http://localhost/"] {
        let mut client = Client::start_with(&[address]);
        client.complains("usage: client_tokio ws://");
        assert_eq!(client.code(), 1);
    }
}

#[cfg(unix)]
mod signals {
    use super::*;

    /// It depends on chance whether a client that wakes up reads or writes first, so there are some attempts.
    #[test]
    fn it_answers_a_close_behind_which_the_stream_has_ended() {
        for _ in 0..10 {
            let (listener, client) = listen();
            let mut socket = accept(&listener);
            let hello = response(&mut socket);
            socket.write_all(&hello).unwrap();
            client.say("connected");
            assert_eq!(frame(&mut socket), (0x81, b"connected".to_vec()));
            client.signal("STOP");
            socket.write_all(b"\x88\x02\x03\xE8").unwrap();
            // Only this half of the stream has ended.
            socket.shutdown(Shutdown::Write).unwrap();
            client.signal("CONT");
            assert_eq!(frame(&mut socket), (0x88, b"\x03\xE8".to_vec()));
        }
    }

    #[test]
    fn ctrl_c_closes_with_a_close() {
        let (listener, mut client) = listen();
        let mut socket = accept(&listener);
        let hello = response(&mut socket);
        socket.write_all(&hello).unwrap();
        client.say("a");
        assert_eq!(frame(&mut socket), (0x81, b"a".to_vec()));
        client.signal("INT");
        assert_eq!(frame(&mut socket), (0x88, b"\x03\xE8".to_vec()));
        // A message that has crossed the Close, and the answer to it.
        socket.write_all(b"\x81\x04late\x89\x00").unwrap();
        assert_eq!(frame(&mut socket), (0x8A, vec![]));
        assert!(client.process.try_wait().unwrap().is_none(), "it has not waited for the answer");
        socket.write_all(b"\x88\x02\x03\xE8").unwrap();
        drop(socket);
        client.complains("closed by us: 1000");
        assert_eq!(client.code(), 0);
    }

    #[test]
    fn ctrl_c_ends_a_client_that_is_not_connected() {
        let (listener, mut opening) = listen();
        let mut socket = accept(&listener);
        response(&mut socket);
        opening.signal("INT");
        let began = Instant::now();
        assert_eq!(opening.code(), 0);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

        let (listener, mut waiting) = listen();
        // At least six seconds until the next attempt.
        accept(&listener).write_all(b"HTTP/1.1 503 Later\r\nRetry-After: 6\r\n\r\n").unwrap();
        waiting.complains("status 503");
        waiting.signal("INT");
        let began = Instant::now();
        assert_eq!(waiting.code(), 0);
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

struct Client {
    process: Child,
    stdin: Option<ChildStdin>,
    stdout: mpsc::Receiver<String>,
    stderr: mpsc::Receiver<String>,
}

impl Client {
    fn start(address: &str) -> Self {
        Self::start_with(&[&format!("ws://{address}/")])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_client_tokio"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stdout = lines(process.stdout.take().unwrap());
        let stderr = lines(process.stderr.take().unwrap());
        Self { stdin: process.stdin.take(), process, stdout, stderr }
    }

    fn say(&self, line: &str) {
        writeln!(self.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    fn hears(&self) -> String {
        self.stdout.recv_timeout(PATIENCE).expect("it has printed nothing")
    }

    /// Waits for a line on stderr that has this text.
    fn complains(&self, text: &str) {
        let line = self.stderr.iter().find(|line| line.contains(text));
        assert!(line.is_some(), "nothing said: {text}");
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

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Echo {
    process: Child,
    address: String,
}

impl Echo {
    fn start(address: &str) -> Self {
        let mut process = Command::new(echo_tokio()).arg(address).stdout(Stdio::piped()).spawn().unwrap();
        let line = lines(process.stdout.take().unwrap()).recv_timeout(PATIENCE).unwrap();
        let address = line.split("://").nth(1).unwrap().trim_end_matches('/').to_owned();
        Self { process, address }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The path of the server's program. Cargo builds only the program of the package that is tested.
fn echo_tokio() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let client = Path::new(env!("CARGO_BIN_EXE_client_tokio"));
        let profile = client.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "echo_tokio", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "echo_tokio does not build");
        profile.join("echo_tokio").with_extension(env::consts::EXE_EXTENSION)
    })
}

/// A server, and a client of it.
fn listen() -> (TcpListener, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::start(&listener.local_addr().unwrap().to_string());
    (listener, client)
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let began = Instant::now();
    let socket = loop {
        match listener.accept() {
            Ok((socket, _)) => break socket,
            Err(error) => assert!(error.kind() == WouldBlock && began.elapsed() < PATIENCE, "no client: {error}"),
        }
        thread::sleep(Duration::from_millis(5));
    };
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Reads the request. Returns the response that accepts it.
fn response(socket: &mut TcpStream) -> Vec<u8> {
    let mut handshake = server::Handshake::new(Config::new());
    let mut byte = [0];
    while {
        socket.read_exact(&mut byte).unwrap();
        !handshake.read(&mut Input::new(&mut byte))
    } {}
    let connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    connection.sender.pending().to_vec()
}

/// The first byte of a short frame of the client, and its payload.
fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 6];
    socket.read_exact(&mut header).unwrap();
    let [first, len, key @ ..] = header;
    let mut payload = vec![0; usize::from(len - 0x80)];
    socket.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    (first, payload)
}

/// The lines that a process writes.
fn lines(output: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    receiver
}
