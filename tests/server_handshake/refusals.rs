//! Refused requests: the rows S1 to S10, S12 and S14, each with its answer.

use crate::{
    common::{
        heads::{Http, KEY, new_server},
        store,
    },
    harness::{answer::*, *},
};
use websocket_proto::{
    Config, Input,
    head::{
        HeadError,
        HeaderFault::*,
        MalformedHead::{self, *},
    },
    server::{Accept, Refusal},
};

#[test]
#[rustfmt::skip]
fn s1_method() {
    assert_refused_rows([
        ("S1 POST",            REQUEST.line("POST /chat HTTP/1.1"),    METHOD, OTHER),
        ("S1 OPTIONS *",       REQUEST.line("OPTIONS * HTTP/1.1"),     METHOD, OTHER),
        ("S1 methods have a case", REQUEST.line("get /chat HTTP/1.1"), METHOD, OTHER),
        ("S1 longer",          REQUEST.line("GETS /chat HTTP/1.1"),    METHOD, OTHER),
        ("S1 shorter",         REQUEST.line("GE /chat HTTP/1.1"),      METHOD, OTHER),
        ("S1 any token",       REQUEST.line("!#$%&'*+-.^_`|~ / HTTP/1.1"), METHOD, OTHER),
        ("S1 nothing else",    b"POST / HTTP/1.1\r\n\r\n".to_vec(),    METHOD, OTHER),
    ]);
}

/// S1: the method for proxies, in the only form that its target has (RFC 9112 §3.2.3).
#[test]
fn s1_connect() {
    let head = REQUEST.line("CONNECT server.example.com:443 HTTP/1.1");
    assert_refused("S1 CONNECT", Config::new(), &head, METHOD, OTHER);
}

/// "The server MUST NOT send content in the response" to HEAD (RFC 9110 §9.3.2), only the headers that belong to the
/// content.
#[test]
fn s1_head() {
    let refusal = Refusal::Method { is_head: true };
    let mut with_content = store();
    OTHER.response().write(&mut with_content).unwrap();
    let content = Http::parse(with_content.as_slice()).body;
    for head in [
        REQUEST.line("HEAD /chat HTTP/1.1"),
        REQUEST.line("HEAD chat HTTP/1.1"),
        REQUEST.line("HEAD /chat HTTP/1.0"),
        REQUEST.line("HEAD /chat HTTP/1.1").replace("Host:", "Hosts:"),
        REQUEST.line("HEAD /chat HTTP/1.1").append("Content-Length: 5"),
    ] {
        let outcome = serve_all("S1 HEAD", Config::new(), &head, b"");
        assert_eq!(outcome.refusal, Some(refusal));
        let mut answer = Http::parse(&outcome.response);
        assert_eq!(answer.body, b"");
        answer.body = content.clone();
        assert_eq!(answer, Http::parse(with_content.as_slice()));
    }
    // A head that can't be parsed may be one of HEAD.
    for head in [
        REQUEST.line("HEAD /chat HTTP/2.0"),
        REQUEST.line("HEAD  HTTP/1.1"),
        REQUEST.line("HEAD / HTTP/1.1").append("X : y"),
        REQUEST.line("HEAD / HTTP/1.1").append(&"X: y\r\n".repeat(200)),
        REQUEST.line(format!("HEAD /{} HTTP/1.1", "x".repeat(17_000))),
    ] {
        let outcome = serve_all("S1 HEAD", Config::new(), &head, b"");
        assert!(matches!(outcome.refusal, Some(Refusal::Head(_))), "{:?}", outcome.refusal);
        assert_eq!(Http::parse(&outcome.response).body, b"");
    }
}

#[test]
#[rustfmt::skip]
fn s2_version() {
    let version = Refusal::Head(HeadError::Version);
    assert_refused_rows([
        ("S2 1.0",             REQUEST.line("GET /chat HTTP/1.0"),     VERSION, version),
        ("S2 1.0 and no Host", b"GET / HTTP/1.0\r\n\r\n".to_vec(),     VERSION, version),
        ("S2 0.9",             REQUEST.line("GET /chat HTTP/0.9"),     VERSION, version),
        ("S2 2.0",             REQUEST.line("GET /chat HTTP/2.0"),     VERSION, version),
        ("S2 3.0",             REQUEST.line("GET /chat HTTP/3.0"),     VERSION, version),
    ]);
    // RFC 9113 §3.4: the preface, and the settings frame behind it.
    let preface = b"PRI * HTTP/2.0\r\n\r\n";
    let rest = b"SM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let outcome = serve_all("S2 preface", Config::new(), preface, rest);
    assert_eq!(outcome.refusal, Some(version));
    assert_answer("S2 preface", &outcome.response, VERSION);
}

