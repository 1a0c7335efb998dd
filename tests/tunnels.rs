//! The way through a proxy, row by row: P1 to P6 of the conformance table.
//!
//! A row is what the proxy sends. It is fed in every cut, with bytes of the server behind it.

mod common;

use common::{
    Store,
    cuts::{every_cut, how, pieces},
    fixed,
    heads::stale,
    stores,
};
use websocket_proto::{
    Config, Credentials, CredentialsError, Exchange, Input, Outcome, Uri,
    head::{HeadError, InvalidHeader, MalformedHead},
    proxy::{Connect, Reply, Request, RequestError, Socks5, TunnelError},
    time::Retry,
};

const BEHIND: &[u8] = b"\x81\x05hello";

fn request(address: &str) -> Request<'_> {
    Request::new(Uri::parse(address).unwrap())
}

fn connect(config: Config, request: &Request<'_>) -> Result<Connect<Store, Store>, RequestError> {
    let [input, output] = stores();
    Connect::with_storage(config, request, input, output)
}

/// Feeds the chunks, and writes the pending bytes before and after each. Returns the written bytes, and the unused rest of
/// the input.
fn run(exchange: &mut impl Exchange, chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let (mut written, mut left) = (Vec::new(), Vec::new());
    let mut write = |exchange: &mut dyn Exchange| {
        // In two parts, the second of which may be empty.
        for _ in 0..2 {
            let count = exchange.pending().len().div_ceil(2);
            written.extend_from_slice(&exchange.pending()[..count]);
            exchange.consume(count);
        }
        written.extend_from_slice(exchange.pending());
        exchange.consume(usize::MAX);
        assert!(exchange.pending().is_empty());
    };
    write(exchange);
    let mut is_whole = false;
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let mut input = Input::new(&mut chunk);
        if !is_whole {
            is_whole = exchange.read(&mut input);
            assert!(is_whole || input.is_empty(), "an incomplete answer leaves nothing");
            write(exchange);
        }
        left.extend_from_slice(input.remaining());
    }
    (written, left)
}

// ---- CONNECT

