//! What may be between the terminal client and a server: TLS, and proxies. The client is a process, and the proxies and
//! servers follow a script; `tests/proxies/run` has real ones.

use std::{
    env, fs,
    io::{BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{self, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use websocket_proto::{Config, Connection, Event, Input, Transport, server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wscat");

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// Checks that there is one error, and that it says this.
    fn assert_error(&self, code: i32, said: &str) {
        let errors: Vec<_> = self.stderr.lines().filter_map(|line| line.strip_prefix("! ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(said), "{said}: {}", self.stderr);
        assert_eq!(self.code, Some(code), "{said}: {}", self.stderr);
    }
}

/// Runs the client with this stdin, and with this environment alone.
fn wscat(arguments: &[&str], environment: &[(&str, &str)], stdin: &str) -> Outcome {
    let mut client = Command::new(PROGRAM)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, text) = (client.stdin.take().unwrap(), stdin.to_owned());
    // Its pipe may be full until the output is read.
    let writing = thread::spawn(move || _ = input.write_all(text.as_bytes()));
    let output = client.wait_with_output().unwrap();
    writing.join().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Outcome { code: output.status.code(), stdout, stderr }
}

/// Listens, and runs `script` with each socket.
fn listen(script: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = Arc::new(script);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let (script, socket) = (Arc::clone(&script), socket.unwrap());
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            thread::spawn(move || script(socket));
        }
    });
    port
}

/// A certificate and its key, and the file for `--cacert`.
struct Certificate {
    config: Arc<ServerConfig>,
    file: PathBuf,
}

impl Certificate {
    fn new(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new([String::from("localhost")]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], private).unwrap());
        let file = env::temp_dir().join(format!("wscat-{}-{name}.pem", process::id()));
        fs::write(&file, certificate.pem()).unwrap();
        Self { config, file }
    }

    fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    fn stream(&self, socket: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.config)).unwrap(), socket)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// Echoes until the end of the connection. The first error ends it: the client has left.
fn echo(stream: &mut (impl Read + Write)) -> Option<()> {
    let mut handshake = server::Handshake::new(Config::new());
    let mut byte = [0];
    while !handshake.read(&mut Input::new(&mut byte[..0])) {
        stream.read_exact(&mut byte).ok()?;
        if handshake.read(&mut Input::new(&mut byte)) {
            break;
        }
    }
    let accepted = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new());
    let Connection { receiver: mut rx, sender: mut tx } = accepted.unwrap();
    let mut bytes = vec![0; 32 << 10];
    loop {
        stream.write_all(tx.pending()).and_then(|()| stream.flush()).ok()?;
        tx.consume(usize::MAX);
        if tx.transport() == Transport::CloseNow {
            return Some(());
        }
        let n = stream.read(&mut bytes).ok().filter(|n| *n > 0)?;
        let mut input = Input::new(&mut bytes[..n]);
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            match event {
                Event::Text(text) => tx.send_text(text).unwrap(),
                Event::Binary(data) => tx.send_binary(data).unwrap(),
                _ => {}
            }
        }
    }
}

fn lines(count: usize, len: usize) -> String {
    (0..count).map(|line| format!("{line} {}\n", "x".repeat(len))).collect()
}

// ---- TLS

