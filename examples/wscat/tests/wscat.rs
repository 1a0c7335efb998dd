//! The terminal client, `examples/wscat`, as a process with servers that follow a script.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{Config, Input, deflate, server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wscat");

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[test]
fn lines_from_a_pipe_are_sent_and_the_connection_is_closed() {
    let outcome = run(&["--wait", "0"], Some("a\nünïcødé 🎈\n\n//slash\r\n"), |mut server| {
        server.accept();
        for expected in ["a", "ünïcødé 🎈", "", "/slash"] {
            assert_eq!(server.frame(), (TEXT, true, expected.into()));
        }
        assert_eq!(server.frame(), (CLOSE, true, b"\x03\xE8".to_vec()));
        // Messages between our Close and the server's are printed, too.
        server.send(TEXT, "late, and in".as_bytes(), false);
        server.send(0, " two parts".as_bytes(), true);
        server.send(TEXT, b"", true);
        server.send(BINARY, &[0; 1000], true);
        server.send(CLOSE, b"\x03\xE8", true);
    });
    assert_eq!(outcome.stdout, "late, and in two parts\n\n<binary, 1000 bytes>\n");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn commands() {
    let input =
        "/ping are you there\n/pong\n/binary 00 ffF\n/binary 00 fF\n/nonsense\n/close 999\n/close 4000 by  e\nlate\n";
    let outcome = run(&[], Some(input), |mut server| {
        server.accept();
        assert_eq!(server.frame(), (PING, true, b"are you there".to_vec()));
        assert_eq!(server.frame(), (PONG, true, b"".to_vec()));
        assert_eq!(server.frame(), (BINARY, true, vec![0, 255]));
        assert_eq!(server.frame(), (CLOSE, true, b"\x0F\xA0by  e".to_vec()));
        server.send(PONG, b"\x1B[2J", true);
        server.send(CLOSE, b"\x0F\xA0", true);
    });
    assert_eq!(outcome.stdout, "");
    for said in ["hexadecimal", "/nonsense", "999", r"pong \u{1b}[2J"] {
        assert!(outcome.stderr.contains(said), "no {said} in {}", outcome.stderr);
    }
    assert_eq!(outcome.code, 1, "three lines came to nothing");
}

#[test]
fn files_are_sent_in_fragments_and_written_as_they_arrive() {
    let content: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let (sent, received) = (scratch("sent"), scratch("received"));
    fs::write(&sent, &content).unwrap();
    let input = format!("/file {}\nbehind\n", sent.display());
    let outcome = run(&["--wait", "0", "--output", received.to_str().unwrap()], Some(&input), |mut server| {
        server.accept();
        let mut message = Vec::new();
        let mut fragments = 0;
        loop {
            let (opcode, last, payload) = server.frame();
            assert_eq!(opcode, if fragments == 0 { BINARY } else { 0 });
            fragments += 1;
            message.extend(payload);
            if last {
                break;
            }
        }
        assert!(fragments > 1);
        assert_eq!(server.frame(), (TEXT, true, b"behind".to_vec()));
        assert_eq!(server.frame().0, CLOSE);
        server.send(BINARY, &message, true);
        server.send(CLOSE, b"", true);
    });
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
    assert!(fs::read(&received).unwrap() == content);
    let _ = (fs::remove_file(sent), fs::remove_file(received));
}

/// While wscat waits for a server that doesn't read, it still receives everything, Pings too.
#[test]
fn sending_does_not_block_receiving() {
    // More than the buffers of both sockets hold.
    const LEN: u64 = 64 << 20;
    let path = scratch("duplex");
    fs::File::create(&path).unwrap().set_len(LEN).unwrap();
    // The deadline of the handshake is over after it.
    let arguments = ["--connect-timeout", "0.7"];
    let outcome = run(&arguments, Some(&format!("/file {}\n/close\n", path.display())), |mut server| {
        server.accept();
        thread::sleep(Duration::from_millis(2500));
        for _ in 0..1000 {
            server.send(BINARY, &[0; 1 << 16], true);
            server.send(PING, b"?", true);
        }
        let (mut seen, mut pongs) = (0, 0);
        loop {
            match server.skip_frame() {
                (CLOSE, _) => break,
                (PONG, _) => pongs += 1,
                (_, len) => seen += len,
            }
        }
        assert_eq!(seen, LEN);
        assert!((1..=1000).contains(&pongs), "{pongs} pongs");
        server.send(CLOSE, b"", true);
    });
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "<binary, 65536 bytes>\n".repeat(1000));
    let _ = fs::remove_file(path);
}

