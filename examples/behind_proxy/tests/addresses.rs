//! Who the client is: headers of the PROXY protocol at every cut, and lists of forwarded addresses, also invented ones.

use std::net::IpAddr;

use behind_proxy::client_address::{forwarded, proxy_header};
use tokio::{
    io::{AsyncRead, AsyncReadExt, repeat},
    runtime::Builder,
};
use websocket_proto::{Config, server};

const V2: &str = "\r\n\r\n\0\r\nQUIT\n";

/// What is read from a stream, and the bytes behind the header.
fn read(mut stream: impl AsyncRead + Unpin) -> (Result<Option<IpAddr>, &'static str>, Vec<u8>) {
    let mut received = Vec::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    let client = runtime.block_on(proxy_header(&mut stream, &mut received));
    (client, received)
}

/// Headers, each with the client that it names.
fn headers() -> Vec<(Vec<u8>, Option<IpAddr>)> {
    let v2 = |command: u8, family: u8, rest: &[u8]| {
        [V2.as_bytes(), &[command, family], &(rest.len() as u16).to_be_bytes(), rest].concat()
    };
    let ipv4 = b"\xCB\0\x71\x09\x0A\0\0\x01\x30\x39\x01\xBB";
    let mut ipv6 = [0; 36];
    ipv6[..4].copy_from_slice(b"\x20\x01\x0D\xB8");
    ipv6[15] = 9;
    let mut mapped = [0; 36];
    mapped[10..16].copy_from_slice(b"\xFF\xFF\xCB\0\x71\x09");
    let (client, client_v6) = (Some([203, 0, 113, 9].into()), Some("2001:db8::9".parse().unwrap()));
    vec![
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\r\n".to_vec(), client),
        (b"PROXY TCP6 2001:db8::9 ::1 1 65535\r\n".to_vec(), client_v6),
        (b"PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n".to_vec(), client),
        // A health check of haproxy.
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        // "The receiver must ignore anything presented before the CRLF", and it may be the longest header.
        (format!("PROXY UNKNOWN {0} {0} 65535 65535\r\n", ["ffff"; 8].join(":")).into_bytes(), None),
        (v2(0x21, 0x11, ipv4), client),
        (v2(0x21, 0x21, &ipv6), client_v6),
        (v2(0x21, 0x21, &mapped), client),
        // With a name of 1000 bytes behind the addresses.
        (v2(0x21, 0x11, &[ipv4, &b"\x02\x03\xE8"[..], &[b'a'; 1000]].concat()), client),
        // LOCAL: addresses that are there all the same don't count.
        (v2(0x20, 0x00, b""), None),
        (v2(0x20, 0x11, ipv4), None),
        // The client came through a Unix socket.
        (v2(0x21, 0x31, &[b'/'; 216]), None),
    ]
}

#[test]
fn a_header_may_be_cut_anywhere() {
    for (header, client) in headers() {
        for behind in [&b""[..], b"G", b"GET / HTTP/1.1\r\n\r\n", b"PROXY UNKNOWN\r\n", b"\r\n\r\n"] {
            let whole = [&header, behind].concat();
            for cut in 0..=whole.len() {
                let (mut first, mut second) = whole.split_at(cut);
                let (got, mut rest) = read((&mut first).chain(&mut second));
                assert_eq!(got, Ok(client), "{}, cut at {cut}", header.escape_ascii());
                // Some of what is behind may not have been read yet, and nothing is lost.
                rest.extend([first, second].concat());
                assert_eq!(rest, behind, "{}, cut at {cut}", header.escape_ascii());
            }
        }
    }
}

#[test]
fn a_header_that_ends_too_soon_is_refused() {
    for (header, _) in headers() {
        // A check that only connects.
        assert_eq!(read(&b""[..]).0, Ok(None));
        for cut in 1..header.len() {
            let (got, _) = read(&header[..cut]);
            assert_eq!(got, Err("the PROXY header is incomplete"), "{}", header[..cut].escape_ascii());
        }
    }
}