/// What the proxy is asked, to the byte.
#[test]
fn p1_p4_requests_of_connect() {
    let ann = Credentials::new("ann", "s:ecret");
    for (request, expected) in [
        (request("ws://example.com/chat?x"), "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\n"),
        (request("wss://example.com"), "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n"),
        (request("ws://h:08080/"), "CONNECT h:8080 HTTP/1.1\r\nHost: h:8080\r\n\r\n"),
        (request("ws://192.0.2.1:9"), "CONNECT 192.0.2.1:9 HTTP/1.1\r\nHost: 192.0.2.1:9\r\n\r\n"),
        (request("wss://[2001:db8::7]"), "CONNECT [2001:db8::7]:443 HTTP/1.1\r\nHost: [2001:db8::7]:443\r\n\r\n"),
        (
            request("ws://h").credentials(ann).headers(&[("User-Agent", "x"), ("Via", "y")]),
            "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nProxy-Authorization: Basic YW5uOnM6ZWNyZXQ=\r\n\
            User-Agent: x\r\nVia: y\r\n\r\n",
        ),
        (
            request("ws://h").headers(&[("Proxy-Authorization", "Bearer x")]),
            "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\nProxy-Authorization: Bearer x\r\n\r\n",
        ),
    ] {
        let mut tunnel = connect(Config::new(), &request).unwrap();
        let (written, _) = run(&mut tunnel, &[]);
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}

#[test]
fn p4_requests_of_connect_that_cannot_be_sent() {
    use CredentialsError::{Password, User};
    let with = |user, password| request("ws://h").credentials(Credentials::new(user, password));
    for (request, expected) in [
        (with("a:b", ""), RequestError::Credentials(User)),
        (with("a\r\nX: y", ""), RequestError::Credentials(User)),
        (with("a\0", ""), RequestError::Credentials(User)),
        (with("a", "b\n"), RequestError::Credentials(Password)),
        (with("a", "b\r"), RequestError::Credentials(Password)),
        (with("a", "\0"), RequestError::Credentials(Password)),
        (
            with("a", "b").headers(&[("A", "b"), ("proxy-authorization", "Bearer x")]),
            RequestError::Header(InvalidHeader::Reserved { index: 1 }),
        ),
        (request("ws://h").headers(&[("host", "x")]), RequestError::Header(InvalidHeader::Reserved { index: 0 })),
        (
            request("ws://h").headers(&[("Content-Length", "0")]),
            RequestError::Header(InvalidHeader::Reserved { index: 0 }),
        ),
        (
            request("ws://h").headers(&[("transfer-encoding", "chunked")]),
            RequestError::Header(InvalidHeader::Reserved { index: 0 }),
        ),
        (request("ws://h").headers(&[("A", "b\r\nC: d")]), RequestError::Header(InvalidHeader::Value { index: 0 })),
        (request("ws://h").headers(&[("A b", "")]), RequestError::Header(InvalidHeader::Name { index: 0 })),
    ] {
        assert_eq!(connect(Config::new(), &request).unwrap_err(), expected);
    }
}

/// Feeds the response in every cut. The status that opens or refuses, or why there is none.
fn connect_all(config: Config, response: &[u8]) -> Result<(), TunnelError> {
    let stream = [response, BEHIND].concat();
    let feed = |cuts: &[usize]| {
        let mut tunnel = connect(config, &request("ws://h")).unwrap();
        let (_, left) = run(&mut tunnel, &pieces(&stream, cuts));
        let opened = tunnel.into_tunnel();
        // Where reading stopped is not promised if there was no response.
        (opened, if matches!(opened, Err(TunnelError::Head(_))) { Vec::new() } else { left })
    };
    let whole = feed(&[]);
    for cuts in every_cut(stream.len()) {
        assert_eq!(feed(&cuts), whole, "{}, {}", response.escape_ascii(), how(&cuts));
    }
    let (opened, left) = whole;
    assert!(matches!(opened, Err(TunnelError::Head(_))) || left == BEHIND, "{}", response.escape_ascii());
    opened
}

#[test]
fn p1_p2_p3_responses() {
    let refused = |status| Err(TunnelError::Refused { status });
    for (response, expected) in [
        ("HTTP/1.1 200 Connection established\r\n\r\n", Ok(())),
        ("HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n", Ok(())),
        ("HTTP/1.1 299\r\n\r\n", Ok(())),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(())),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Ok(())),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Ok(())),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", Ok(())),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 407 x\r\n\r\n", refused(407)),
        ("HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"a\"\r\nContent-Length: 8\r\n\r\n", refused(407)),
        ("HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", refused(101)),
        ("HTTP/1.1 199 x\r\n\r\nHTTP/1.1 300 x\r\n\r\n", refused(300)),
        ("HTTP/1.0 100 x\r\n\r\n", refused(100)),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", refused(403)),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", refused(502)),
        ("HTTP/2 200\r\n\r\n", Err(HeadError::Version.into())),
        ("SSH-2.0-x\r\n", Err(HeadError::Version.into())),
        ("HTTP/1.1 2x0\r\n", Err(HeadError::Malformed(MalformedHead::StatusLine).into())),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Err(HeadError::Malformed(MalformedHead::HeaderName).into())),
    ] {
        assert_eq!(connect_all(Config::new(), response.as_bytes()), expected, "{response}");
    }
}

/// A refusal has all that its sender says: a challenge, and the beginning of an explanation.
#[test]
fn p3_a_refusal_is_data() {
    let response =
        b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"a\"\r\nProxy-Authenticate: Negotiate\r\n\r\nsorry";
    for cuts in every_cut(response.len()) {
        let mut tunnel = connect(Config::new(), &request("ws://h")).unwrap();
        let (_, left) = run(&mut tunnel, &pieces(response, &cuts));
        let response = tunnel.into_response().unwrap();
        assert_eq!((response.status(), &*left), (407, &b"sorry"[..]));
        let challenges: Vec<_> = response.headers().all("Proxy-Authenticate").collect();
        assert_eq!(challenges, [&b"Basic realm=\"a\""[..], b"Negotiate"]);
        assert_eq!(response.check(), Err(TunnelError::Refused { status: 407 }));
        assert_eq!(format!("{response:?}"), "Response(407)");
    }
}