#[test]
fn options_change_the_request() {
    let options = ["--header", "X-One: 1", "--header", "X-Two:two: 2", "--subprotocol", "a", "--subprotocol", "b"];
    let outcome = run(&[&options[..], &["--origin", "http://o"]].concat(), Some(""), |mut server| {
        for line in ["X-One: 1", "X-Two: two: 2", "Sec-WebSocket-Protocol: a, b", "Origin: http://o"] {
            assert!(server.request.contains(&format!("\r\n{line}\r\n")), "no {line} in {}", server.request);
        }
        assert!(server.request.starts_with("GET /path?query HTTP/1.1\r\n"));
        server.accept();
        server.frame();
        server.send(CLOSE, b"", true);
    });
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn messages_are_compressed_if_the_server_accepts() {
    let long = "abc".repeat(100);
    let outcome = run(&["--wait", "0"], Some(&long), |mut server| {
        assert!(
            server.request.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
        );
        server.accept_with(Config::new().deflate(deflate::Config::new().send_takeover(false)));
        let [first, second] = server.bytes();
        assert_eq!(first, 0xC1, "text, compressed");
        assert!(second & 0x7F < 50);
        // RFC 7692 §7.2.3.1.
        server.write(b"\xC1\x07\xF2\x48\xCD\xC9\xC9\x07\x00");
        server.send(TEXT, b"as it is", true);
        server.send(CLOSE, b"\x03\xE8", true);
        server.wait_for_end();
    });
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "Hello\nas it is\n"), "{}", outcome.stderr);
    let said = "\n* extension permessage-deflate; server_no_context_takeover\n";
    assert!(outcome.stderr.contains(said), "{}", outcome.stderr);
}

#[test]
fn compression_is_optional() {
    // Compression is not offered, or the server does not accept it.
    for (options, offered) in [(&["--wait", "0", "--no-deflate"][..], false), (&["--wait", "0"], true)] {
        let long = "abc".repeat(100);
        let outcome = run(options, Some(&long), |mut server| {
            assert_eq!(server.request.contains("permessage-deflate"), offered);
            assert_eq!(server.request.contains("Sec-WebSocket-Extensions"), offered);
            server.accept();
            assert_eq!(server.frame(), (TEXT, true, long.clone().into()));
            assert_eq!(server.frame().0, CLOSE);
            server.send(CLOSE, b"\x03\xE8", true);
        });
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("permessage-deflate"), "{}", outcome.stderr);
    }
}

#[test]
fn a_refusal_is_shown() {
    let outcome = run(&[], None, |mut server| {
        server.write(b"HTTP/1.1 404 Not Found\r\nX-Why: because\r\nContent-Length: 11\r\n\r\nno");
        thread::sleep(Duration::from_millis(50));
        // The connection stays open: only the length tells where the body ends.
        server.write(b"thing\x1B[2J");
        server.wait_for_end();
    });
    assert_eq!((outcome.code, outcome.stdout.as_str()), (3, ""));
    assert_eq!(
        outcome.errors(),
        [
            "X-Why: because",
            "Content-Length: 11",
            "",
            r"nothing\u{1b}[2J",
            "the server refused with status 404; is the path right?",
        ]
    );
}