#[test]
fn what_is_no_header_is_refused_without_waiting_for_more() {
    const MISSING: &str = "no valid PROXY header";
    const TOO_LONG: &str = "the PROXY header is too long";
    for (bytes, error) in [
        (&b"GET / HTTP/1.1\r\n"[..], MISSING),
        (b"OPTIONS / HTTP/1.0\r\n\r\n", MISSING),
        (b"\x16", MISSING),
        (b"POST / HTTP/1.1\r\n", MISSING),
        (b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", MISSING),
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 65536\r\n", MISSING),
        (b"PROXY TCP4 203.0.113.256 10.0.0.1 12345 443\r\n", MISSING),
        (b"PROXY TCP4 2001:db8::9 10.0.0.1 12345 443\r\n", MISSING),
        (b"PROXY TCP6 203.0.113.9 ::1 12345 443\r\n", MISSING),
        (b"PROXY TCP4 203.0.113.9\xFF 10.0.0.1 12345 443\r\n", MISSING),
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\n\r\n", MISSING),
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 12345 443\rX", MISSING),
        (b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0C", MISSING),
        // Version 3, another command, another family, and addresses that don't fit.
        (b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0C\0\0\0\0\0\0\0\0\0\0\0\0", MISSING),
        (b"\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0C\0\0\0\0\0\0\0\0\0\0\0\0", MISSING),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x41\0\x0C\0\0\0\0\0\0\0\0\0\0\0\0", MISSING),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0B\0\0\0\0\0\0\0\0\0\0\0\0", MISSING),
        // 64 KiB are announced.
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF", TOO_LONG),
    ] {
        // More always comes, so only a refusal ends this.
        let (got, received) = read(bytes.chain(repeat(b' ')));
        assert_eq!(got, Err(error), "{}", bytes.escape_ascii());
        assert!(received.len() <= 4096, "{} bytes for {}", received.len(), bytes.escape_ascii());
    }
    // A line without an end.
    assert!(read(b"PROXY UNKNOWN".chain(repeat(b'x'))).0.is_err());
}

#[test]
fn no_wrong_byte_does_harm() {
    for (header, _) in headers() {
        for place in 0..header.len() {
            for byte in [0, 1, b' ', b'\r', b'\n', b'0', b':', header[place] ^ 1, 0x7F, 0xFF] {
                let mut header = header.clone();
                header[place] = byte;
                let (got, received) = read(&header[..]);
                assert!(got.is_ok() || !received.is_empty());
            }
        }
    }
}

/// The client's address for these values of `X-Forwarded-For`, from a peer at 10.0.0.1.
fn client(values: &[&str]) -> String {
    let trusted = ["10.0.0.1", "10.0.0.2", "2001:db8::1"].map(|address| address.parse().unwrap());
    forwarded_by("10.0.0.1", values, &trusted)
}

fn forwarded_by(peer: &str, values: &[&str], trusted: &[IpAddr]) -> String {
    let headers = values.iter().map(|value| ("x-forwarded-for", value.as_bytes()));
    let request = server::Request::from_parts(Config::new(), "GET", "/", headers).unwrap();
    forwarded(peer.parse().unwrap(), &request.headers(), trusted).to_string()
}

#[test]
fn the_client_is_the_last_who_is_no_trusted_proxy() {
    for (values, expected) in [
        (&[][..], "10.0.0.1"),
        (&["203.0.113.9"], "203.0.113.9"),
        // The client has invented an address, and the proxy has added the true one: in the same header or in another.
        (&["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (&["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
        (&["1.1.1.1, 2.2.2.2", "3.3.3.3,203.0.113.9"], "203.0.113.9"),
        // Through two proxies, and through more that the client has invented.
        (&["203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (&["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        (&["10.0.0.2, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        (&["203.0.113.9, 2001:DB8:0::1, [2001:db8::1], [2001:db8::1]:9, 10.0.0.2:80"], "203.0.113.9"),
        // The proxy itself asks.
        (&["10.0.0.2"], "10.0.0.2"),
        (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        // Other ways to write an address.
        (&["203.0.113.9:50000"], "203.0.113.9"),
        (&["2001:DB8::9"], "2001:db8::9"),
        (&["[2001:db8::9]"], "2001:db8::9"),
        (&["[2001:db8::9]:50000"], "2001:db8::9"),
        (&["::ffff:203.0.113.9"], "203.0.113.9"),
        (&[" \t203.0.113.9 , , "], "203.0.113.9"),
        // What is no address ends the list: the client is unknown, so the proxy who knows it stands for it.
        (&["unknown"], "10.0.0.1"),
        (&["203.0.113.9, unknown"], "10.0.0.1"),
        (&["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2"),
        (&["unknown, 203.0.113.9"], "203.0.113.9"),
        (&["", ","], "10.0.0.1"),
        (&["203.0.113.9 10.0.0.2"], "10.0.0.1"),
        (&["203.0.113.256"], "10.0.0.1"),
        (&["203.0.113.9:"], "10.0.0.1"),
        (&["203.0.113.9:65536"], "10.0.0.1"),
        (&["[203.0.113.9"], "10.0.0.1"),
        (&["\"203.0.113.9\""], "10.0.0.1"),
        (&["for=203.0.113.9"], "10.0.0.1"),
        (&["fe80::1%eth0"], "10.0.0.1"),
        (&["ж"], "10.0.0.1"),
        (&["0x7f000001", "0177.0.0.1", "1"], "10.0.0.1"),
    ] {
        assert_eq!(client(values), expected, "{values:?}");
    }
}

#[test]
fn nobody_else_is_believed() {
    for values in [&["203.0.113.9"][..], &["203.0.113.9, 10.0.0.1"], &["10.0.0.1"], &["garbage"], &[]] {
        assert_eq!(forwarded_by("198.51.100.7", values, &["10.0.0.1".parse().unwrap()]), "198.51.100.7");
        assert_eq!(forwarded_by("10.0.0.1", values, &[]), "10.0.0.1");
    }
}

#[test]
fn a_long_list_is_read_in_no_time() {
    let list = "10.0.0.2,".repeat(1500);
    assert_eq!(client(&[&format!("203.0.113.9,{list}")]), "203.0.113.9");
    assert_eq!(client(&[&",".repeat(10_000)]), "10.0.0.1");
}
