//! Properties of all bytes, all addresses and all strings; and both ends together.

use crate::{
    common::{
        cuts::in_lengths,
        frame,
        heads::{ACCEPT, Http, KEY, NONCE, new_server, receive},
        store,
    },
    harness::*,
};
use proptest::prelude::*;
use websocket_proto::{
    Config, FixedStorage, Input, Uri, UriError,
    client::{Handshake, Request},
    server,
};

/// Pieces that form almost valid responses.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    #[rustfmt::skip]
    let known = [
        "HTTP/1.1 ", "HTTP/1.0 ", "101", "100", "1", "200", " ", "\r\n", "\r\n", "\r\n", "\n", "\r", ":", ": ", "\0",
        ",", "HTTP/1.1 101 Switching Protocols\r\n", "HTTP/1.1 200 OK\r\n", INTERIM, "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Extensions: x\r\n",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(RESPONSE.whole()),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// An interim response and [`RESPONSE`] with a few bytes changed, removed or inserted.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4);
    (edits, any::<bool>()).prop_map(|(edits, interim)| {
        let mut head = [if interim { INTERIM.as_bytes() } else { b"" }, &RESPONSE.whole()].concat();
        for (place, byte, what) in edits {
            let place = place.index(head.len());
            match what {
                0 => head[place] = byte,
                1 => drop(head.remove(place)),
                _ => head.insert(place, byte),
            }
        }
        [head, behind()].concat()
    })
}

prop_compose! {
    /// An address: its text, the host and port to connect to, the target, `Host`.
    fn address()(
        secure in any::<bool>(),
        host in prop_oneof!["[a-z0-9]([a-z0-9.-]{0,10}[a-z0-9])?", Just("[::1]".to_owned()), Just("[2001:db8::7]".to_owned())],
        port in prop::option::of(1..=u16::MAX),
        path in prop_oneof![Just(String::new()), "(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,5}){1,4}"],
        query in prop::option::of("([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,8}"),
    ) -> (String, String, String, Option<String>, String) {
        let scheme = if secure { "wss" } else { "ws" };
        let port = port.filter(|port| *port != if secure { 443 } else { 80 });
        let host = format!("{host}{}", port.map_or(String::new(), |port| format!(":{port}")));
        let mark = query.as_ref().map_or(String::new(), |query| format!("?{query}"));
        let target = format!("{}{mark}", if path.is_empty() { "/" } else { &path });
        let path = if path.is_empty() { "/".to_owned() } else { path.clone() };
        let text = if mark.is_empty() && target == "/" { format!("{scheme}://{host}") } else { format!("{scheme}://{host}{target}") };
        (text, host, path, query, target)
    }
}

type Lines = Vec<(String, String)>;

/// Headers that applications may add.
fn lines() -> impl Strategy<Value = Lines> {
    prop::collection::vec(("X-[A-Za-z0-9!#$%&'*+.^_`|~-]{0,8}", "([!-~\u{e4}\u{1f600}]([ -~\t]{0,8}[!-~])?)?"), 0..5)
}