#[test]
fn no_more_of_a_refusal_is_shown_than_its_length_says() {
    let outcome = run(&["--quiet"], None, |mut server| {
        server.write(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\nnothing");
        server.wait_for_end();
    });
    assert_eq!(outcome.errors(), ["Content-Length: 2", "", "no", "the server refused with status 500"]);
}

#[test]
fn exit_codes() {
    type Script = fn(Server);
    #[rustfmt::skip]
    let table: &[(&str, u8, &[&str], Script)] = &[
        ("wrong accept", 3, &[], |mut server| {
            server.write(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: 0\r\n\r\n");
        }),
        ("not HTTP", 3, &[], |mut server| server.write(b"SSH-2.0-X\r\n\r\n")),
        ("no response", 3, &[], |_| {}),
        ("redirect", 3, &[], |mut server| server.write(b"HTTP/1.1 301 X\r\nLocation: ws://a\r\n\r\n")),
        ("closed without code", 0, &[], |server| server.say(&[b"\x88\x00"])),
        ("closed with 1000", 0, &[], |server| server.say(&[b"\x88\x02\x03\xE8"])),
        ("closed with 1001", 0, &[], |server| server.say(&[b"\x88\x02\x03\xE9"])),
        ("closed with 1011", 4, &[], |server| server.say(&[b"\x88\x02\x03\xF3"])),
        ("closed with 3000", 4, &[], |server| server.say(&[b"\x88\x02\x0B\xB8"])),
        ("closed inside a message", 1, &[], |server| server.say(&[b"\x01\x01a\x88\x02\x03\xE8"])),
        ("lost", 1, &[], |server| server.say(&[b"\x81\x01a"])),
        ("lost inside a message", 1, &[], |server| server.say(&[b"\x81\x02a"])),
        ("reserved opcode", 5, &[], |server| server.say(&[b"\x83\x00"])),
        ("not UTF-8", 5, &[], |server| server.say(&[b"\x81\x01\xFF"])),
        ("extension not offered", 3, &["--no-deflate"], |mut server| {
            server.request = server.request.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
            server.accept_with(Config::new().deflate(deflate::Config::new()));
        }),
        ("not deflate", 5, &[], |mut server| {
            server.accept_with(Config::new().deflate(deflate::Config::new()));
            server.write(b"\xC1\x01\xFF");
            server.wait_for_end();
        }),
        ("too long", 5, &["--max-message", "3"], |server| server.say(&[b"\x82\x04abcd"])),
        ("not too long", 0, &["--max-message", "3"], |server| server.say(&[b"\x82\x03abc\x88\x00"])),
        ("message in pieces", 0, &[], |server| server.say(&[b"\x82", b"\x03a", b"bc\x88", b"\x00"])),
    ];
    for (name, code, options, script) in table {
        let outcome = run(options, None, *script);
        assert_eq!(outcome.code, i32::from(*code), "{name}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.contains("\n! "), *code != 0, "{name}: {}", outcome.stderr);
    }
}

#[test]
fn wrong_usage() {
    #[rustfmt::skip]
    let table: &[(&[&str], i32, &str)] = &[
        (&["http://127.0.0.1/"],                     2, "ws://"),
        (&[],                                        2, "no URL"),
        (&["--nonsense", "ws://h"],                  2, "--nonsense"),
        (&["--header"],                              2, "--header"),
        (&["--header", "Host: a", "ws://127.0.0.1"], 2, "header"),
        (&["ws://h/a b"],                            2, "' ' at byte 8 (write %20)"),
        (&["ws://ann@b:secret@h/"],                  2, "'@' at byte 8 (write %40)"),
        (&["ws://ann:secret@h/", "ws://h/"],         2, "more than one URL"),
        (&["ws://ann%3A:secret@h/"],                 2, "user name"),
        (&["--output", "/no/such/file", "ws://h"],   1, "/no/such/file"),
    ];
    for (arguments, code, said) in table {
        let output = Command::new(PROGRAM).args(*arguments).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said) && !stderr.contains("secret"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_failed_connection_prints_one_line() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = closed.port();
    for (url, said) in [
        (format!("ws://{closed}/"), format!("cannot connect to {closed}: connection refused; is it running")),
        // This name may have two addresses.
        (format!("ws://localhost:{port}/"), format!("cannot connect to localhost:{port}: connection refused;")),
        ("ws://host.invalid/".into(), "cannot connect to host.invalid: no such host; is it spelled right?".into()),
    ] {
        let output = Command::new(PROGRAM).arg(&url).stdin(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}: {stderr}");
        assert!(stderr.starts_with(&format!("! {said}")) && stderr.lines().count() == 1, "{url}: {stderr}");
    }
}

#[test]
fn a_failed_handshake_prints_one_line() {
    type Script = fn(Server);
    #[rustfmt::skip]
    let table: &[(u8, &str, Script)] = &[
        // Most of these servers wait for more bytes.
        (3, "not a WebSocket server: it says '220 mail.example ESMTP'; is the port right?", |mut server| {
            server.write(b"220 mail.example ESMTP\r\n");
            server.wait_for_end();
        }),
        (3, "the server wants TLS on this port; is it wss://?", |mut server| {
            server.write(b"\x15\x03\x01\0\x02\x02\x46");
            server.wait_for_end();
        }),
        (3, "not a WebSocket server: the connection ended without a response; is the port right", |_| {}),
        (3, "not a WebSocket server: the stream ended inside the HTTP head", |mut server| {
            server.write(b"HTTP/1.1 101 ");
        }),
        (3, "the server refused with status 404; is the path right?", |mut server| {
            server.write(b"HTTP/1.1 404 X\r\n\r\n");
        }),
        (3, "the server refused with status 503", |mut server| server.write(b"HTTP/1.1 503 X\r\n\r\n")),
        (1, "no response to the handshake within 1s; is it a WebSocket server?", |mut server| server.wait_for_end()),
        // A byte now and then does not extend the time.
        (1, "no response to the handshake within 1s; is it a WebSocket server?", |mut server| {
            let began = Instant::now();
            for byte in b"HTTP/1.1 101 Switching Protocols" {
                if server.socket.write_all(&[*byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(100));
            }
            assert!(began.elapsed() < Duration::from_secs(2));
        }),
    ];
    for (code, said, script) in table {
        let outcome = run(&["--connect-timeout", "1"], None, *script);
        assert_eq!(outcome.code, i32::from(*code), "{said}: {}", outcome.stderr);
        let errors = outcome.errors();
        assert!(errors.len() == 1 && errors[0].starts_with(said), "{said}: {}", outcome.stderr);
    }
}

#[test]
fn a_server_that_does_not_close_runs_out_of_time() {
    let began = Instant::now();
    let outcome = run(&["--wait", "0", "--close-timeout", "0.3"], Some(""), |mut server| {
        server.accept();
        assert_eq!(server.frame().0, CLOSE);
        // Pings are no progress.
        for _ in 0..15 {
            if server.socket.write_all(b"\x89\x00").is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no answer to our Close"), "{}", outcome.stderr);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// The errors, without their marker.
    fn errors(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("! ")).collect()
    }
}

/// Runs wscat with a server that serves one connection by `script`. Without `input` stdin stays open.
fn run(options: &[&str], input: Option<&str>, script: impl FnOnce(Server) + Send) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(|| script(Server::new(&listener)));
        let mut command = Command::new(PROGRAM);
        command.args(options).arg(format!("ws://{address}/path?query"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take();
        if let Some(input) = input {
            // wscat may end before it read all of it.
            let _ = stdin.take().unwrap().write_all(input.as_bytes());
        }
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        // If wscat did not connect, the server would wait for ever.
        drop(TcpStream::connect(address));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(server.join().is_ok(), "the server has seen something else, and wscat has said: {stderr}");
        Outcome { code: output.status.code().unwrap(), stdout, stderr }
    })
}

/// The server's end of a connection, with raw bytes.
struct Server {
    socket: TcpStream,
    request: String,
}

impl Server {
    fn new(listener: &TcpListener) -> Self {
        let mut socket = listener.accept().unwrap().0;
        // Better fail than hang.
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut request = Vec::new();
        let mut buf = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            let n = socket.read(&mut buf).unwrap();
            assert!(n > 0, "the request is cut short");
            request.extend_from_slice(&buf[..n]);
        }
        Self { socket, request: String::from_utf8(request).unwrap() }
    }

    fn accept(&mut self) {
        self.accept_with(Config::new());
    }

    fn accept_with(&mut self, config: Config) {
        let mut handshake = server::Handshake::new(config);
        assert!(handshake.read(&mut Input::new(&mut self.request.clone().into_bytes())));
        let upgrade = handshake.into_request().unwrap().upgrade().unwrap();
        let connection = upgrade.accept(&server::Accept::new()).unwrap();
        self.write(connection.sender.pending());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// Accepts, sends bytes in several writes, and ends the stream.
    fn say(mut self, pieces: &[&[u8]]) {
        self.accept();
        for piece in pieces {
            self.write(piece);
            thread::sleep(Duration::from_millis(10));
        }
        self.socket.shutdown(Shutdown::Write).unwrap();
        self.wait_for_end();
    }

    /// Sends a frame.
    fn send(&mut self, opcode: u8, payload: &[u8], last: bool) {
        let mut frame = vec![u8::from(last) << 7 | opcode];
        match payload.len() {
            len @ ..126 => frame.push(len as u8),
            len @ ..0x1_0000 => {
                frame.push(126);
                frame.extend((len as u16).to_be_bytes());
            }
            len => {
                frame.push(127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        self.write(&frame);
    }

    /// Reads a frame: its opcode, whether it is the last of its message, and its payload.
    fn frame(&mut self) -> (u8, bool, Vec<u8>) {
        let (opcode, last, len) = self.header();
        let mask: [u8; 4] = self.bytes();
        let mut payload = vec![0; len.try_into().unwrap()];
        self.socket.read_exact(&mut payload).unwrap();
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        (opcode, last, payload)
    }

    /// Reads a frame: its opcode and length.
    fn skip_frame(&mut self) -> (u8, u64) {
        let (opcode, _, len) = self.header();
        assert_eq!(io::copy(&mut (&self.socket).take(4 + len), &mut io::sink()).unwrap(), 4 + len);
        (opcode, len)
    }

    fn header(&mut self) -> (u8, bool, u64) {
        let [first, second] = self.bytes();
        assert_eq!((first & 0x70, second & 0x80), (0, 0x80), "no reserved bit, and a mask");
        let len = match second & 0x7F {
            126 => u16::from_be_bytes(self.bytes()).into(),
            127 => u64::from_be_bytes(self.bytes()),
            len => len.into(),
        };
        (first & 0x0F, first & 0x80 != 0, len)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.socket.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Waits until wscat ended the stream, too.
    fn wait_for_end(&mut self) {
        while self.socket.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {}
    }
}

/// A path for a file of this run.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("wscat-{}-{name}", process::id()))
}
