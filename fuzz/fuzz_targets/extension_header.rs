//! Any bytes as Sec-WebSocket-Extensions, one header per line, as offers to a server and as an answer to a client. Both
//! must follow the rules, which are implemented here a second time (RFC 6455 §9.1, RFC 7692 §7.1).

#![no_main]

use std::mem;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use websocket_proto::{
    Config, Input, Uri, client,
    deflate::{self, Agreement, WindowBits},
    server,
};
use websocket_proto_fuzz::{
    Keys, connect_as,
    deflate::Wanted,
    http::{self, Extension},
};

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    client: Wanted,
    server: Wanted,
    lines: &'a [u8],
}

fuzz_target!(|case: Case<'_>| {
    let lines: Vec<_> = case.lines.split(|byte| *byte == b'\n').collect();
    offered(&case.server, &lines);
    answered(&case.client, &lines);
    both(&case.client, &case.server);
});

/// A server that gets this offer.
fn offered(wanted: &Wanted, lines: &[&[u8]]) {
    let headers = [
        ("Host", &b"h"[..]),
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", b"13"),
    ];
    let headers = headers.into_iter().chain(lines.iter().map(|line| (EXTENSIONS, *line)));
    let config = Config::new().deflate(wanted.deflate());
    let Ok(request) = server::Request::from_parts(config, "GET", "/", headers) else { return };

    let lists: Option<Vec<_>> = lines.iter().map(|line| http::extensions(line)).collect();
    let upgrade = request.upgrade();
    assert_eq!(upgrade.is_ok(), lists.is_some(), "the grammar of {EXTENSIONS}");
    let (Ok(upgrade), Some(lists)) = (upgrade, lists) else { return };

    let mut offers = lists.iter().flatten().filter_map(Terms::new);
    let expected = offers.find_map(|offer| Some(offer).zip(accept(wanted, &offer)));
    let agreement = upgrade.compression().copied();
    assert_eq!(agreement.map(parts), expected.map(|(_, expected)| expected));

    let accept = server::Accept::new();
    let answer = upgrade.response_headers(&accept).unwrap().find(|(name, _)| *name == EXTENSIONS);
    let answer = answer.map(|(_, answer)| answer.to_owned());
    let server = upgrade.into_connection().unwrap();
    assert_eq!(server.sender.compression(), agreement.as_ref());
    assert_eq!(server.receiver.compression(), agreement.as_ref());

    let (Some(agreement), Some((offer, _))) = (agreement, expected) else { return assert_eq!(answer, None) };
    let answer = answer.expect("what is accepted is said");
    let list = http::extensions(answer.as_bytes()).expect("the grammar");
    let [extension] = &list[..] else { panic!("one answer") };
    let said = Terms::new(extension).expect("an answer with parameters that exist");
    assert!(said.server_bits.is_some() || offer.server_bits.is_none(), "§7.1.2.1: accepted by being included");
    assert!(said.client_bits.is_none() || offer.client_bits.is_some(), "§7.1.2.2: nothing that the client can't know");
    assert_ne!(said.client_bits, Some(None), "in an answer it has a value");
    let said = Parts {
        send_window: said.server_bits.unwrap_or(15),
        receive_window: said.client_bits.flatten().unwrap_or(15),
        send_takeover: !said.server_no_takeover,
        receive_takeover: !said.client_no_takeover,
    };
    assert_eq!(parts(agreement), said);

    // A client that offered exactly this.
    let window = |bits: Option<u8>| WindowBits::new(bits.unwrap_or(15)).unwrap();
    let matching = deflate::Config::new()
        .send_window(window(offer.client_bits.flatten()))
        .receive_window(window(offer.server_bits))
        .receive_window_limit(window(offer.server_bits))
        .send_takeover(!offer.client_no_takeover)
        .receive_takeover(!offer.server_no_takeover);
    let client = answer_client(matching, &[answer.as_bytes()]).expect("what is accepted was offered");
    assert_eq!(client.map(|client| client.map(parts).map(mirrored)), Ok(Some(parts(agreement))));
}

/// A client that gets this answer.
fn answered(wanted: &Wanted, lines: &[&[u8]]) {
    let Some(verdict) = answer_client(wanted.deflate(), lines) else { return };
    let lists: Option<Vec<_>> = lines.iter().map(|line| http::extensions(line)).collect();
    let expected = lists.ok_or(()).and_then(|lists| {
        let mut all = lists.iter().flatten();
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(answer), None) => Terms::new(answer).and_then(|answer| check(wanted, &answer)).map(Some).ok_or(()),
            (Some(_), Some(_)) => Err(()),
        }
    });
    assert_eq!(verdict.map(|agreement| agreement.map(parts)), expected);
}