#[test]
fn p3_a_response_is_bounded_and_may_be_cut_off() {
    let response = b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n";
    let len = response.len();
    assert_eq!(connect_all(Config::new().max_head(len), response), Ok(()));
    let limit = len - 1;
    assert_eq!(connect_all(Config::new().max_head(limit), response), Err(HeadError::TooLarge { limit }.into()));
    assert_eq!(connect_all(Config::new().max_headers(2), response), Ok(()));
    let too_many = HeadError::TooManyHeaders { limit: 1 };
    assert_eq!(connect_all(Config::new().max_headers(1), response), Err(too_many.into()));
    for seen in 0..len {
        let mut tunnel = connect(Config::new(), &request("ws://h")).unwrap();
        run(&mut tunnel, &[&response[..seen]]);
        assert_eq!(tunnel.into_tunnel(), Err(HeadError::Incomplete { seen }.into()));
    }
}

#[test]
fn stores_of_connect_that_are_too_small() {
    let request = request("ws://example.com").credentials(Credentials::new("ann", "secret"));
    let needed = connect(Config::new(), &request).unwrap().pending().len();
    for capacity in [0, 1, needed - 1, needed] {
        let tunnel = Connect::with_storage(Config::new(), &request, fixed(100), fixed(capacity));
        let too_small = (capacity < needed).then_some(RequestError::StoreTooSmall { needed, capacity });
        assert_eq!(tunnel.err(), too_small);
    }
    let response = b"HTTP/1.1 200 OK\r\n\r\n";
    for capacity in [0, 10, response.len() - 1, response.len()] {
        let mut tunnel = Connect::with_storage(Config::new(), &request, fixed(capacity), fixed(500)).unwrap();
        run(&mut tunnel, &[response]);
        let too_small = HeadError::StoreTooSmall { capacity }.into();
        assert_eq!(tunnel.into_tunnel().err(), (capacity < response.len()).then_some(too_small));
    }
    // What is in them is dropped.
    let mut tunnel = Connect::with_storage(Config::new(), &request, stale(), stale()).unwrap();
    assert!(run(&mut tunnel, &[response]).0.starts_with(b"CONNECT example.com:80 "));
    assert_eq!(tunnel.into_tunnel(), Ok(()));
}

/// Nobody finds them in a log, whatever was sent. To the byte, because bytes may be shown as numbers.
#[test]
fn p4_credentials_are_not_shown() {
    let request = request("ws://h/path?token").credentials(Credentials::new("ann", "secret"));
    assert_eq!(format!("{request:?}"), "Request(h:80)");
    assert_eq!(format!("{:?}", Credentials::new("ann", "secret")), "Credentials");
    let mut tunnel = connect(Config::new(), &request).unwrap();
    assert_eq!(format!("{tunnel:?}"), "Connect(0 bytes sent, Head(0 bytes, Collecting))");
    run(&mut tunnel, &[b"HTTP/1.1 407 ann\r\nSet-Cookie: secret\r\n"]);
    let sent = connect(Config::new(), &request).unwrap().pending().len();
    assert_eq!(format!("{tunnel:?}"), format!("Connect({sent} bytes sent, Head(38 bytes, Collecting))"));
    let mut tunnel = Socks5::new(&request).unwrap();
    for (answer, shown) in [
        (&[][..], "Socks5(Method)"),
        (LOG_IN, "Socks5(Authentication)"),
        (LOGGED_IN, "Socks5(Reply)"),
        (&[5, 0, 0, 3], "Socks5(AddressLength)"),
        (b"\x06secret\0", "Socks5(Address { left: 1 })"),
        (&[0], "Socks5(Open)"),
    ] {
        let _ = tunnel.read(&mut Input::new(&mut answer.to_vec()));
        assert_eq!(format!("{tunnel:?}"), shown);
    }
}

// ---- SOCKS5