#[test]
fn messages_over_tls() {
    for closes_properly in [true, false] {
        let certificate = Certificate::new(&format!("messages-{closes_properly}"), |_| {});
        let config = Arc::clone(&certificate.config);
        let port = listen(move |socket| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            echo(&mut stream).unwrap();
            if closes_properly {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        let url = format!("wss://localhost:{port}/");
        // Short ones, and so much in both directions that neither side may wait for the other.
        for text in [String::from("hello\n"), String::new(), lines(20_000, 5), lines(10, 1_000_000)] {
            let outcome = wscat(&["--no-deflate", "--cacert", certificate.file(), &url], &[], &text);
            assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
            assert!(outcome.stdout == text, "{} of {} bytes", outcome.stdout.len(), text.len());
            // A missing `close_notify` after a Close is not worth a word.
            assert!(outcome.stderr.ends_with("closed by us: 1000 (normal closure)\n"), "{}", outcome.stderr);
            assert!(!outcome.stderr.contains("cannot"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn a_certificate_that_is_not_accepted_is_explained_in_one_line() {
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2001, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(4000, 1, 1);
    let authority = |params: &mut CertificateParams| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let prefix = "the server's certificate is not accepted: ";
    for (certificate, host, trusted, said) in [
        (Certificate::new("unknown", |_| {}), "localhost", false, "nobody here vouches for it"),
        (Certificate::new("expired", expired), "localhost", true, "it has expired"),
        (Certificate::new("early", early), "localhost", true, "it is not valid yet"),
        (Certificate::new("another", |_| {}), "127.0.0.1", true, "it is for another name"),
        (Certificate::new("authority", authority), "localhost", true, "it is that of an authority"),
    ] {
        let config = Arc::clone(&certificate.config);
        let port = listen(move |socket| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            assert!(stream.read(&mut [0; 100]).is_err(), "the client goes on");
        });
        let url = format!("wss://{host}:{port}/");
        let mut arguments = vec![&*url];
        if trusted {
            arguments.extend(["--cacert", certificate.file()]);
        }
        wscat(&arguments, &[], "").assert_error(3, &format!("{prefix}{said}"));
    }
}

#[test]
fn insecure_accepts_every_certificate_and_warns() {
    let certificate = Certificate::new("insecure", |_| {});
    let port = listen(move |socket| _ = echo(&mut certificate.stream(socket)));
    let outcome = wscat(&["--insecure", &format!("wss://127.0.0.1:{port}/")], &[], "hello\n");
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "hello\n"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("! warning: the server's certificate is not checked"), "{}", outcome.stderr);
}

#[test]
fn what_is_no_tls() {
    let port = listen(|mut socket| {
        let _ = socket.read(&mut [0; 1000]);
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = socket.read(&mut [0; 1000]);
    });
    let url = format!("wss://localhost:{port}/");
    wscat(&[&url], &[], "").assert_error(3, "the server does not speak TLS on this port; is it ws://?");
    let silent = listen(|mut socket| while socket.read(&mut [0; 1000]).is_ok_and(|n| n > 0) {});
    let url = format!("wss://localhost:{silent}/");
    let late = "no answer to the handshake of TLS within 500ms";
    wscat(&["--connect-timeout", "0.5", &url], &[], "").assert_error(1, late);
    // Each byte is in time, but not all of them.
    let slow = listen(|mut socket| {
        for byte in b"\x16\x03\x03\x10\0".iter().chain([0; 4096].iter()) {
            if socket.write_all(&[*byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
    let url = format!("wss://localhost:{slow}/");
    wscat(&["--connect-timeout", "0.5", &url], &[], "").assert_error(1, late);
    let gone = listen(drop);
    let url = format!("wss://localhost:{gone}/");
    wscat(&[&url], &[], "").assert_error(1, "connection lost in the handshake of TLS");
    let missing = wscat(&["--cacert", "/no/such/file", &format!("wss://localhost:{silent}/")], &[], "");
    missing.assert_error(2, "cannot read certificates from /no/such/file");
    let none = wscat(&["--cacert", "/dev/null", &format!("wss://localhost:{silent}/")], &[], "");
    none.assert_error(2, "cannot read certificates from /dev/null: there are none in it");
}

#[test]
fn the_roots_of_the_system_and_http_1_1() {
    let certificate = Certificate::new("system", |_| {});
    let mut config = ServerConfig::clone(&certificate.config);
    // A server that would rather speak HTTP/2.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let port = listen(move |socket| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        stream.conn.complete_io(&mut stream.sock).unwrap();
        if stream.conn.alpn_protocol() == Some(b"http/1.1") {
            let _ = echo(&mut stream);
        }
    });
    let outcome = wscat(&[&format!("wss://localhost:{port}/")], &[("SSL_CERT_FILE", certificate.file())], "hello\n");
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "hello\n"), "{}", outcome.stderr);
}

/// Bytes of TLS in which there is no data, for two seconds.
fn drip(mut socket: &TcpStream, first: &[u8]) {
    let mut bytes = first;
    for _ in 0..20 {
        if socket.write_all(bytes).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(100));
        bytes = b"x";
    }
}

#[test]
fn bytes_of_tls_extend_no_deadline_of_the_handshake() {
    let slow = listen(|mut socket| {
        let _ = socket.read(&mut [0; 1000]);
        // The length of the ServerHello is also the first of its bytes that are not there.
        drip(&socket, b"\x16\x03\x03\x40\0\x02\0\x3F\xFC\x03\x03");
    });
    let late = "no answer to the handshake of TLS within 500ms";
    wscat(&["--connect-timeout", "0.5", &format!("wss://localhost:{slow}/")], &[], "").assert_error(1, late);
}

/// A record of 16 KiB that never comes to its end.
const RECORD: &[u8] = b"\x17\x03\x03\x40\0";

/// Reads the request of a WebSocket, and answers.
fn accept(stream: &mut (impl Read + Write)) {
    let mut handshake = server::Handshake::new(Config::new());
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).unwrap();
        if handshake.read(&mut Input::new(&mut byte)) {
            break;
        }
    }
    let accepted = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    stream.write_all(accepted.sender.pending()).and_then(|()| stream.flush()).unwrap();
}

#[test]
fn bytes_of_tls_extend_no_other_deadline() {
    for (is_accepted, option, said) in [
        (false, "--connect-timeout", "no response to the handshake within 500ms"),
        (true, "--close-timeout", "timed out: no answer to our Close"),
    ] {
        // In a record that is incomplete, and in records that are for TLS itself.
        for is_whole in [false, true] {
            let certificate = Certificate::new(&format!("drip-{is_accepted}-{is_whole}"), |_| {});
            let port = listen(move |socket| {
                let mut stream = certificate.stream(socket);
                if is_accepted {
                    accept(&mut stream);
                } else {
                    let _ = stream.read(&mut [0; 1000]).unwrap();
                }
                if !is_whole {
                    return drip(&stream.sock, RECORD);
                }
                for _ in 0..20 {
                    if stream.conn.refresh_traffic_keys().is_err() || stream.flush().is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(100));
                }
            });
            let arguments = ["--insecure", "--quiet", option, "0.5", &format!("wss://localhost:{port}/")];
            let outcome = wscat(&arguments, &[], "");
            assert!(outcome.stderr.contains(said), "{is_accepted} {is_whole}: {}", outcome.stderr);
            assert_eq!(outcome.code, Some(1));
        }
    }
}

// ---- Proxies

/// Whatever is wrong, no part of a password is shown.
#[test]
fn wrong_options_show_no_secrets() {
    let mut shown = Vec::new();
    for arguments in [
        &["--proxy", "ann:s3cret@http://127.0.0.1:1", "ws://h/"][..],
        &["--proxy", "ann:p://s3cret@127.0.0.1:1", "ws://h/"],
        &["--proxy", "http://ann:s3cret/x@127.0.0.1:1", "ws://h/"],
        &["--proxy", "http://ann:s3cret#x@127.0.0.1:1", "ws://h/"],
        &["--proxy", "ann:s3cret", "ws://h/"],
        &["--proxy=http://ann:s3cret@127.0.0.1:1", "ws://h/"],
        &["--header=Authorization: s3cret", "ws://h/"],
        &["--header", "Authorization s3cret", "ws://h/"],
        &["--max-message", "ws://ann:s3cret@h/"],
    ] {
        let outcome = wscat(arguments, &[], "");
        assert_eq!(outcome.code, Some(2));
        if outcome.stderr.contains("s3cret") {
            shown.push(outcome.stderr);
        }
    }
    assert_eq!(shown, [""; 0]);
}

#[test]
fn a_time_out_of_ages_is_none() {
    let (port, _) = http_proxy("HTTP/1.1 403 X\r\n\r\n", None);
    let outcome = wscat(&["--connect-timeout", "1e19", "--proxy", &format!("127.0.0.1:{port}"), "ws://h/"], &[], "");
    outcome.assert_error(3, "the proxy refused with status 403");
    let gone = listen(drop);
    let outcome = wscat(&["--connect-timeout", "1e19", &format!("wss://localhost:{gone}/")], &[], "");
    outcome.assert_error(1, "connection lost in the handshake of TLS");
}

/// What a proxy has read up to the end of a head.
fn head(socket: &TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    let mut socket = socket;
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A proxy that answers so, and then is the server itself. Returns its port, and the heads that it has read.
fn http_proxy(answer: &'static str, certificate: Option<Certificate>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    let port = listen(move |mut socket| {
        seen.lock().unwrap().push(head(&socket));
        socket.write_all(answer.as_bytes()).unwrap();
        match &certificate {
            Some(certificate) => _ = echo(&mut certificate.stream(socket)),
            None => _ = echo(&mut socket),
        }
    });
    (port, heads)
}

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

#[test]
fn through_an_http_proxy() {
    let certificate = Certificate::new("http-proxy", |_| {});
    let file = certificate.file().to_owned();
    for (url, certificate, asked) in
        [("ws://localhost:1234/path", None, "localhost:1234"), ("wss://localhost/", Some(certificate), "localhost:443")]
    {
        let (port, heads) = http_proxy(ESTABLISHED, certificate);
        let proxy = format!("http://ann:s%40cret@127.0.0.1:{port}");
        let cacert = fs::read_to_string(&file).map_or(vec![], |_| vec!["--cacert", &*file]);
        let outcome = wscat(&[&["--proxy", &proxy, url][..], &cacert].concat(), &[], "hello\n");
        assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "hello\n"), "{}", outcome.stderr);
        // "ann:s@cret"
        let credentials = "Proxy-Authorization: Basic YW5uOnNAY3JldA==";
        let expected = format!("CONNECT {asked} HTTP/1.1\r\nHost: {asked}\r\n{credentials}\r\n\r\n");
        assert_eq!(*heads.lock().unwrap(), [expected]);
        assert!(!outcome.stderr.contains("cret"), "{}", outcome.stderr);
    }
}