fn lent(lines: &Lines) -> Vec<(&str, &str)> {
    lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// The headers that [`lines`] added.
fn added(headers: websocket_proto::head::Headers<'_>) -> Lines {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    headers
        .filter(|header| header.name.starts_with("X-"))
        .map(|header| (header.name.to_owned(), text(header.value)))
        .collect()
}

proptest! {
    /// Client and server understand each other, with any offers and any cuts. Bytes right behind each head arrive.
    #[test]
    fn both_ends_agree(
        (text, host, path, query, target) in address(),
        subprotocols in prop::collection::btree_set("[a-z0-9.!~-]{1,6}", 0..4),
        picked in prop::option::of(any::<prop::sample::Index>()),
        origin in prop::option::of("https?://[a-z.]{1,9}"),
        (asked, answered) in (lines(), lines()),
        nonce in any::<[u8; 16]>(),
        interim in 0..3_usize,
        lengths in prop::collection::vec(1..60_usize, 1..6),
    ) {
        let subprotocols: Vec<_> = subprotocols.iter().map(String::as_str).rev().collect();
        let (client_adds, server_adds) = (lent(&asked), lent(&answered));
        let mut request = request(&text).subprotocols(&subprotocols).headers(&client_adds);
        if let Some(origin) = &origin {
            request = request.origin(origin);
        }
        let mut client = new_client(Config::new(), &request, fixed(nonce)).unwrap();

        let early = frame(0x81, b"to the server", true);
        let mut stream = [client.pending(), &early].concat();
        client.consume(stream.len());
        let mut server = new_server(Config::new());
        let mut pieces: Vec<_> = in_lengths(&stream, &lengths).into_iter().map(<[u8]>::to_vec).collect();
        let mut inputs = pieces.iter_mut().map(|piece| Input::new(piece));
        let rest = inputs.by_ref().find_map(|mut input| server.read(&mut input).then_some(input));
        let request = server.into_request().unwrap();
        prop_assert_eq!((request.method(), request.target()), ("GET", &*target));
        prop_assert_eq!((request.path(), request.query()), (&*path, query.as_deref()));
        let upgrade = request.upgrade().unwrap();
        prop_assert_eq!(upgrade.request().headers().get("Host"), Some(host.as_bytes()));
        prop_assert_eq!(upgrade.origin(), origin.as_deref().map(str::as_bytes));
        prop_assert_eq!(upgrade.subprotocols().collect::<Vec<_>>(), &subprotocols[..]);
        prop_assert_eq!(added(upgrade.request().headers()), asked.clone());

        let picked = picked.filter(|_| !subprotocols.is_empty()).map(|index| *index.get(&subprotocols));
        let accept = server::Accept::new().subprotocol(picked).headers(&server_adds);
        let mut at_server = upgrade.accept(&accept).unwrap();
        let events = receive(&mut at_server.receiver, &mut at_server.sender, rest.into_iter().chain(inputs));
        prop_assert_eq!(events, ["text to the server"]);

        at_server.sender.send_text("to the client").unwrap();
        stream = [INTERIM.repeat(interim).as_bytes(), at_server.sender.pending()].concat();
        let mut pieces: Vec<_> = in_lengths(&stream, &lengths).into_iter().map(<[u8]>::to_vec).collect();
        let mut inputs = pieces.iter_mut().map(|piece| Input::new(piece));
        let rest = inputs.by_ref().find_map(|mut input| client.read(&mut input).then_some(input));
        let response = client.into_response().unwrap();
        prop_assert_eq!((response.status(), response.subprotocol()), (101, picked));
        prop_assert_eq!(added(response.headers()), answered.clone());
        let mut at_client = response.upgrade().unwrap();
        let events = receive(&mut at_client.receiver, &mut at_client.sender, rest.into_iter().chain(inputs));
        prop_assert_eq!(events, ["text to the client"]);
    }

    /// All bytes have the same outcome in every cut, and cause no panic.
    #[test]
    fn any_bytes(
        stream in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), fragments(), mutated()],
        lengths in prop::collection::vec(1..40_usize, 1..6),
        max_head in prop_oneof![Just(16384_usize), 0..300_usize],
        max_headers in prop_oneof![Just(128_usize), 0..8_usize],
    ) {
        let config = Config::new().max_head(max_head).max_headers(max_headers);
        let request = request("ws://h/").subprotocols(OFFERED);
        let whole = connect(config, &request, NONCE, &[&stream]);
        prop_assert_eq!(&connect(config, &request, NONCE, &in_lengths(&stream, &lengths)), &whole);
        prop_assert_eq!(&connect(config, &request, NONCE, &in_lengths(&stream, &[1])), &whole);
        prop_assert!(stream.ends_with(&whole.behind));
        if let Verdict::Response { failure: None, .. } = whole.verdict {
            let head = &stream[..stream.len() - whole.behind.len()];
            prop_assert!(head.len() <= max_head && head.ends_with(b"\r\n\r\n"));
            prop_assert!(head.windows(ACCEPT.len()).any(|bytes| bytes == ACCEPT.as_bytes()));
        }
    }

    /// Any strings as headers, subprotocols and origin: an error and nothing written, or exactly these are sent.
    #[test]
    fn any_additions(
        headers in prop::collection::vec(
            (
                prop_oneof![6 => "[A-Za-z][A-Za-z0-9-]{0,8}", 1 => any::<String>()],
                prop_oneof![6 => "[ -~\u{e4}\t]{0,10}", 1 => any::<String>(), 1 => "[a\r\n\0 ]{0,3}"],
            ),
            0..4,
        ),
        subprotocols in prop::collection::vec(prop_oneof![4 => "[a-z]{1,4}", 1 => any::<String>()], 0..3),
        origin in prop::option::of(prop_oneof![4 => "https://[a-z]{1,4}", 1 => any::<String>()]),
    ) {
        let headers = lent(&headers);
        let subprotocols: Vec<_> = subprotocols.iter().map(String::as_str).collect();
        let mut request = request("ws://h/").headers(&headers).subprotocols(&subprotocols);
        if let Some(origin) = &origin {
            request = request.origin(origin);
        }
        let mut out = vec![0xaa; 2048];
        let (input, output) = (store(), FixedStorage::new(&mut out[..]));
        if let Ok(handshake) = Handshake::with_storage(Config::new(), &request, fixed(NONCE), input, output) {
            let sent = Http::parse(handshake.pending());
            prop_assert_eq!(sent.first_line, "GET / HTTP/1.1");
            prop_assert_eq!(sent.body, b"");
            let mut expected = vec![
                ("host", "h"), ("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-key", KEY),
                ("sec-websocket-version", "13"),
            ];
            expected.extend(origin.as_deref().map(|origin| ("origin", origin)));
            let list = subprotocols.join(", ");
            expected.extend((!subprotocols.is_empty()).then_some(("sec-websocket-protocol", &*list)));
            let names: Vec<_> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            expected.extend(names.iter().zip(&headers).map(|(name, (_, value))| (&**name, *value)));
            let sent: Vec<_> = sent.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
            prop_assert_eq!(sent, expected);
        } else {
            prop_assert_eq!(out, vec![0xaa; 2048]);
        }
    }

    /// A plain reader, such as other programs have, finds the same server: so what is true for one is true for both.
    #[test]
    fn c8_a_plain_reader_finds_the_same_server(
        text in prop_oneof![
            r"wss?://[a-z0-9.:@/?#%\[\]\\;]{0,12}",
            r"wss?://([a-z;]{0,2}(:[a-z:@]{0,2})?@)?([a-z.]{1,3}|127\.1|\[::1\])(:0{0,2}[0-9]{0,5})?([/?#\\][a-z@:?/]{0,4})?",
        ],
    ) {
        if let Ok((uri, credentials)) = Uri::parse_with_credentials(&text) {
            let (scheme, rest) = text.split_once("://").unwrap();
            let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
            let (authority, resource) = rest.split_at(end);
            let server = authority.rsplit('@').next().unwrap();
            let (host, digits) = server.rsplit_once(':').filter(|(_, port)| !port.contains(']')).unwrap_or((server, ""));
            let default_port = if scheme == "wss" { 443 } else { 80 };
            let port = if digits.is_empty() { default_port } else { digits.parse().unwrap() };
            prop_assert_eq!((uri.host(), uri.port()), (host.trim_matches(['[', ']']), port));
            prop_assert_eq!(credentials.is_some(), authority.rsplit_once('@').is_some_and(|(info, _)| !info.is_empty()));
            prop_assert!(uri.resource().to_string().ends_with(resource));
            // And without them it is an address for everybody.
            prop_assert_eq!(Uri::parse(&text), if authority.contains('@') { Err(UriError::UserInfo) } else { Ok(uri) });
        }
    }

    /// Any string as an address: an error, or a request of the same six lines.
    #[test]
    fn any_address(text in prop_oneof![any::<String>(), "wss?://\\PC{0,12}", "wss?://[a-z:@/?#%\\[\\] \r\n\\\\]{0,12}"]) {
        if let Ok(uri) = Uri::parse(&text) {
            let handshake = new_client(Config::new(), &Request::new(uri), fixed(NONCE)).unwrap();
            let request = Http::parse(handshake.pending());
            prop_assert_eq!(request.headers.len(), 5);
            let words: Vec<_> = request.first_line.split(' ').collect();
            prop_assert_eq!((words.len(), words[0], words[2]), (3, "GET", "HTTP/1.1"));
            // The sent target is a part of the address, except for a slash and the default port.
            prop_assert!(text.ends_with(words[1].trim_start_matches('/')));
            let mut server = new_server(Config::new());
            assert!(server.read(&mut Input::new(&mut handshake.pending().to_vec())));
            prop_assert!(server.into_request().and_then(server::Request::upgrade).is_ok(), "{text:?}");
        }
    }
}
