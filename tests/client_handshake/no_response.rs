//! Bytes that are not a response, or are too large: the row C7, threats 5 and 7.

use crate::{common::heads::NONCE, harness::*};
use websocket_proto::{
    Config, Input,
    client::UpgradeError,
    head::{HeadError, HeaderFault::*, MalformedHead::*},
};

#[test]
fn c7_limits() {
    let whole = RESPONSE.whole();
    let exact = Config::new().max_head(whole.len());
    assert_open("C7 exact", exact, &whole, None);
    let limit = whole.len() - 1;
    assert_no_head("C7 one over", Config::new().max_head(limit), &whole, HeadError::TooLarge { limit });
    assert_no_head("C7 nothing fits", Config::new().max_head(0), &whole, HeadError::TooLarge { limit: 0 });
    assert_open("C7 16 KiB", Config::new(), &RESPONSE.padded_to(16384), None);
    let error = HeadError::TooLarge { limit: 16384 };
    assert_no_head("C7 over 16 KiB", Config::new(), &RESPONSE.padded_to(16385), error);

    // Interim responses count, and their lengths are added.
    let interim = [INTERIM.repeat(3).as_bytes(), &whole].concat();
    assert_open("C7 interim, exact", Config::new().max_head(interim.len()), &interim, None);
    let limit = interim.len() - 1;
    assert_no_head("C7 interim, over", Config::new().max_head(limit), &interim, HeadError::TooLarge { limit });

    #[rustfmt::skip]
    let rows = [
        (RESPONSE_HEADERS,     RESPONSE_HEADERS, None),
        (RESPONSE_HEADERS - 1, RESPONSE_HEADERS, Some(RESPONSE_HEADERS - 1)),
        (128,                  128,              None),
        (128,                  129,              Some(128)),
        (200,                  200,              None),
        (200,                  201,              Some(200)),
        (usize::MAX,           1000,             None),
        (64,                   2000,             Some(64)),
    ];
    for (limit, count, refused) in rows {
        let (config, head) = (Config::new().max_headers(limit), RESPONSE.with_headers(count));
        match refused {
            None => assert_open("C7 header count", config, &head, None),
            Some(limit) => assert_no_head("C7 header count", config, &head, HeadError::TooManyHeaders { limit }),
        }
    }
    assert_open("C7 default header count", Config::new(), &RESPONSE.with_headers(128), None);
    let error = HeadError::TooManyHeaders { limit: 128 };
    assert_no_head("C7 default header count", Config::new(), &RESPONSE.with_headers(129), error);
    // Each response has its own limit for headers.
    let config = Config::new().max_headers(RESPONSE_HEADERS);
    let interim = [b"HTTP/1.1 103 \r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", &whole[..]].concat();
    assert_open("C7 headers of an interim response", config, &interim, None);
}

#[test]
fn c7_end_of_stream() {
    let stream = [INTERIM.as_bytes(), &RESPONSE.whole()].concat();
    let request = request("ws://h");
    for seen in 0..stream.len() {
        let outcome = connect(Config::new(), &request, NONCE, &[&stream[..seen]]);
        assert_eq!(outcome.verdict, Verdict::NoHead(HeadError::Incomplete { seen }));
    }
    let error = HeadError::Incomplete { seen: 77 };
    assert!(error.to_string().contains("77"), "{error}");
}