const NO_AUTHENTICATION: &[u8] = &[5, 0];
const LOG_IN: &[u8] = &[5, 2];
const LOGGED_IN: &[u8] = &[1, 0];
const CONNECTED: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0x12, 0x34];

/// Feeds the answers, each in every cut and with bytes behind the last one. Returns what was written, and the end.
fn socks_all(request: &Request<'_>, answers: &[&[u8]]) -> (Vec<u8>, Result<(), TunnelError>) {
    let feed = |chunks: &[&[u8]]| {
        let mut tunnel = Socks5::new(request).unwrap();
        let (written, left) = run(&mut tunnel, chunks);
        let opened = tunnel.into_tunnel();
        assert!(opened.is_err() || left == BEHIND, "{left:?} is left");
        (written, opened)
    };
    let whole = feed(&[answers, &[BEHIND]].concat());
    let stream = [&answers.concat(), BEHIND].concat();
    for cuts in every_cut(stream.len()) {
        // A cut in the middle of an answer, or none between answers: a proxy may be ahead of us.
        assert_eq!(feed(&pieces(&stream, &cuts)).1, whole.1, "{answers:?}, {}", how(&cuts));
    }
    whole
}

/// What the proxy is asked, to the byte. It looks up names.
#[test]
fn p5_requests_of_socks5() {
    let ann = Credentials::new("ann", "secret");
    let name = [&b"\x05\x01\0\x03\x0Bexample.com"[..], &[0, 80]].concat();
    let v4 = vec![5, 1, 0, 1, 192, 0, 2, 1, 0x23, 0x28];
    let v6 = [&[5, 1, 0, 4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[1, 0xBB]].concat();
    for (request, answers, expected) in [
        (request("ws://example.com/chat"), vec![NO_AUTHENTICATION], vec![&[5, 1, 0][..], &name]),
        (request("ws://192.0.2.1:9000"), vec![NO_AUTHENTICATION], vec![&[5, 1, 0], &v4]),
        // What only some take for an address is a name.
        (request("ws://127.1"), vec![NO_AUTHENTICATION], vec![&[5, 1, 0], b"\x05\x01\0\x03\x05127.1\0\x50"]),
        (request("wss://[2001:db8::7]"), vec![NO_AUTHENTICATION], vec![&[5, 1, 0], &v6]),
        // Credentials are sent only if the proxy wants them.
        (request("ws://example.com").credentials(ann), vec![NO_AUTHENTICATION], vec![&[5, 2, 0, 2], &name]),
        (
            request("ws://example.com").credentials(ann),
            vec![LOG_IN, LOGGED_IN],
            vec![&[5, 2, 0, 2], b"\x01\x03ann\x06secret", &name],
        ),
        (
            request("ws://example.com").credentials(ann).headers(&[("User-Agent", "x")]),
            vec![NO_AUTHENTICATION],
            vec![&[5, 2, 0, 2], &name],
        ),
    ] {
        let answers = [answers, vec![CONNECTED]].concat();
        let (written, opened) = socks_all(&request, &answers);
        assert_eq!((written, opened), (expected.concat(), Ok(())));
    }
}

/// The longest of all, and one byte more.
#[test]
fn p5_limits_of_socks5() {
    let (long, longer) = ("x".repeat(255), "x".repeat(256));
    let address = format!("ws://{long}:65535/");
    let request = request(&address).credentials(Credentials::new(&long, &long));
    let (written, opened) = socks_all(&request, &[LOG_IN, LOGGED_IN, CONNECTED]);
    let log_in = [b"\x01\xFF", long.as_bytes(), b"\xFF", long.as_bytes()].concat();
    let asked = [b"\x05\x01\0\x03\xFF", long.as_bytes(), b"\xFF\xFF"].concat();
    assert_eq!((written, opened), ([&[5, 2, 0, 2], &*log_in, &asked].concat(), Ok(())));

    let short = |user, password| self::request("ws://h").credentials(Credentials::new(user, password));
    for (request, expected) in [
        (self::request(&format!("ws://{longer}")), RequestError::Host),
        (short(&longer, "x"), RequestError::Credentials(CredentialsError::User)),
        (short("", "x"), RequestError::Credentials(CredentialsError::User)),
        (short("x", &longer), RequestError::Credentials(CredentialsError::Password)),
        (short("x", ""), RequestError::Credentials(CredentialsError::Password)),
    ] {
        assert_eq!(Socks5::new(&request).unwrap_err(), expected);
    }
    // Neither a colon nor a control character is anything special here.
    assert!(Socks5::new(&short("a:b", "\r\n")).is_ok());
}

#[test]
fn p5_answers_of_socks5() {
    let plain = request("ws://h");
    let ann = plain.credentials(Credentials::new("ann", "secret"));
    let reply = |code: u8| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    for (request, answers, expected) in [
        (plain, vec![&[5, 0xFF][..]], TunnelError::NoMethod),
        (ann, vec![&[5, 0xFF]], TunnelError::NoMethod),
        (plain, vec![LOG_IN], TunnelError::Method { found: 2 }),
        (ann, vec![&[5, 1]], TunnelError::Method { found: 1 }),
        (ann, vec![LOG_IN, &[1, 1]], TunnelError::Credentials),
        (ann, vec![LOG_IN, &[5, 0xFF]], TunnelError::Credentials),
        (plain, vec![b"HTTP/1.1 400 Bad Request\r\n\r\n"], TunnelError::Version { found: b'H' }),
        (plain, vec![&[4, 0]], TunnelError::Version { found: 4 }),
        (plain, vec![NO_AUTHENTICATION, &[0, 90]], TunnelError::Version { found: 0 }),
        (ann, vec![LOG_IN, LOGGED_IN, &[1, 0, 0]], TunnelError::Version { found: 1 }),
        (plain, vec![NO_AUTHENTICATION, &[5, 0, 0, 2]], TunnelError::AddressType { found: 2 }),
        (plain, vec![NO_AUTHENTICATION, &[5, 0, 0, 0]], TunnelError::AddressType { found: 0 }),
        (plain, vec![NO_AUTHENTICATION, &reply(1)], TunnelError::Reply(Reply::GENERAL_FAILURE)),
        (plain, vec![NO_AUTHENTICATION, &reply(2)], TunnelError::Reply(Reply::NOT_ALLOWED)),
        (plain, vec![NO_AUTHENTICATION, &reply(3)], TunnelError::Reply(Reply::NETWORK_UNREACHABLE)),
        (plain, vec![NO_AUTHENTICATION, &reply(4)], TunnelError::Reply(Reply::HOST_UNREACHABLE)),
        (plain, vec![NO_AUTHENTICATION, &reply(5)], TunnelError::Reply(Reply::CONNECTION_REFUSED)),
        (plain, vec![NO_AUTHENTICATION, &reply(6)], TunnelError::Reply(Reply::TTL_EXPIRED)),
        (plain, vec![NO_AUTHENTICATION, &reply(7)], TunnelError::Reply(Reply::COMMAND_NOT_SUPPORTED)),
        (plain, vec![NO_AUTHENTICATION, &reply(8)], TunnelError::Reply(Reply::ADDRESS_TYPE_NOT_SUPPORTED)),
        // A proxy that ends the stream behind the code.
        (plain, vec![NO_AUTHENTICATION, &[5, 5]], TunnelError::Reply(Reply::CONNECTION_REFUSED)),
    ] {
        assert_eq!(socks_all(&request, &answers).1, Err(expected), "{answers:?}");
    }
    let (_, unassigned) = socks_all(&plain, &[NO_AUTHENTICATION, &reply(0x5B)]);
    assert_eq!(unassigned.unwrap_err().to_string(), "the SOCKS5 proxy has not connected: unassigned code 91");
}

/// Exactly the reply is used, whatever the type of its address; and no part of it is enough.
#[test]
fn p6_replies_of_every_length() {
    let name = |len: usize| [&[5, 0, 0, 3, len as u8][..], &vec![b'x'; len], &[1, 2]].concat();
    for reply in [
        CONNECTED.to_vec(),
        [&[5, 0, 0, 4][..], &[7; 16], &[1, 2]].concat(),
        [5, 0, 0xFF, 1, 0, 0, 0, 0, 0, 0].to_vec(),
        name(0),
        name(1),
        name(255),
    ] {
        let request = request("ws://h");
        assert_eq!(socks_all(&request, &[NO_AUTHENTICATION, &reply]).1, Ok(()), "{reply:?}");
        for len in 0..reply.len() {
            let mut tunnel = Socks5::new(&request).unwrap();
            run(&mut tunnel, &[NO_AUTHENTICATION, &reply[..len]]);
            assert_eq!(tunnel.into_tunnel(), Err(TunnelError::Incomplete), "{len} of {reply:?}");
        }
    }
    for answers in [&[][..], &[&[5][..]], &[LOG_IN], &[LOG_IN, &[1]], &[LOG_IN, LOGGED_IN]] {
        let mut tunnel = Socks5::new(&request("ws://h").credentials(Credentials::new("a", "b"))).unwrap();
        run(&mut tunnel, answers);
        assert_eq!(tunnel.into_tunnel(), Err(TunnelError::Incomplete), "{answers:?}");
    }
}

// ---- What it means for a client

#[test]
fn errors_lead_to_what_they_wrap() {
    let source = |error: &dyn core::error::Error| error.source().map(ToString::to_string);
    let (user, header, head) = (CredentialsError::User, InvalidHeader::Name { index: 7 }, HeadError::Version);
    for (error, wrapped) in [
        (RequestError::Credentials(user), Some(user.to_string())),
        (RequestError::Header(header), Some(header.to_string())),
        (RequestError::Host, None),
    ] {
        assert_eq!(source(&error), wrapped);
        assert!(wrapped.is_none_or(|wrapped| error.to_string() == wrapped));
    }
    for (error, wrapped) in [
        (TunnelError::Head(head), Some(head.to_string())),
        (TunnelError::Reply(Reply::NOT_ALLOWED), Some(Reply::NOT_ALLOWED.to_string())),
        (TunnelError::Refused { status: 407 }, None),
        (TunnelError::Credentials, None),
    ] {
        assert_eq!(source(&error), wrapped);
    }
}

#[test]
fn what_deserves_another_attempt() {
    for (error, shown, retry) in [
        (TunnelError::Refused { status: 407 }, "refused with status 407", Retry::Never),
        (TunnelError::Refused { status: 503 }, "refused with status 503", Retry::Soon),
        (TunnelError::Incomplete, "not opened: the stream ended inside an answer of the SOCKS5 proxy", Retry::Soon),
        (
            HeadError::Incomplete { seen: 3 }.into(),
            "not opened: the stream ended inside the HTTP head, after 3 bytes",
            Retry::Soon,
        ),
        (TunnelError::NoMethod, "not opened: the SOCKS5 proxy wants another authentication", Retry::Never),
        (
            TunnelError::Reply(Reply::HOST_UNREACHABLE),
            "not opened: the SOCKS5 proxy has not connected: host unreachable",
            Retry::Soon,
        ),
        (
            TunnelError::Reply(Reply::NOT_ALLOWED),
            "not opened: the SOCKS5 proxy has not connected: not allowed by its rules",
            Retry::Never,
        ),
    ] {
        let outcome = Outcome::from(error);
        assert_eq!((outcome.retry(), outcome.code()), (retry, 1006), "{error}");
        assert_eq!(outcome.to_string(), shown);
    }
}

/// Each code of SOCKS5: the server is asked again if the way to it may be there soon.
#[test]
fn which_replies_deserve_another_attempt() {
    for code in 1..=u8::MAX {
        let mut tunnel = Socks5::new(&request("ws://h")).unwrap();
        run(&mut tunnel, &[NO_AUTHENTICATION, &[5, code]]);
        let error = tunnel.into_tunnel().unwrap_err();
        assert!(matches!(error, TunnelError::Reply(reply) if reply.code() == code), "{code}: {error}");
        let expected = if matches!(code, 1 | 3 | 4 | 5 | 6) { Retry::Soon } else { Retry::Never };
        assert_eq!(Outcome::from(error).retry(), expected, "{code}");
    }
}