/// HTTP/0.9 has no version in its request line. S2 requires 505 for versions before 1.0, S9 requires 400 for a bad
/// line.
#[test]
fn s2_http_0_9() {
    assert_answer("S2 0.9", &serve(Config::new(), &[b"GET /chat\r\n\r\n"]).response, VERSION);
}

#[test]
#[rustfmt::skip]
fn s3_host() {
    assert_refused_rows([
        ("S3 none",            REQUEST.without("Host"),                BAD, Refusal::Header(Missing("Host"))),
        ("S3 the same twice",  REQUEST.with("Host: server.example.com"), BAD, Refusal::Header(Repeated("Host"))),
        ("S3 two",             REQUEST.with("hOST: other.example.com"), BAD, Refusal::Header(Repeated("Host"))),
        ("S3 only in the target", REQUEST.without("Host").splice_line("GET http://h/ HTTP/1.1"),
                                                                       BAD, Refusal::Header(Missing("Host"))),
        ("S3 a name like it",  REQUEST.set("Host", "h").replace("Host:", "Hosts:"), BAD, Refusal::Header(Missing("Host"))),
    ]);
}

/// "A server MUST respond with a 400 [...] to any request message that contains [...] a Host header field with an
/// invalid field value" (RFC 9112 §3.2).
#[test]
fn s3_invalid_host() {
    for host in ["a b", "a@b", "a, b", "a/b", "[", "h:x", "h:8a", "<script>"] {
        let outcome = serve(Config::new(), &[&REQUEST.set("Host", host)]);
        assert_eq!(outcome.refusal.map(Refusal::status), Some(400), "Host: {host}");
    }
}

#[test]
#[rustfmt::skip]
fn s4_upgrade() {
    assert_refused_rows([
        ("S4 none",            REQUEST.without("Upgrade"),             NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 empty",           REQUEST.set("Upgrade", ""),             NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 other",           REQUEST.set("Upgrade", "h2c"),          NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 longer",          REQUEST.set("Upgrade", "websockets"),   NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 shorter",         REQUEST.set("Upgrade", "websocke"),     NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 two words",       REQUEST.set("Upgrade", "web socket"),   NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 a version",       REQUEST.set("Upgrade", "websocket/13"), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 quoted",          REQUEST.set("Upgrade", "\"websocket\""), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 semicolons",      REQUEST.set("Upgrade", "h2c; websocket"), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 in the wrong header", REQUEST.swap("Upgrade", "Connection: websocket"), NO_UPGRADE, Refusal::NotAnUpgrade),
        ("S4 a page",          b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), NO_UPGRADE, Refusal::NotAnUpgrade),
    ]);
}

#[test]
#[rustfmt::skip]
fn s5_connection() {
    let missing = Refusal::Header(Missing("Connection"));
    let wrong = Refusal::Header(Wrong("Connection"));
    assert_refused_rows([
        ("S5 none",            REQUEST.without("Connection"),          BAD, missing),
        ("S5 empty",           REQUEST.set("Connection", ""),          BAD, wrong),
        ("S5 other",           REQUEST.set("Connection", "keep-alive"), BAD, wrong),
        ("S5 longer",          REQUEST.set("Connection", "keep-alive, upgraded"), BAD, wrong),
        ("S5 only as a word",  REQUEST.set("Connection", "no upgrade"), BAD, wrong),
        ("S5 quoted",          REQUEST.set("Connection", "\"upgrade\""), BAD, wrong),
        ("S5 the wrong token", REQUEST.set("Connection", "websocket"), BAD, wrong),
        ("S5 two without",     REQUEST.swap("Connection", "Connection: close\r\nConnection: te"), BAD, wrong),
    ]);
}

