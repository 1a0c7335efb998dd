//! Properties of all bytes, all parts and all strings.

use crate::{
    common::{
        cuts::in_lengths,
        heads::{Http, stale},
    },
    harness::*,
};
use proptest::prelude::*;
use websocket_proto::{
    Config,
    server::{Accept, Response},
};

/// Pieces that form almost valid requests.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    #[rustfmt::skip]
    let known = [
        "GET ", "POST ", "/chat", " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n", "\r\n", "\n", "\r", ":", ": ", " ", "\0",
        ",", "\"", "GET / HTTP/1.1\r\n", "Host: h\r\n", "Upgrade: websocket\r\n", "Connection: upgrade\r\n",
        "Content-Length: 1\r\n", "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "Sec-WebSocket-Extensions: ", "Origin: ", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => Just(REQUEST.whole()),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// [`REQUEST`] with a few bytes changed, removed or inserted.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4);
    edits.prop_map(|edits| {
        let mut head = REQUEST.whole();
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

proptest! {
    /// All bytes have the same outcome in every cut, and cause no panic.
    #[test]
    fn any_bytes(
        stream in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), fragments(), mutated()],
        lengths in prop::collection::vec(1..40_usize, 1..6),
        max_head in prop_oneof![Just(16384_usize), 0..300_usize],
        max_headers in prop_oneof![Just(128_usize), 0..8_usize],
    ) {
        let config = Config::new().max_head(max_head).max_headers(max_headers);
        let whole = serve(config, &[&stream]);
        prop_assert_eq!(&serve(config, &in_lengths(&stream, &lengths)), &whole);
        prop_assert_eq!(&serve(config, &in_lengths(&stream, &[1])), &whole);
        // Only a complete head can be accepted, and the unused bytes are the unchanged end of the stream.
        let behind = whole.behind.unwrap_or_default();
        prop_assert!(stream.ends_with(&behind));
        if whole.refusal.is_none() {
            let head = &stream[..stream.len() - behind.len()];
            prop_assert!(head.len() <= max_head && head.ends_with(b"\r\n\r\n"));
            prop_assert!(whole.response.starts_with(b"HTTP/1.1 101 "));
        }
    }

    /// A request in parts is the same as in bytes.
    #[test]
    fn any_parts(
        method in prop_oneof![4 => Just("GET".to_owned()), 1 => ".{0,4}", 1 => any::<String>()],
        target in prop_oneof![4 => Just("/".to_owned()), 1 => "/[ -~]{0,6}", 1 => any::<String>()],
        extra in prop::collection::vec(("[!-~]{0,4}|\\PC{0,3}|X", prop_oneof!["[ -~]{0,6}", ".{0,3}", any::<String>()]), 0..3),
    ) {
        let mut lines = format!("{method} {target} HTTP/1.1\r\n");
        let (_, _, mut headers) = parts(REQUEST.0.as_bytes()).unwrap();
        headers.extend(extra.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        for (name, value) in &headers {
            lines.push_str(&format!("{name}: {}\r\n", core::str::from_utf8(value).unwrap()));
        }
        lines.push_str("\r\n");
        let in_parts = from_parts(Config::new(), (&method, &target, headers.clone()));
        if let Ok(upgrade) = &in_parts {
            // Every header is one header, and unchanged.
            let seen: Vec<_> = upgrade.request().headers().map(|header| (header.name, header.value)).collect();
            let given: Vec<_> = headers.iter().map(|(name, value)| (*name, trim(value))).collect();
            prop_assert_eq!(seen, given);
            prop_assert!(handshake(Config::new(), lines.as_bytes()).is_ok());
        }
        // Bytes may be accepted when parts are not, because a line became two. The reverse never happens.
        if handshake(Config::new(), lines.as_bytes()).is_err() {
            prop_assert!(in_parts.is_err());
        }
    }

    /// Any strings as headers and subprotocol: an error and nothing written, or exactly these arrive.
    #[test]
    fn any_added_headers(
        headers in prop::collection::vec(
            (
                prop_oneof![6 => "[A-Za-z][A-Za-z0-9-]{0,8}", 1 => any::<String>()],
                prop_oneof![6 => "[ -~\u{e4}\t]{0,10}", 1 => any::<String>(), 1 => "[a\r\n\0 ]{0,3}"],
            ),
            0..4,
        ),
        subprotocol in prop::option::of(prop_oneof![4 => Just("chat".to_owned()), 1 => any::<String>()]),
        status in 195..605_u16,
        body in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let head = REQUEST.with("Sec-WebSocket-Protocol: chat");
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let lower: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();

        let mut out = vec![0xaa; 1024];
        let accept = Accept::new().headers(&headers).subprotocol(subprotocol.as_deref());
        if let Ok(connection) = upgrade_into(&head, &mut out).accept(&accept) {
            let response = Http::parse(connection.sender.pending());
            prop_assert_eq!(response.get("Sec-WebSocket-Protocol"), subprotocol.as_deref());
            prop_assert_eq!(response.body, b"");
            prop_assert_eq!(&response.headers[3 + usize::from(subprotocol.is_some())..], &lower);
        } else {
            prop_assert_eq!(out, vec![0xaa; 1024]);
        }

        let mut out = stale();
        if Response::new(status).headers(&headers).body(&body).write(&mut out).is_ok() {
            let response = Http::parse(out.as_slice().strip_prefix(stale().as_slice()).unwrap());
            let status = status.to_string();
            prop_assert_eq!(response.first_line.split(' ').nth(1), Some(status.as_str()));
            prop_assert_eq!(&response.headers[..lower.len()], &lower);
            prop_assert!(response.headers[lower.len()..].iter().all(|(name, _)| name.starts_with("con")));
        } else {
            let before = stale();
            prop_assert_eq!(out.as_slice(), before.as_slice());
        }
    }
}