/// Bytes that can't be a response fail at the byte that proves it, or at the end of its line: a client needn't wait for
/// more.
#[test]
#[rustfmt::skip]
fn c7_fails_early() {
    use HeadError::{Malformed, Tls, Version};
    let [ending, name, value, status] = [LineEnding, HeaderName, HeaderValue, StatusLine].map(Malformed);
    // Up to the bar it may still be a response; with the next byte it can't.
    let rows: [(&str, &[u8], HeadError); 33] = [
        ("TLS alert",          b"|\x15\x03\x03\x00\x02\x02\x46", Tls),
        ("TLS hello",          b"|\x16\x03\x01\x02\x00\x01", Tls),
        ("SMTP",               b"|220 mail ESMTP ready\r\n", Version),
        ("SSH",                b"|SSH-2.0-OpenSSH_9.6\r\n", Version),
        ("SOCKS5",             b"|\x05\xff", Version),
        ("IRC",                b"|:irc.example NOTICE * :*** hello\r\n", Version),
        ("a request",          b"|GET / HTTP/1.1\r\n", Version),
        ("HTTP/2 settings",    b"|\0\0\x12\x04\0\0\0\0\0", Version),
        ("a page",             b"|<html>", Version),
        ("HTTP/2.0",           b"HTTP/|2.0 101 Switching Protocols\r\n", Version),
        ("HTTP/2",             b"HTTP/|2 101\r\n", Version),
        ("HTTP/1.2",           b"HTTP/1.|2 101 Switching Protocols\r\n", Version),
        ("HTTP/1",             b"HTTP/1| 101 Switching Protocols\r\n", Version),
        ("HTTP/11",            b"HTTP/1|1 101\r\n", Version),
        ("HTTP/1.10",          b"HTTP/1.1|0 101\r\n", Version),
        ("http/1.1",           b"|http/1.1 101\r\n", Version),
        ("HTTPS/1.1",          b"HTTP|S/1.1 101\r\n", Version),
        ("no status",          b"HTTP/1.1|\r\n", Version),
        ("an empty status",    b"HTTP/1.1 |\r\n", status),
        ("two spaces",         b"HTTP/1.1 | 101\r\n", status),
        ("two digits",         b"HTTP/1.1 10|\r\n", status),
        ("four digits",        b"HTTP/1.1 101|0\r\n", status),
        ("a word",             b"HTTP/1.1 |OK\r\n", status),
        ("NUL in the reason",  b"HTTP/1.1 101 Switching|\0 Protocols\r\n", status),
        ("CR in the reason",   b"HTTP/1.1 101 Swit\r|ching\r\n", status),
        ("LF without CR",      b"HTTP/1.1 101|\nX: y\r\n", ending),
        ("CR in front",        b"\r|HTTP/1.1 101\r\n", status),
        ("behind empty lines", b"\r\n\r\n|220 mail\r\n", Version),
        ("behind an interim response", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/|2.0 101\r\n", Version),
        ("no name",            b"HTTP/1.1 101 \r\n: x\r|\n", name),
        ("folded",             b"HTTP/1.1 101 \r\nX: y\r\n z\r|\n", name),
        ("no colon",           b"HTTP/1.1 101 \r\nX\r|\n", name),
        ("NUL in a value",     b"HTTP/1.1 101 \r\nX: \0\r|\n", value),
    ];
    for (label, row, error) in rows {
        let good = row.iter().position(|byte| *byte == b'|').unwrap();
        let stream = [&row[..good], &row[good + 1..]].concat();
        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        assert!(!handshake.read(&mut Input::new(&mut stream[..good].to_vec())), "C7 {label}: too early");
        assert!(handshake.read(&mut Input::new(&mut [stream[good]])), "C7 {label}: too late");
        assert_eq!(handshake.into_response().err(), Some(error), "C7 {label}");
        // The same in every cut, and with the rest of the head behind it, in one piece.
        for rest in [&b""[..], b"\r\n", b"Upgrade: websocket\r\n\r\n"] {
            assert_no_head(label, Config::new(), &[&stream, rest].concat(), error);
        }
        // One limit that lies before the fault, and one that does not.
        for (limit, error) in [(good + 1, error), (good, HeadError::TooLarge { limit: good })] {
            assert_no_head(label, Config::new().max_head(limit), &stream, error);
        }
    }
}

#[test]
fn c7_not_http() {
    use HeadError::{Malformed, Version};
    let [ending, name, value, status] = [LineEnding, HeaderName, HeaderValue, StatusLine].map(Malformed);
    #[rustfmt::skip]
    let rows = [
        ("no version",         RESPONSE.line("101 Switching Protocols"),         Version),
        ("HTTP/2",             RESPONSE.line("HTTP/2.0 101 Switching Protocols"), Version),
        ("HTTP/0.9",           RESPONSE.line("HTTP/0.9 101 Switching Protocols"), Version),
        ("another protocol",   b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec(),          Version),
        ("no status",          RESPONSE.line("HTTP/1.1"),                        Version),
        ("an empty status",    RESPONSE.line("HTTP/1.1 "),                       status),
        ("a word for a status", RESPONSE.line("HTTP/1.1 OK"),                    status),
        ("a long status",      RESPONSE.line("HTTP/1.1 1010 Switching"),         status),
        ("a signed status",    RESPONSE.line("HTTP/1.1 +101 Switching"),         status),
        ("two spaces",         RESPONSE.line("HTTP/1.1  101 Switching"),         status),
        ("NUL in the reason",  RESPONSE.line("HTTP/1.1 101 Swit\0ching"),        status),
        ("bare CR in the reason", RESPONSE.line("HTTP/1.1 101 Swit\rching"),     status),
        ("bare LF",            RESPONSE.line("HTTP/1.1 101\nX: y"),              ending),
        ("bare LF in a value", RESPONSE.with("X: y\nZ: a"),                      ending),
        ("space before the colon", RESPONSE.with("X : y"),                       name),
        ("folded line",        RESPONSE.with("X: y\r\n z"),                      name),
        ("no colon",           RESPONSE.with("X"),                               name),
        ("no name",            RESPONSE.with(": y"),                             name),
        ("bare CR in a value", RESPONSE.with("X: y\rZ: a"),                      value),
        ("NUL in a value",     RESPONSE.with("X: \0"),                           value),
        ("escape in a value",  RESPONSE.with("X: \x1b[2J"),                      value),
    ];
    for (label, head, error) in rows {
        assert_no_head(label, Config::new(), &head, error);
        assert_no_head(label, Config::new(), &[INTERIM.as_bytes(), &head].concat(), error);
    }
}

/// C1, C7, threat 12: a server that never completes its response. The received bytes are limited, and the handshake
/// fails at the first byte over the limit. Interim responses can't avoid the limit.
#[test]
fn c7_floods() {
    const TOO_LARGE: HeadError = HeadError::TooLarge { limit: 16384 };
    const TOO_MANY: HeadError = HeadError::TooManyHeaders { limit: 128 };
    #[rustfmt::skip]
    let rows = [
        ("interim responses",  "",                         INTERIM,                 TOO_LARGE),
        ("short interim responses", "",                    "HTTP/1.1 100\r\n\r\n",  TOO_LARGE),
        ("interim with headers", "",                       "HTTP/1.1 103 \r\nLink: </a>\r\n\r\n", TOO_LARGE),
        ("empty lines",        "",                         "\r\n",                  TOO_LARGE),
        ("empty lines between", INTERIM,                   "\r\n",                  TOO_LARGE),
        ("a line without end", "HTTP/1.1 101 ",            "a",                     TOO_LARGE),
        ("a name without end", "HTTP/1.1 101 \r\n",        "a",                     TOO_LARGE),
        ("a value without end", "HTTP/1.1 101 \r\na:",     "a",                     TOO_LARGE),
        ("headers without end", "HTTP/1.1 101 \r\n",       "a:\r\n",                TOO_MANY),
        ("... of an interim",  "HTTP/1.1 103 \r\n",        "a:\r\n",                TOO_MANY),
    ];
    for (label, start, more, error) in rows {
        let expected = match error {
            TOO_LARGE => 16385,
            _ => start.len() + 129 * more.len(),
        };
        let mut stream: Vec<_> = start.bytes().chain(more.bytes().cycle()).take(1 << 17).collect();

        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        let taken = 1 + stream.iter().position(|byte| handshake.read(&mut Input::new(&mut [*byte]))).expect(label);
        assert_eq!(taken, expected, "{label}");
        assert_eq!(handshake.into_response().err(), Some(error), "{label}");

        let mut handshake = new_client(Config::new(), &request("ws://h"), fixed(NONCE)).unwrap();
        assert!(handshake.read(&mut Input::new(&mut stream)), "{label}, whole");
        assert_eq!(handshake.into_response().err(), Some(error), "{label}, whole");
    }
}

/// Threats 5 and 17: see the server's test of this name; the same code collects the head.
#[test]
fn threat_5_one_byte_per_read() {
    for (limit, config) in [(16 << 10, Config::new()), (1 << 20, Config::new().max_head(1 << 20))] {
        let mut handshake = new_client(config, &request("ws://h"), fixed(NONCE)).unwrap();
        let mut head = RESPONSE.padded_to(limit);
        let (last, front) = head.split_last_mut().unwrap();
        for byte in front {
            assert!(!handshake.read(&mut Input::new(core::slice::from_mut(byte))));
        }
        assert!(handshake.read(&mut Input::new(core::slice::from_mut(last))));
        assert!(handshake.into_response().unwrap().upgrade().is_ok());
    }
}

#[test]
fn threat_7_extremes() {
    let name = RESPONSE.with(format!("{}: v", "n".repeat(64 << 10)));
    let value = RESPONSE.with(format!("n: {}", "v".repeat(64 << 10)));
    for head in [name, value] {
        assert_no_head("64 KiB", Config::new(), &head, HeadError::TooLarge { limit: 16384 });
        assert_open("64 KiB", Config::new().max_head(1 << 17), &head, None);
    }
    let everything = RESPONSE.with(RESPONSE.0.split_once("\r\n").unwrap().1.trim_end());
    assert_failure("everything twice", &everything, UpgradeError::Header(Repeated("Upgrade")));
}