#[test]
#[rustfmt::skip]
fn s6_key() {
    const NAME: &str = "Sec-WebSocket-Key";
    let wrong = Refusal::Header(Wrong(NAME));
    assert_refused_rows([
        ("S6 none",            REQUEST.without(NAME),                  BAD, Refusal::Header(Missing(NAME))),
        ("S6 the same twice",  REQUEST.with(format!("{NAME}: {KEY}")), BAD, Refusal::Header(Repeated(NAME))),
        ("S6 two",             REQUEST.with("sec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw=="), BAD, Refusal::Header(Repeated(NAME))),
        ("S6 two in a list",   REQUEST.set(NAME, format!("{KEY}, {KEY}")), BAD, wrong),
        ("S6 empty",           REQUEST.set(NAME, ""),                  BAD, wrong),
        ("S6 not base64",      REQUEST.set(NAME, "the sample nonce!!!!!!=="), BAD, wrong),
        ("S6 one wrong byte",  REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25j!Q=="), BAD, wrong),
        ("S6 the URL alphabet", REQUEST.set(NAME, "-_-_-_-_-_-_-_-_-_-_-w=="), BAD, wrong),
        ("S6 not ASCII",       REQUEST.set(NAME, b"dGhlIHNhbXBsZSBub25j\xc3\x81=="), BAD, wrong),
        ("S6 space inside",    REQUEST.set(NAME, "dGhlIHNhbXBs ZSBub25jZQ=="), BAD, wrong),
        ("S6 no padding",      REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZQ"), BAD, wrong),
        ("S6 half padding",    REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZQ="), BAD, wrong),
        ("S6 padding in front", REQUEST.set(NAME, "==dGhlIHNhbXBsZSBub25jZQ"), BAD, wrong),
        ("S6 only padding",    REQUEST.set(NAME, "========================"), BAD, wrong),
        ("S6 15 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25j"), BAD, wrong),
        ("S6 17 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZSE="), BAD, wrong),
        ("S6 18 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZSEh"), BAD, wrong),
        ("S6 32 bytes",        REQUEST.set(NAME, "dGhlIHNhbXBsZSBub25jZXRoZSBzYW1wbGUgbm9uY2U="), BAD, wrong),
        ("S17 40 bytes",       REQUEST.set(NAME, "A".repeat(40)),      BAD, wrong),
        ("S17 8000 bytes",     REQUEST.set(NAME, "A".repeat(8000)),    BAD, wrong),
    ]);
}

#[test]
#[rustfmt::skip]
fn s7_version() {
    const NAME: &str = "Sec-WebSocket-Version";
    let other = |found| Refusal::WebSocketVersion { found };
    assert_refused_rows([
        ("S7 none",            REQUEST.without(NAME),                  BAD, Refusal::Header(Missing(NAME))),
        ("S7 the same twice",  REQUEST.with("Sec-WebSocket-Version: 13"), BAD, Refusal::Header(Repeated(NAME))),
        ("S7 two",             REQUEST.with("Sec-WebSocket-Version: 8"), BAD, Refusal::Header(Repeated(NAME))),
        ("S7 empty",           REQUEST.set(NAME, ""),                  WS_VERSION, other(None)),
        ("S7 0",               REQUEST.set(NAME, "0"),                 WS_VERSION, other(Some(0))),
        ("S7 8",               REQUEST.set(NAME, "8"),                 WS_VERSION, other(Some(8))),
        ("S7 12",              REQUEST.set(NAME, "12"),                WS_VERSION, other(Some(12))),
        ("S7 14",              REQUEST.set(NAME, "14"),                WS_VERSION, other(Some(14))),
        ("S7 1",               REQUEST.set(NAME, "1"),                 WS_VERSION, other(Some(1))),
        ("S7 130",             REQUEST.set(NAME, "130"),               WS_VERSION, other(Some(130))),
        ("S7 255",             REQUEST.set(NAME, "255"),               WS_VERSION, other(Some(255))),
        ("S7 256",             REQUEST.set(NAME, "256"),               WS_VERSION, other(None)),
        ("S7 a leading zero",  REQUEST.set(NAME, "013"),               WS_VERSION, other(None)),
        ("S7 a sign",          REQUEST.set(NAME, "+13"),               WS_VERSION, other(None)),
        ("S7 a list",          REQUEST.set(NAME, "13, 8"),             WS_VERSION, other(None)),
        ("S7 quoted",          REQUEST.set(NAME, "\"13\""),            WS_VERSION, other(None)),
    ]);
}