#[test]
fn credentials_are_sent_to_whom_they_are_for() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    // First the proxy, and then the server behind it.
    let port = listen(move |mut socket| {
        for answer in [ESTABLISHED, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"] {
            seen.lock().unwrap().push(head(&socket));
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    let proxy = format!("http://ann:cret1@127.0.0.1:{port}");
    let outcome = wscat(&["--proxy", &proxy, "ws://bob:%63ret2@localhost:1234/path"], &[], "");
    assert!(outcome.code == Some(3) && outcome.stderr.contains("status 401; does it want another user name"));
    assert!(!outcome.stderr.contains("cret"), "{}", outcome.stderr);
    let heads = heads.lock().unwrap();
    let [to_proxy, to_server] = &heads[..] else { panic!("{heads:?}") };
    assert!(to_proxy.contains("\r\nProxy-Authorization: Basic YW5uOmNyZXQx\r\n"), "{to_proxy}");
    assert!(!to_proxy.contains("\r\nAuthorization:"), "{to_proxy}");
    assert!(to_server.contains("\r\nAuthorization: Basic Ym9iOmNyZXQy\r\n"), "{to_server}");
    assert!(!to_server.contains("Proxy-Authorization:"), "{to_server}");
}

#[test]
fn refusals_of_an_http_proxy() {
    for (answer, with_credentials, code, said) in [
        (
            "HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 5\r\n\r\nsorry",
            false,
            3,
            "the proxy refused with status 407; does it want a user name and a password?",
        ),
        ("HTTP/1.1 407 X\r\n\r\n", true, 3, "the proxy refused with status 407; are the user"),
        // As tinyproxy does.
        ("HTTP/1.1 401 X\r\n\r\n", true, 3, "the proxy refused with status 401; are the user name and the password"),
        ("HTTP/1.1 403 X\r\n\r\n", false, 3, "the proxy refused with status 403; it forbids this, and many allow"),
        ("HTTP/1.1 503 X\r\n\r\n", false, 3, "the proxy refused with status 503; it does not reach the server"),
        ("SSH-2.0-x\r\n", false, 3, "answer of the proxy: not HTTP/1.1; is it a socks5:// proxy?"),
        ("\x05\x01", false, 3, "answer of the proxy: not HTTP/1.1; is it a socks5:// proxy?"),
        ("", false, 1, "no answer of the proxy 127.0.0.1:"),
    ] {
        let (port, _) = http_proxy(answer, None);
        let credentials = if with_credentials { "ann:secret@" } else { "" };
        let proxy = format!("http://{credentials}127.0.0.1:{port}");
        let outcome = wscat(&["--connect-timeout", "0.5", "--proxy", &proxy, "ws://h/"], &[], "");
        outcome.assert_error(code, said);
        assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable = wscat(&["--proxy", &closed.to_string(), "ws://h/"], &[], "");
    unreachable.assert_error(1, &format!("cannot connect to the proxy {closed}: connection refused; is it running"));
    for (proxy, said) in [("ftp://x", "no such kind of proxy: ftp://"), ("http://a b", "not the address of a proxy")] {
        wscat(&["--proxy", proxy, "ws://h/"], &[], "").assert_error(2, said);
    }
}

#[test]
fn proxies_that_leave_in_the_middle() {
    let gone = listen(|mut socket| {
        head(&socket);
        let _ = socket.write_all(b"HTTP/1.1 2");
    });
    let outcome = wscat(&["--proxy", &format!("127.0.0.1:{gone}"), "ws://h/"], &[], "");
    outcome.assert_error(3, "answer of the proxy: the stream ended inside the HTTP head, after 10 bytes");
    let gone = listen(|mut socket| {
        let _ = socket.read_exact(&mut [0; 3]).and_then(|()| socket.write_all(b"\x05\0"));
        let _ = socket.read_exact(&mut [0; 8]).and_then(|()| socket.write_all(b"\x05\0\0\x03\x04"));
    });
    let outcome = wscat(&["--proxy", &format!("socks5://127.0.0.1:{gone}"), "ws://h/"], &[], "");
    outcome.assert_error(3, ": the stream ended inside an answer of the SOCKS5 proxy");
    let unwilling = listen(|mut socket| {
        let _ = socket.read_exact(&mut [0; 3]).and_then(|()| socket.write_all(b"\x05\xFF"));
    });
    let outcome = wscat(&["--proxy", &format!("socks5://127.0.0.1:{unwilling}"), "ws://h/"], &[], "");
    outcome.assert_error(3, "the SOCKS5 proxy wants another authentication; does it want a user name");
}

#[test]
fn a_proxy_is_asked_again_if_its_refusal_may_pass() {
    let statuses = Mutex::new(vec!["403", "503"]);
    let port = listen(move |mut socket| {
        head(&socket);
        let status = statuses.lock().unwrap().pop().unwrap();
        let _ = socket.write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes());
    });
    let proxy = format!("http://ann:secret@127.0.0.1:{port}");
    let outcome = wscat(&["--reconnect", "--backoff-first", "0.01", "--proxy", &proxy, "ws://bob:secret@h/"], &[], "");
    let errors: Vec<_> = outcome.stderr.lines().filter(|line| line.starts_with("! ")).collect();
    let [again, last] = errors[..] else { panic!("{}", outcome.stderr) };
    assert!(again.contains("the proxy refused with status 503; ") && again.contains("; again in "), "{again}");
    assert!(last.contains("the proxy refused with status 403") && outcome.code == Some(3), "{last}");
    assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
}

/// Neither a byte now and then nor answers that are none extend the time.
#[test]
fn proxies_that_never_come_to_an_end() {
    // Until the client has left.
    let drip = |mut socket: TcpStream, first: &[u8], next: &[u8]| {
        let mut wait = Duration::ZERO;
        let mut bytes = first;
        while socket.write_all(bytes).is_ok() {
            thread::sleep(wait);
            (bytes, wait) = (next, Duration::from_millis(100));
        }
    };
    let slow = listen(move |socket| {
        head(&socket);
        drip(socket, b"HTTP/1.1 200 OK\r\nX: ", b"y");
    });
    let slow_socks = listen(move |mut socket| {
        socket.read_exact(&mut [0; 3]).unwrap();
        drip(socket, b"\x05\0\x05\0\0\x03\xFF", b"y");
    });
    for (proxy, port) in
        [(format!("http://127.0.0.1:{slow}"), slow), (format!("socks5://127.0.0.1:{slow_socks}"), slow_socks)]
    {
        let outcome = wscat(&["--connect-timeout", "0.5", "--proxy", &proxy, "ws://h/"], &[], "");
        outcome.assert_error(1, &format!("no answer of the proxy 127.0.0.1:{port}"));
    }
    for (next, said) in
        [("HTTP/1.1 100 X\r\n\r\n", "HTTP head over the limit"), ("X: y\r\n", "HTTP head over the limit")]
    {
        let endless = listen(move |mut socket| {
            head(&socket);
            let first = if next.starts_with('H') { "" } else { "HTTP/1.1 200 OK\r\n" };
            let _ = socket.write_all(first.as_bytes());
            while socket.write_all(next.as_bytes()).is_ok() {}
        });
        let outcome = wscat(&["--proxy", &format!("127.0.0.1:{endless}"), "ws://h/"], &[], "");
        outcome.assert_error(3, &format!("answer of the proxy: {said}"));
    }
}

/// What the proxy sends behind its answer is the server's, and for `wss` it must be TLS.
#[test]
fn bytes_behind_the_answer_of_a_proxy() {
    for (url, said) in [
        ("ws://h/", "not a WebSocket server: it says 'hello'; is the port right?"),
        ("wss://h/", "the server does not speak TLS on this port; is it ws://?"),
    ] {
        let (port, _) = http_proxy("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello\r\n", None);
        let proxy = format!("http://ann:secret@127.0.0.1:{port}");
        let outcome = wscat(&["--connect-timeout", "0.5", "--proxy", &proxy, url], &[], "");
        outcome.assert_error(3, said);
        assert!(!outcome.stderr.contains("secret"), "{}", outcome.stderr);
    }
}

#[test]
fn through_a_socks5_proxy() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&seen);
    let port = listen(move |socket| {
        let mut reader = BufReader::new(&socket);
        let mut read = |count: usize| {
            let mut bytes = vec![0; count];
            reader.read_exact(&mut bytes).unwrap();
            bytes
        };
        let mut writer = &socket;
        assert_eq!(read(4), [5, 2, 0, 2]);
        writer.write_all(&[5, 2]).unwrap();
        assert_eq!(read(12), b"\x01\x03ann\x06secret"[..12]);
        writer.write_all(&[1, 0]).unwrap();
        let request = read(4 + 1 + 9 + 2);
        let reply: u8 = if request.ends_with(&[0, 80]) { 0 } else { 5 };
        asked.lock().unwrap().push(request);
        writer.write_all(&[5, reply, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
        let _ = echo(&mut &socket);
    });
    let proxy = format!("socks5://ann:secret@127.0.0.1:{port}");
    let outcome = wscat(&["--proxy", &proxy, "ws://localhost/"], &[], "hello\n");
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "hello\n"), "{}", outcome.stderr);
    let refused = "the SOCKS5 proxy has not connected: connection refused";
    wscat(&["--proxy", &proxy, "ws://localhost:81/"], &[], "").assert_error(3, refused);
    let requests = [
        [&b"\x05\x01\0\x03\x09localhost"[..], &[0, 80]].concat(),
        [&b"\x05\x01\0\x03\x09localhost"[..], &[0, 81]].concat(),
    ];
    assert_eq!(*seen.lock().unwrap(), requests);
    // The other kind of proxy.
    let http = listen(|mut socket| {
        socket.read_exact(&mut [0; 3]).unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let another = "answer of version 72 from the SOCKS5 proxy (only 5); is it an http:// proxy?";
    wscat(&["--proxy", &format!("socks5://127.0.0.1:{http}"), "ws://h/"], &[], "").assert_error(3, another);
    let waits = listen(|mut socket| while socket.read(&mut [0; 1000]).is_ok_and(|n| n > 0) {});
    let proxy = format!("socks5://127.0.0.1:{waits}");
    let outcome = wscat(&["--connect-timeout", "0.3", "--proxy", &proxy, "ws://h/"], &[], "");
    outcome.assert_error(1, &format!("no answer of the proxy 127.0.0.1:{waits} in time; is it an http:// proxy?"));
    let wants = listen(|mut socket| {
        socket.read_exact(&mut [0; 3]).unwrap();
        socket.write_all(&[5, 0xFF]).unwrap();
    });
    let outcome = wscat(&["--proxy", &format!("socks5://127.0.0.1:{wants}"), "ws://h/"], &[], "");
    outcome.assert_error(3, "--proxy socks5://USER:PASSWORD@…");
}

#[test]
fn proxies_of_the_environment() {
    let (port, heads) = http_proxy(ESTABLISHED, None);
    let server = listen(|mut socket| _ = echo(&mut socket));
    let (proxy, direct) = (format!("http://127.0.0.1:{port}"), format!("ws://127.0.0.1:{server}/"));
    for (arguments, environment, through) in [
        (vec![], vec![("http_proxy", &*proxy)], true),
        (vec![], vec![("all_proxy", &proxy)], true),
        (vec![], vec![("ALL_PROXY", &proxy)], true),
        (vec![], vec![("https_proxy", &proxy)], false),
        (vec![], vec![("HTTP_PROXY", &proxy)], false),
        (vec![], vec![("http_proxy", "")], false),
        (vec![], vec![("http_proxy", &proxy), ("no_proxy", "localhost, 127.0.0.1")], false),
        (vec![], vec![("http_proxy", &proxy), ("NO_PROXY", "*")], false),
        (vec![], vec![("http_proxy", &proxy), ("no_proxy", "example.com")], true),
        (vec!["--proxy", ""], vec![("http_proxy", &proxy)], false),
        (vec!["--proxy", &proxy], vec![("http_proxy", "nonsense://")], true),
    ] {
        heads.lock().unwrap().clear();
        let outcome = wscat(&[&arguments[..], &[&direct]].concat(), &environment, "hello\n");
        assert_eq!((outcome.code, &*outcome.stdout), (Some(0), "hello\n"), "{environment:?}: {}", outcome.stderr);
        assert_eq!(heads.lock().unwrap().len(), usize::from(through), "{arguments:?}, {environment:?}");
    }
    let wrong = wscat(&[&direct], &[("http_proxy", "nonsense://x")], "");
    wrong.assert_error(2, "http_proxy: no such kind of proxy: nonsense://");
    // `wss` asks for another.
    let refusing = "the proxy refused with status 403";
    let (port, _) = http_proxy("HTTP/1.1 403 X\r\n\r\n", None);
    let refuses = format!("127.0.0.1:{port}");
    for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        let refused = wscat(&["wss://h/"], &[(name, &refuses)], "");
        refused.assert_error(3, refusing);
        refused.assert_error(3, &format!("no way through the proxy {refuses} ({name}): "));
    }
    // The first of these counts.
    for (names, url) in [
        (&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"][..], "wss://h/"),
        (&["http_proxy", "all_proxy", "ALL_PROXY"], "ws://h/"),
    ] {
        for pair in names.windows(2) {
            wscat(&[url], &[(pair[0], &refuses), (pair[1], "nonsense://x")], "").assert_error(3, refusing);
        }
    }
    let lists = [("http_proxy", &*refuses), ("no_proxy", "other"), ("NO_PROXY", "h")];
    wscat(&["ws://h/"], &lists, "").assert_error(3, refusing);
}