/// Two real ends with different wishes.
fn both(client: &Wanted, server: &Wanted) {
    let [client_config, server_config] = [client, server].map(|wanted| Config::new().deflate(wanted.deflate()));
    let (client, server) = connect_as(client_config, server_config, Vec::new);
    let [client, server] = [client.receiver.compression(), server.receiver.compression()].map(Option::<&_>::copied);
    assert_eq!(client.map(|client| mirrored(parts(client))), server.map(parts));
}

/// The client's agreement after this answer, or its refusal; `None` if the answer is not HTTP.
fn answer_client(wanted: deflate::Config, lines: &[&[u8]]) -> Option<Result<Option<Agreement>, ()>> {
    let mut wire = b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        .to_vec();
    for line in lines {
        if line.contains(&b'\r') {
            return None;
        }
        wire.extend([EXTENSIONS.as_bytes(), b":", line, b"\r\n"].concat());
    }
    wire.extend(b"\r\n");

    let request = client::Request::new(Uri::parse("ws://h").unwrap());
    let config = Config::new().deflate(wanted);
    let mut handshake = client::Handshake::new(config, &request, Keys::default()).unwrap();
    assert!(handshake.read(&mut Input::new(&mut wire)));
    let response = handshake.into_response().ok()?;
    Some(match response.upgrade() {
        Ok(connection) => {
            assert_eq!(connection.sender.compression(), connection.receiver.compression());
            Ok(connection.sender.compression().copied())
        }
        Err(error) => {
            assert!(error.to_string().contains(EXTENSIONS), "{error}");
            Err(())
        }
    })
}

/// An agreement, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    send_window: u8,
    receive_window: u8,
    send_takeover: bool,
    receive_takeover: bool,
}

fn parts(agreement: Agreement) -> Parts {
    Parts {
        send_window: agreement.send_window.get(),
        receive_window: agreement.receive_window.get(),
        send_takeover: agreement.send_takeover,
        receive_takeover: agreement.receive_takeover,
    }
}

/// The same agreement, from the other end.
fn mirrored(mut parts: Parts) -> Parts {
    mem::swap(&mut parts.send_window, &mut parts.receive_window);
    mem::swap(&mut parts.send_takeover, &mut parts.receive_takeover);
    parts
}

/// The server's agreement after this offer, if it accepts.
fn accept(wanted: &Wanted, offer: &Terms) -> Option<Parts> {
    let receive_window = match offer.client_bits {
        None => 15,
        Some(bits) => wanted.receive_window().get().min(bits.unwrap_or(15)),
    };
    (receive_window <= wanted.receive_window_limit().get()).then_some(Parts {
        send_window: wanted.send_window().get().min(offer.server_bits.unwrap_or(15)),
        receive_window,
        send_takeover: wanted.send_takeover() && !offer.server_no_takeover,
        receive_takeover: wanted.receive_takeover() && !offer.client_no_takeover,
    })
}

/// The client's agreement after this answer, if it may accept.
fn check(wanted: &Wanted, answer: &Terms) -> Option<Parts> {
    let receive_window = answer.server_bits.unwrap_or(15);
    let send_window = match answer.client_bits {
        None => wanted.send_window().get(),
        Some(bits) => bits.filter(|bits| *bits <= wanted.send_window().get())?,
    };
    let limit = wanted.receive_window_limit().get();
    let is_kept = receive_window <= limit && (wanted.receive_takeover() || answer.server_no_takeover);
    is_kept.then_some(Parts {
        send_window,
        receive_window,
        send_takeover: wanted.send_takeover() && !answer.client_no_takeover,
        receive_takeover: !answer.server_no_takeover,
    })
}

/// The parameters of permessage-deflate.
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<Option<u8>>,
}

impl Terms {
    /// `None` if this is another extension, or a parameter is wrong.
    fn new(extension: &Extension) -> Option<Self> {
        let mut terms = Self::default();
        let Extension { name, parameters } = extension;
        for (index, (name, value)) in parameters.iter().enumerate() {
            if parameters[..index].iter().any(|(earlier, _)| earlier == name) {
                return None;
            }
            let bits = |value: &str| (8..=15).find(|bits: &u8| bits.to_string() == value);
            match (&name[..], value.as_deref()) {
                ("server_no_context_takeover", None) => terms.server_no_takeover = true,
                ("client_no_context_takeover", None) => terms.client_no_takeover = true,
                ("server_max_window_bits", Some(value)) => terms.server_bits = Some(bits(value)?),
                ("client_max_window_bits", None) => terms.client_bits = Some(None),
                ("client_max_window_bits", Some(value)) => terms.client_bits = Some(Some(bits(value)?)),
                _ => return None,
            }
        }
        (name == "permessage-deflate").then_some(terms)
    }
}
