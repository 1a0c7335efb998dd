//! The server as a process, and those who visit it: health checks, clients through proxies, and those who are wrong.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

/// For any one thing to happen.
const LIMIT: Duration = Duration::from_secs(10);

const TRUSTING: &[&str] = &["--patience", "100", "--trust", "127.0.0.1"];
const PROXIED: &[&str] = &["--patience", "100", "--trust", "127.0.0.1", "--trust", "10.0.0.2", "--proxy-protocol"];

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A text and a Close, and the answers to them.
const HELLO: &[u8] = b"\x81\x85\0\0\0\0hello\x88\x82\0\0\0\0\x03\xE8";
const ANSWERS: &[u8] = b"\r\n\r\n\x81\x05hello\x88\x02\x03\xE8";

const CLOSED: &str = "closed by the peer: 1000 (normal closure)";
const NO_HEADER: &str = "127.0.0.1: no valid PROXY header";

struct Server {
    process: Child,
    address: SocketAddr,
    log: Receiver<String>,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_behind_proxy"))
            .args(arguments)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("listening on ws://").trim_end_matches('/').parse().unwrap();
        let (lines, log) = mpsc::channel();
        let stderr = BufReader::new(process.stderr.take().unwrap());
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        Self { process, address, log }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    /// Sends this, and returns all that comes back, without ending the stream first.
    fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut socket = self.connect();
        socket.write_all(bytes).unwrap();
        until_the_end(&mut socket)
    }

    /// The same in as many pieces as there are bytes, as far as the server wants them.
    fn ask_slowly(&self, bytes: &[u8]) -> Vec<u8> {
        let mut socket = self.connect();
        let _ = bytes.iter().try_for_each(|byte| socket.write_all(&[*byte]));
        until_the_end(&mut socket)
    }

    fn logs(&self, line: &str) {
        assert_eq!(self.log.recv_timeout(LIMIT).as_deref(), Ok(line));
    }

    /// Nothing that was finished before this call is in the log.
    fn logs_nothing(&self, header: &str) {
        self.ask(format!("{header}GET /marker HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        self.logs("127.0.0.1: refused with status 404");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until_the_end(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    socket.read_to_end(&mut all).unwrap();
    all
}

fn assert_status(response: &[u8], status: &str, question: &[u8]) {
    let text = String::from_utf8_lossy(response);
    let expected = if status.is_empty() { text.is_empty() } else { text.starts_with(&format!("HTTP/1.1 {status} ")) };
    assert!(expected, "{}: {text:?} and not {status}", question.escape_ascii());
}

#[test]
fn health_checks_are_answered_and_not_logged() {
    let ends = "\r\nContent-Length: 3\r\nConnection: close\r\n\r\n";
    let ok = format!("HTTP/1.1 200 OK{ends}ok\n");
    let no_page = "HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (settings, header) in [(TRUSTING, ""), (PROXIED, "PROXY UNKNOWN\r\n")] {
        let server = Server::start(settings);
        for (question, answer) in [
            ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", &*ok),
            ("GET /healthz HTTP/1.0\r\n\r\n", &ok),
            ("GET /healthz?from=b HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", &ok),
            ("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", &ok[..ok.len() - 3]),
            ("HEAD /healthz HTTP/1.0\r\n\r\n", &ok[..ok.len() - 3]),
            ("OPTIONS / HTTP/1.0\r\n\r\n", no_page),
            ("OPTIONS * HTTP/1.0\r\n\r\n", no_page),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", no_page),
        ] {
            let question = format!("{header}{question}").into_bytes();
            for got in [server.ask(&question), server.ask_slowly(&question)] {
                assert_eq!(String::from_utf8_lossy(&got), answer, "{}", question.escape_ascii());
            }
        }
        // One that only connects, and one that only ends its half. A header may have been sent before that.
        drop(server.connect());
        let mut socket = server.connect();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(until_the_end(&mut socket), b"");
        let mut socket = server.connect();
        socket.write_all(header.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(until_the_end(&mut socket), b"");
        server.logs_nothing(header);
    }
}

#[test]
fn those_who_are_wrong_here_are_told_at_once_and_logged() {
    let server = Server::start(TRUSTING);
    let handshake = format!("{HANDSHAKE}\r\n");
    let http_1_0 = handshake.replace("HTTP/1.1", "HTTP/1.0");
    let elsewhere = handshake.replace("GET / ", "GET /other ");
    let tls = "TLS where plain HTTP was expected: one side uses wss://, the other ws://";
    let no_line = "malformed HTTP request line (only a method, a target and a version)";
    for (question, status, log) in [
        (&b"GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n"[..], "404", "refused with status 404"),
        (b"HEAD /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n", "404", "refused with status 404"),
        (b"POST /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "404", "refused with status 404"),
        (elsewhere.as_bytes(), "404", "refused with status 404"),
        // A proxy that does not pass the upgrade.
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426", "not opened: no Upgrade: websocket header"),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "505", "not opened: not HTTP/1.1"),
        (http_1_0.as_bytes(), "505", "not opened: not HTTP/1.1"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "not opened: not HTTP/1.1"),
        (b"GET * HTTP/1.0\r\n\r\n", "400", "not opened: invalid request target (only a path or an address)"),
        // TLS, also with nothing but its first byte.
        (b"\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03", "400", &format!("not opened: {tls}")),
        (b"\x16", "400", &format!("not opened: {tls}")),
        // A port scanner, and other protocols.
        (b"\0", "400", &format!("not opened: {no_line}")),
        (b"\x03\0\0\x13\x0E\xE0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", "400", &format!("not opened: {no_line}")),
        (b"SSH-2.0-Go\r\n", "400", &format!("not opened: {no_line}")),
        (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "400", &format!("not opened: {no_line}")),
        (b"PROXY UNKNOWN\r\nGET", "400", &format!("not opened: {no_line}")),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n", "400", "not opened: malformed HTTP version (only HTTP/1.1)"),
    ] {
        for got in [server.ask(question), server.ask_slowly(question)] {
            assert_status(&got, status, question);
            server.logs(&format!("127.0.0.1: {log}"));
        }
    }
    // The answer to HEAD has no content.
    assert!(server.ask(b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n").ends_with(b"\r\n\r\n"));
    server.logs("127.0.0.1: refused with status 404");

    // It leaves in the middle of its request.
    let mut socket = server.connect();
    socket.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_status(&until_the_end(&mut socket), "400", b"");
    server.logs("127.0.0.1: not opened: the stream ended inside the HTTP head, after 16 bytes");
}

#[test]
fn those_who_say_too_little_have_one_deadline() {
    for option in [&[][..], &["--proxy-protocol"]] {
        let server = Server::start(&[&["--patience", "0.3", "--trust", "127.0.0.1"], option].concat());
        assert_eq!(server.ask(b""), b"");
        server.logs("127.0.0.1: timed out in the opening handshake");
        // One byte after the other, of a PROXY header or of a method.
        let mut socket = server.connect();
        let mut writer = socket.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = b"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ".chunks(1);
            while bytes.next().is_some_and(|byte| writer.write_all(byte).is_ok()) {
                thread::sleep(Duration::from_millis(100));
            }
        });
        assert_eq!(until_the_end(&mut socket), b"");
        server.logs("127.0.0.1: timed out in the opening handshake");
    }
}

#[test]
fn the_log_has_the_address_that_a_trusted_proxy_forwards() {
    let forwarded = format!("{HANDSHAKE}X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n");
    let question = [forwarded.as_bytes(), HELLO].concat();
    for (settings, client) in [(TRUSTING, "203.0.113.9"), (&["--trust", "10.0.0.1"], "127.0.0.1"), (&[], "127.0.0.1")] {
        let server = Server::start(settings);
        assert!(server.ask(&question).ends_with(ANSWERS));
        assert!(server.ask_slowly(&question).ends_with(ANSWERS));
        server.logs(&format!("{client}: {CLOSED}"));
        server.logs(&format!("{client}: {CLOSED}"));
        assert_status(&server.ask(b"GET /x HTTP/1.1\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"), "404", b"");
        server.logs(&format!("{client}: refused with status 404"));
    }
}

#[test]
fn the_log_has_the_address_of_the_proxy_protocol() {
    let server = Server::start(PROXIED);
    let v2 = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C", &[203, 0, 113, 8, 10, 0, 0, 1, 0, 1, 0, 2][..]].concat();
    for (header, forwarded, client) in [
        (&b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\r\n"[..], "", "203.0.113.9"),
        (&v2, "", "203.0.113.8"),
        // It is the client who says this, or a proxy in front of the proxy.
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\r\n", "X-Forwarded-For: 1.1.1.1\r\n", "203.0.113.9"),
        (b"PROXY TCP4 10.0.0.2 10.0.0.1 12345 443\r\n", "X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"),
    ] {
        // All in one read, and every byte by itself.
        let question = [header, HANDSHAKE.as_bytes(), forwarded.as_bytes(), b"\r\n", HELLO].concat();
        for got in [server.ask(&question), server.ask_slowly(&question)] {
            assert!(got.ends_with(ANSWERS), "{}", got.escape_ascii());
            server.logs(&format!("{client}: {CLOSED}"));
        }
    }
}

#[test]
fn without_a_proxy_header_nothing_is_answered() {
    let server = Server::start(PROXIED);
    let handshake = format!("{HANDSHAKE}\r\n");
    for (question, log) in [
        (handshake.as_bytes(), NO_HEADER),
        (b"OPTIONS / HTTP/1.0\r\n\r\n", NO_HEADER),
        (b"\x16\x03\x01", NO_HEADER),
        (b"\0", NO_HEADER),
        (
            &[&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF"[..], &[0; 3000]].concat(),
            "127.0.0.1: the PROXY header is too long",
        ),
    ] {
        for got in [server.ask(question), server.ask_slowly(question)] {
            assert_status(&got, "", question);
            server.logs(log);
        }
    }
    let stranger = Server::start(&["--proxy-protocol", "--trust", "10.0.0.1", "--patience", "100"]);
    assert_eq!(stranger.ask(b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\r\nGET /healthz HTTP/1.0\r\n\r\n"), b"");
    stranger.logs("127.0.0.1: not a proxy that is trusted");

    let mut command = Command::new(env!("CARGO_BIN_EXE_behind_proxy"));
    let output = command.args(["--proxy-protocol", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_origin_is_the_page_s_and_not_the_host() {
    let server = Server::start(&["--origin", "https://chat.example.com"]);
    for (origin, status) in [
        ("", "101"),
        ("Origin: https://chat.example.com\r\n", "101"),
        // What a page would be without the proxy, and one that a foreign name leads to.
        ("Origin: http://a\r\n", "403"),
        ("Origin: https://a\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\n", "403"),
        ("Origin: http://chat.example.com\r\n", "403"),
        ("Origin: null\r\n", "403"),
    ] {
        let question = [HANDSHAKE.as_bytes(), origin.as_bytes(), b"\r\n", HELLO].concat();
        assert_status(&server.ask(&question), status, &question);
        let log = if status == "101" { CLOSED } else { "not opened: origin that is not allowed" };
        server.logs(&format!("127.0.0.1: {log}"));
    }
}

#[cfg(unix)]
#[test]
fn a_server_that_stops_says_goodbye() {
    let mut server = Server::start(TRUSTING);
    let mut socket = server.connect();
    socket.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).unwrap();
    let mut head = [0; 129];
    socket.read_exact(&mut head).unwrap();
    assert!(head.ends_with(b"\r\n\r\n"), "{}", head.escape_ascii());
    let id = server.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut close = [0; 4];
    socket.read_exact(&mut close).unwrap();
    assert_eq!(close, *b"\x88\x02\x03\xE9");
    socket.write_all(b"\x88\x82\0\0\0\0\x03\xE9").unwrap();
    assert_eq!(until_the_end(&mut socket), b"");
    drop(socket);
    server.logs("127.0.0.1: closed by us: 1001 (going away)");
    assert!(server.process.wait().unwrap().success());
}