/// If two parsers could see two different requests, it is refused.
#[test]
#[rustfmt::skip]
fn s9_syntax() {
    let [ending, first, name, value] = [LineEnding, RequestLine, HeaderName, HeaderValue].map(malformed);
    assert_refused_rows([
        ("S9 space before the colon", REQUEST.with("X-A : b"),         BAD, name),
        ("S9 tab before the colon", REQUEST.with("X-A\t: b"),          BAD, name),
        ("S9 ... in Host",     REQUEST.swap("Host", "Host : h"),       BAD, name),
        ("S9 ... in Transfer-Encoding", REQUEST.with("Transfer-Encoding : chunked"), BAD, name),
        ("S9 space before the name", REQUEST.swap("Host", " Host: h"), BAD, name),
        ("S9 folded",          REQUEST.with("X-A: b\r\n c"),           BAD, name),
        ("S9 folded by a tab", REQUEST.with("X-A: b\r\n\tc: d"),       BAD, name),
        ("S9 folded at the end", REQUEST.with("X-A: b\r\n "),          BAD, name),
        ("S9 no colon",        REQUEST.with("X-A"),                    BAD, name),
        ("S9 no name",         REQUEST.with(": b"),                    BAD, name),
        ("S9 a space in the name", REQUEST.with("X A: b"),             BAD, name),
        ("S9 a delimiter in the name", REQUEST.with("X(A): b"),        BAD, name),
        ("S9 not ASCII in the name", REQUEST.with("X-Ä: b"),           BAD, name),
        ("S9 NUL in the name", REQUEST.with("X\0A: b"),                BAD, name),
        ("S9 bare CR in the name", REQUEST.with("X\rA: b"),            BAD, name),
        ("S9 bare CR in a value", REQUEST.with("X-A: b\rX-C: d"),      BAD, value),
        ("S9 bare CR at the end", REQUEST.with("X-A: b\r"),            BAD, value),
        ("S9 NUL in a value",  REQUEST.with("X-A: b\0c"),              BAD, value),
        ("S9 escape in a value", REQUEST.with("X-A: \x1b[2J"),         BAD, value),
        ("S9 DEL in a value",  REQUEST.with("X-A: \x7f"),              BAD, value),
        ("S9 bare LF",         REQUEST.with("X-A: b\nX-C: d"),         BAD, ending),
        ("S9 bare LF in the first line", REQUEST.line("GET / HTTP/1.1\nX-A: b"), BAD, ending),
        ("S9 bare LF everywhere", REQUEST.whole().replace("\r\n", "\n"), BAD, ending),
        ("S9 bare LF in front", [b"\n", &REQUEST.whole()[..]].concat(), BAD, ending),
        ("S9 bare CR in front", [b"\r", &REQUEST.whole()[..]].concat(), BAD, first),
        ("S9 bad method",      REQUEST.line("G@T /chat HTTP/1.1"),     BAD, first),
        ("S9 bracketed method", REQUEST.line("(GET) /chat HTTP/1.1"),  BAD, first),
        ("S9 NUL in the method", REQUEST.line("G\0T /chat HTTP/1.1"),  BAD, first),
        ("S9 no method",       REQUEST.line(" /chat HTTP/1.1"),        BAD, first),
        ("S9 tab behind the method", REQUEST.line("GET\t/chat HTTP/1.1"), BAD, first),
        ("S9 two spaces",      REQUEST.line("GET  /chat HTTP/1.1"),    BAD, first),
        ("S9 no target",       REQUEST.line("GET HTTP/1.1"),           BAD, first),
        ("S9 an empty target", REQUEST.line("GET  HTTP/1.1"),          BAD, first),
        ("S9 NUL in the target", REQUEST.line("GET /\0 HTTP/1.1"),     BAD, first),
        ("S9 tab in the target", REQUEST.line("GET /\t HTTP/1.1"),     BAD, first),
        ("S9 bare CR in the target", REQUEST.line("GET /\r HTTP/1.1"), BAD, first),
        ("S9 DEL in the target", REQUEST.line("GET /\x7f HTTP/1.1"),   BAD, first),
        ("S9 not UTF-8 in the target", REQUEST.line(b"GET /\xff HTTP/1.1"), BAD, first),
        ("S9 not ASCII in the target", REQUEST.line("GET /\u{e9} HTTP/1.1"), BAD, Refusal::Target),
        ("S9 a fragment",      REQUEST.line("GET /chat#x HTTP/1.1"),   BAD, Refusal::Target),
        ("S9 no slash",        REQUEST.line("GET chat HTTP/1.1"),      BAD, Refusal::Target),
        ("S9 an authority",    REQUEST.line("GET server.example.com:80 HTTP/1.1"), BAD, Refusal::Target),
        ("S9 another scheme",  REQUEST.line("GET ftp://h/chat HTTP/1.1"), BAD, Refusal::Target),
        ("S9 no authority",    REQUEST.line("GET http:///chat HTTP/1.1"), BAD, Refusal::Target),
        ("S9 only a scheme",   REQUEST.line("GET http:// HTTP/1.1"),   BAD, Refusal::Target),
        ("S9 a half scheme",   REQUEST.line("GET http:/chat HTTP/1.1"), BAD, Refusal::Target),
        ("S17 ?",              REQUEST.line("GET ? HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 %",              REQUEST.line("GET % HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 @",              REQUEST.line("GET @ HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 [",              REQUEST.line("GET [ HTTP/1.1"),         BAD, Refusal::Target),
        ("S17 :::",            REQUEST.line("GET ::: HTTP/1.1"),       BAD, Refusal::Target),
        ("S17 ://",            REQUEST.line("GET :// HTTP/1.1"),       BAD, Refusal::Target),
        ("S17 ?://",           REQUEST.line("GET ?://h/ HTTP/1.1"),    BAD, Refusal::Target),
        ("S9 space at the end of the line", REQUEST.line("GET /chat HTTP/1.1 "), BAD, first),
        ("S9 a word too many", REQUEST.line("GET /chat HTTP/1.1 x"),   BAD, first),
    ]);
}

/// Names, values and targets with every byte, at every place in a vector register.
#[test]
fn s9_every_byte() {
    fn refused(head: &[u8]) -> bool {
        let byte_by_byte: Vec<_> = head.chunks(1).collect();
        let outcome = serve(Config::new(), &[head]);
        assert_eq!(outcome, serve(Config::new(), &byte_by_byte));
        assert!(outcome.refusal.is_none_or(|refusal| refusal.status() == 400), "{outcome:?}");
        outcome.refusal.is_some()
    }
    for pad in [0, 1, 7, 8, 15, 16, 31, 32, 33] {
        let pad = vec![b'p'; pad];
        for byte in 0..=u8::MAX {
            let value = REQUEST.with([b"X: ", &pad[..], &[byte], b"q"].concat());
            // RFC 9110 §5.5: VCHAR, obs-text, space, tab.
            assert_eq!(refused(&value), !matches!(byte, b'\t' | 0x20..=0x7e | 0x80..), "value {byte:#x}");

            let name = REQUEST.with([b"X", &pad[..], &[byte], b"q: v"].concat());
            // RFC 9110 §5.6.2; a colon makes a shorter name.
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte);
            assert_eq!(refused(&name), !token, "name {byte:#x}");

            // A space ends the target, and has its own row.
            if byte != b' ' {
                let target = REQUEST.line([b"GET /", &pad[..], &[byte], b"q HTTP/1.1"].concat());
                let visible = matches!(byte, 0x21..=0x7e) && byte != b'#';
                assert_eq!(refused(&target), !visible, "target {byte:#x}");
            }
        }
    }
}

/// S9: an invalid version number is a bad request line, not an old or new HTTP.
#[test]
#[rustfmt::skip]
fn s9_not_a_version() {
    for line in ["GET /a b HTTP/1.1", "GET /chat  HTTP/1.1", "GET /chat FOO", "GET /chat http/1.1", "GET /chat HTTP/1", "GET /chat HTTPS/1.1"] {
        let outcome = serve_all(line, Config::new(), &REQUEST.line(line), &behind());
        assert!(matches!(outcome.refusal, Some(Refusal::Head(HeadError::Malformed(_)))), "S9 {line}: {:?}", outcome.refusal);
        assert_answer(line, &outcome.response, BAD);
    }
}

/// S9: the asterisk is for OPTIONS only (RFC 9112 §3.2.4), and RFC 6455 §4.1 requires a path or an address.
#[test]
fn s9_asterisk() {
    assert_refused("S9 *", Config::new(), &REQUEST.line("GET * HTTP/1.1"), BAD, Refusal::Target);
}

/// Bytes that can't be a request fail at the byte that proves it, or at the end of its line: a server needn't wait for
/// more.
#[test]
#[rustfmt::skip]
fn s9_fails_early() {
    let [ending, first, version] = [LineEnding, RequestLine, MalformedHead::Version].map(malformed);
    let [name, value] = [HeaderName, HeaderValue].map(malformed);
    let (tls, other) = (Refusal::Head(HeadError::Tls), Refusal::Head(HeadError::Version));
    // Up to the bar it may still be a request; with the next byte it can't.
    let rows: [(&str, &[u8], Refusal); 43] = [
        ("TLS",                b"|\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", tls),
        ("TLS, cut",           b"|\x16", tls),
        ("SOCKS5",             b"|\x05\x01\x00", first),
        ("SOCKS4",             b"|\x04\x01\x00P", first),
        ("SSH",                b"SSH-2.0-OpenSSH_9.6|\r\n", first),
        ("SMTP",               b"220 mail |ESMTP ready\r\n", version),
        ("SMTP client",        b"EHLO mail\r|\n", first),
        ("a response",         b"HTTP|/1.1 200 OK\r\n\r\n", first),
        ("HTTP/2",             b"PRI * HTTP/|2.0\r\n\r\nSM\r\n\r\n", other),
        ("HTTP/2.0",           b"GET / HTTP/|2.0\r\n", other),
        ("HTTP/3",             b"GET / HTTP/|3\r\n", other),
        ("HTTP/1.2",           b"GET / HTTP/1.|2\r\n", other),
        ("HTTP/0.9 in words",  b"GET / HTTP/|0.9\r\n", other),
        ("HTTP/0.9",           b"GET /\r|\n", other),
        ("HTTP/1",             b"GET / HTTP/1|\r\n", version),
        ("no first digit",     b"GET / HTTP/|x.1\r\n", version),
        ("no second digit",    b"GET / HTTP/1.|x\r\n", version),
        ("HTTP/11",            b"GET / HTTP/1|1\r\n", version),
        ("HTTP/1.10",          b"GET / HTTP/1.1|0\r\n", first),
        ("http/1.1",           b"GET / |http/1.1\r\n", version),
        ("no version",         b"GET / |\r\n", version),
        ("two spaces",         b"GET / | HTTP/1.1\r\n", version),
        ("two spaces before",  b"GET | / HTTP/1.1\r\n", first),
        ("a space in front",   b"| GET / HTTP/1.1\r\n", first),
        ("a tab",              b"GET|\t/ HTTP/1.1\r\n", first),
        ("a tab behind",       b"GET /|\tHTTP/1.1\r\n", first),
        ("more behind",        b"GET / HTTP/1.1| \r\n", first),
        ("NUL",                b"|\0", first),
        ("NUL in the method",  b"GE|\0 / HTTP/1.1\r\n", first),
        ("NUL in the target",  b"GET /|\0 HTTP/1.1\r\n", first),
        ("CR in the target",   b"GET /\r|x HTTP/1.1\r\n", first),
        ("not UTF-8",          b"GET /\xff HTTP/1.1\r|\n", first),
        ("LF",                 b"|\n", ending),
        ("LF without CR",      b"GET / HTTP/1.1|\nHost: h\r\n", ending),
        ("CR in front",        b"\r|GET / HTTP/1.1\r\n", first),
        ("behind empty lines", b"\r\n\r\n|\x16\x03\x01", tls),
        ("no name",            b"GET / HTTP/1.1\r\n: x\r|\nHost: h\r\n", name),
        ("space before a colon", b"GET / HTTP/1.1\r\nHost : h\r|\n", name),
        ("folded",             b"GET / HTTP/1.1\r\nHost: h\r\n x\r|\n", name),
        ("NUL in a value",     b"GET / HTTP/1.1\r\nHost: h\0\r|\n", value),
        ("CR in a value",      b"GET / HTTP/1.1\r\nHost: \rh\r|\n", value),
        ("LF in a header",     b"GET / HTTP/1.1\r\nHost: h|\n", ending),
        ("no colon",           b"GET / HTTP/1.0\r\nHost\r|\n", name),
    ];
    for (label, row, refusal) in rows {
        let good = row.iter().position(|byte| *byte == b'|').unwrap();
        let stream = [&row[..good], &row[good + 1..]].concat();
        let mut handshake = new_server(Config::new());
        assert!(!handshake.read(&mut Input::new(&mut stream[..good].to_vec())), "S9 {label}: too early");
        assert!(handshake.read(&mut Input::new(&mut [stream[good]])), "S9 {label}: too late");
        assert_eq!(handshake.into_request().err(), Some(refusal), "S9 {label}");
        // The same in every cut, and with the rest of the head behind it, in one piece.
        for rest in [&b""[..], b"\r\n", b"Host: h\r\n\r\n"] {
            let outcome = serve_all(label, Config::new(), &[&stream, rest].concat(), b"");
            assert_eq!(outcome.refusal, Some(refusal), "S9 {label}");
        }
        // One limit that lies before the fault, and one that does not.
        for (limit, refusal) in [(good + 1, refusal), (good, Refusal::Head(HeadError::TooLarge { limit: good }))] {
            let config = Config::new().max_head(limit);
            assert_eq!(serve_all(label, config, &stream, b"").refusal, Some(refusal), "S9 {label}, at most {limit}");
        }
    }
}

#[test]
#[rustfmt::skip]
fn s10_body() {
    let repeated = Refusal::Header(Repeated("Content-Length"));
    assert_refused_rows([
        ("S10 1",              REQUEST.with("Content-Length: 1"),      BAD, Refusal::Body),
        ("S10 any case",       REQUEST.with("CONTENT-LENGTH: 21"),     BAD, Refusal::Body),
        ("S10 much",           REQUEST.with("Content-Length: 18446744073709551616"), BAD, Refusal::Body),
        ("S10 negative",       REQUEST.with("Content-Length: -1"),     BAD, Refusal::Body),
        ("S10 no number",      REQUEST.with("Content-Length: x"),      BAD, Refusal::Body),
        ("S10 empty",          REQUEST.with("Content-Length:"),        BAD, Refusal::Body),
        ("S10 two in a list",  REQUEST.with("Content-Length: 0, 5"),   BAD, Refusal::Body),
        ("S10 two",            REQUEST.with("Content-Length: 0\r\nContent-Length: 5"), BAD, repeated),
        ("S10 chunked",        REQUEST.with("Transfer-Encoding: chunked"), BAD, Refusal::Body),
        ("S10 identity",       REQUEST.with("Transfer-Encoding: identity"), BAD, Refusal::Body),
        ("S10 obscured",       REQUEST.with("transfer-encoding:\tx, chunked "), BAD, Refusal::Body),
        ("S10 empty encoding", REQUEST.with("Transfer-Encoding:"),     BAD, Refusal::Body),
        ("S10 both",           REQUEST.with("Content-Length: 0\r\nTransfer-Encoding: chunked"), BAD, Refusal::Body),
    ]);
}

#[test]
fn s12_origin() {
    const SITES: &[&str] = &["https://example.com", "http://localhost:8080"];
    #[rustfmt::skip]
    let rows: [(&str, &str, &[&str], bool); 17] = [
        // label                origin                             allowed        goes on
        ("S12 first",           "Origin: https://example.com",     SITES,         true),
        ("S12 second",          "Origin: http://localhost:8080",   SITES,         true),
        ("S12 any case",        "oRIGIN: HTTPS://EXAMPLE.com",     SITES,         true),
        ("S12 no browser",      "X-A: b",                          SITES,         true),
        ("S12 no browser, none allowed", "X-A: b",                 &[],           true),
        ("S12 null, wanted",    "Origin: null",                    &["null"],     true),
        ("S12 none allowed",    "Origin: https://example.com",     &[],           false),
        ("S12 another",         "Origin: https://evil.example",    SITES,         false),
        ("S12 another scheme",  "Origin: http://example.com",      SITES,         false),
        ("S12 another port",    "Origin: https://example.com:444", SITES,         false),
        ("S12 prefix of it",    "Origin: https://example.co",      SITES,         false),
        ("S12 begins like it",  "Origin: https://example.com.evil.example", SITES, false),
        ("S12 ends like it",    "Origin: https://evil-example.com", SITES,        false),
        ("S12 a subdomain",     "Origin: https://a.example.com",   SITES,         false),
        ("S12 a list",          "Origin: https://example.com, https://evil.example", SITES, false),
        ("S12 null",            "Origin: null",                    SITES,         false),
        ("S12 empty",           "Origin:",                         SITES,         false),
    ];
    for (label, line, allowed, goes_on) in rows {
        let head = REQUEST.with(line);
        for upgrade in [upgrade(&head), from_parts(Config::new(), parts(&head).unwrap()).unwrap()] {
            let origin = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("origin"));
            assert_eq!(
                upgrade.origin().unwrap_or_default(),
                origin.map_or("", |(_, origin)| origin).as_bytes(),
                "{label}"
            );
            match upgrade.check_origin(allowed) {
                Ok(()) => {
                    assert!(goes_on, "{label}");
                    assert!(upgrade.accept(&Accept::new()).is_ok(), "{label}");
                }
                Err(refusal) => {
                    assert!(!goes_on, "{label}");
                    assert_eq!(refusal, Refusal::Origin, "{label}");
                    let mut response = store();
                    refusal.response().write(&mut response).unwrap();
                    assert_answer(label, response.as_slice(), FORBIDDEN);
                }
            }
        }
    }
    // If a policy read only the first of two origins, a client could hide the second.
    let two = REQUEST.with("Origin: https://example.com\r\nOrigin: https://evil.example");
    assert_refused("S12 two", Config::new(), &two, BAD, Refusal::Header(Repeated("Origin")));
}

/// "non-empty strings with characters in the range U+0021 to U+007E not including separator characters" (RFC 6455
/// §4.1): every offered name can be selected.
#[test]
#[rustfmt::skip]
fn s13_invalid_names() {
    let wrong = Refusal::Header(Wrong("Sec-WebSocket-Protocol"));
    assert_refused_rows([
        ("S13 two words",      REQUEST.with("Sec-WebSocket-Protocol: chat room"), BAD, wrong),
        ("S13 quoted",         REQUEST.with("Sec-WebSocket-Protocol: chat, \"chat\""), BAD, wrong),
        ("S13 not ASCII",      REQUEST.with("Sec-WebSocket-Protocol: ch\u{e4}t"), BAD, wrong),
        ("S13 a separator",    REQUEST.with("Sec-WebSocket-Protocol: @"), BAD, wrong),
    ]);
}

#[test]
#[rustfmt::skip]
fn s14_extension_syntax() {
    const NAME: &str = "Sec-WebSocket-Extensions";
    let rows = [
        "foo bar", "foo;", "foo; =bar", "foo; bar=", "foo; bar=,", "foo/bar", "foo; bar==baz", "=", "foo,;bar", "\"foo\"",
        "foo; bar=\"", "foo; bar=\"\"", r#"foo; bar="a b""#, r#"foo; bar="a\""#, r#"foo; bar="a"b"#, "f\u{f6}o",
        // A comma in quotes begins no second offer. A token has no comma, so the value is invalid (threat 6).
        r#"foo; bar="a,permessage-deflate""#, r#"foo; bar="a, permessage-deflate; b""#, r#"foo; bar="\,""#,
        // An escaped quote does not end the value, and an escaped backslash escapes nothing.
        r#"foo; bar="a\", permessage-deflate"#, r#"foo; bar="a\"", permessage-deflate"#,
        r#"foo; bar="a\\", permessage-deflate"#, r#"foo; bar="\\a", permessage-deflate"#, r#"foo; bar="\"#,
        // Good, then bad.
        "foo, bar;", "foo\r\nSec-WebSocket-Extensions: bar=baz", "foo;\r\nSec-WebSocket-Extensions: bar",
    ];
    for row in rows {
        let label = format!("S14 {row}");
        assert_refused(&label, Config::new(), &REQUEST.with(format!("{NAME}: {row}")), BAD, Refusal::Header(Wrong(NAME)));
    }
}

#[test]
fn stream_that_ends_in_the_head() {
    let head = REQUEST.whole();
    for seen in 0..head.len() {
        let refusal = Refusal::Head(HeadError::Incomplete { seen });
        let outcome = serve(Config::new(), &[&head[..seen]]);
        assert_eq!(outcome.refusal, Some(refusal));
        assert_answer("incomplete", &outcome.response, BAD);
    }
}
