//! Code that these tests share: requests, their outcomes, and the checks of a row.

use crate::common::{
    Store,
    cuts::{every_cut, how, pieces},
    frame,
    heads::{Http, Template, new_server, receive},
    store,
};
use websocket_proto::{
    Config, FixedStorage, Input,
    head::{HeadError, HeaderFault, MalformedHead},
    server::{Accept, Handshake, Refusal, Request, Upgrade},
};

pub(crate) const REQUEST: Template = Template(
    "GET /chat HTTP/1.1\r\n\
     Host: server.example.com\r\n\
     Upgrade: websocket\r\n\
     Connection: Upgrade\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
     Sec-WebSocket-Version: 13\r\n\r\n",
);

/// How many headers [`REQUEST`] has.
pub(crate) const REQUEST_HEADERS: usize = 5;

/// The 101 response to [`REQUEST`] when nothing is added.
pub(crate) const RESPONSE_LEN: usize = 129;

pub(crate) fn behind() -> Vec<u8> {
    frame(0x81, b"behind the head", true)
}

/// Edits that a [`Template`] can't do in one step.
pub(crate) trait Edit {
    fn replace(self, from: &str, to: &str) -> Self;
    fn append(self, line: &str) -> Self;
    fn splice_line(self, line: &str) -> Self;
}

impl Edit for Vec<u8> {
    /// Replaces every `from`, of which there is at least one, by `to`.
    fn replace(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        assert!(text.contains(from), "no {from:?} to replace");
        text.replace(from, to).into_bytes()
    }

    /// Adds a header.
    fn append(self, line: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        format!("{}{line}\r\n\r\n", text.strip_suffix("\r\n").unwrap()).into_bytes()
    }

    /// Changes the first line.
    fn splice_line(self, line: &str) -> Self {
        let text = String::from_utf8(self).unwrap();
        format!("{line}\r\n{}", text.split_once("\r\n").unwrap().1).into_bytes()
    }
}

// ---- The outcome for a stream

#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) response: Vec<u8>,
    /// The bytes behind the head. `None` if the head was refused, perhaps before its end: where reading stopped is not
    /// promised.
    pub(crate) behind: Option<Vec<u8>>,
    /// The events of the connection for these bytes.
    pub(crate) events: Vec<String>,
}

/// Serves a client that sends these chunks and then ends its stream.
pub(crate) fn serve(config: Config, chunks: &[&[u8]]) -> Outcome {
    let mut chunks: Vec<_> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
    let mut inputs = chunks.iter_mut().map(|chunk| Input::new(chunk));
    let mut handshake = new_server(config);
    let rest = inputs.by_ref().find_map(|mut input| {
        let whole = handshake.read(&mut input);
        assert!(whole || input.is_empty(), "an incomplete head leaves nothing");
        whole.then_some(input)
    });
    let inputs: Vec<_> = rest.into_iter().chain(inputs).collect();
    let request = handshake.into_request();
    let gave_up = matches!(request, Err(Refusal::Head(_)));
    let behind = (!gave_up).then(|| inputs.iter().flat_map(Input::remaining).copied().collect());
    match request.and_then(checked_upgrade) {
        Ok(upgrade) => {
            let mut connection = upgrade.accept(&Accept::new()).unwrap();
            let response = connection.sender.pending().to_vec();
            connection.sender.consume(response.len());
            let events = receive(&mut connection.receiver, &mut connection.sender, inputs);
            Outcome { refusal: None, response, behind, events }
        }
        Err(refusal) => {
            let mut response = store();
            refusal.response().write(&mut response).unwrap();
            Outcome { refusal: Some(refusal), response: response.as_slice().to_vec(), behind, events: Vec::new() }
        }
    }
}

/// Upgrades, and asserts that `check` returned the same before.
fn checked_upgrade(request: Request<Store, Store>) -> Result<StoreUpgrade, Refusal> {
    let checked = request.check();
    let upgrade = request.upgrade();
    assert_eq!(checked.err(), upgrade.as_ref().err().copied());
    upgrade
}

/// Serves `head`, followed by `behind`, in every cut; the outcome must be the same.
pub(crate) fn serve_all(label: &str, config: Config, head: &[u8], behind: &[u8]) -> Outcome {
    let stream = [head, behind].concat();
    let whole = serve(config, &[&stream]);
    for cuts in every_cut(stream.len()) {
        assert_eq!(serve(config, &pieces(&stream, &cuts)), whole, "{label}, {}", how(&cuts));
    }
    whole
}

pub(crate) type StoreUpgrade = Upgrade<Store, Store>;

pub(crate) fn handshake(config: Config, head: &[u8]) -> Result<StoreUpgrade, Refusal> {
    let mut handshake = new_server(config);
    assert!(handshake.read(&mut Input::new(&mut head.to_vec())));
    handshake.into_request()?.upgrade()
}

pub(crate) fn upgrade(head: &[u8]) -> StoreUpgrade {
    handshake(Config::new(), head).unwrap()
}

/// An upgrade whose response goes into `out`, an array that the caller can read afterwards.
pub(crate) fn upgrade_into<'o>(head: &[u8], out: &'o mut [u8]) -> Upgrade<Store, FixedStorage<&'o mut [u8]>> {
    let mut handshake = Handshake::with_storage(Config::new(), store(), FixedStorage::new(out));
    assert!(handshake.read(&mut Input::new(&mut head.to_vec())));
    handshake.into_request().unwrap().upgrade().unwrap()
}

// ---- The same in parts

pub(crate) type Parts<'h> = (&'h str, &'h str, Vec<(&'h str, &'h [u8])>);

/// Method, target and headers, as an HTTP library would return them, if it can.
pub(crate) fn parts(head: &[u8]) -> Option<Parts<'_>> {
    let mut rest = head;
    let mut lines = core::iter::from_fn(|| {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        Some(line)
    });
    let mut line = core::str::from_utf8(lines.next()?).ok()?.split(' ');
    let (method, target, version) = (line.next()?, line.next()?, line.next()?);
    if version != "HTTP/1.1" || line.next().is_some() {
        return None;
    }
    let header = |line: &'_ [u8]| -> Option<(&str, &[u8])> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        // The line lies in the head. So this avoids a borrow from the closure's argument.
        let start = line.as_ptr() as usize - head.as_ptr() as usize;
        let line = &head[start..start + line.len()];
        Some((core::str::from_utf8(&line[..colon]).ok()?, trim(&line[colon + 1..])))
    };
    let headers = lines.take_while(|line| !line.is_empty()).map(header).collect::<Option<_>>()?;
    Some((method, target, headers))
}

/// Without optional whitespace (RFC 9110 §5.6.3): spaces and tabs, not line ends.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// A request in parts.
pub(crate) fn request_of<N: AsRef<str>, V: AsRef<[u8]>>(
    config: Config,
    method: &str,
    target: &str,
    headers: impl IntoIterator<Item = (N, V)>,
) -> Result<Request<Store, Store>, Refusal> {
    #[cfg(feature = "alloc")]
    {
        Request::from_parts(config, method, target, headers)
    }
    #[cfg(not(feature = "alloc"))]
    {
        Request::from_parts_with_storage(config, method, target, headers, store(), store())
    }
}

pub(crate) fn from_parts(config: Config, (method, target, headers): Parts<'_>) -> Result<StoreUpgrade, Refusal> {
    request_of(config, method, target, headers)?.upgrade()
}

/// For a malformed head, the reported part may differ: a library's parts have no lines.
pub(crate) fn same_refusal(bytes: Refusal, parts: Refusal) -> bool {
    let malformed = |refusal| matches!(refusal, Refusal::Head(HeadError::Malformed(_)));
    bytes == parts || (malformed(bytes) && malformed(parts))
}

// ---- The checks of a row

/// The headers are exactly these, in any order.
pub(crate) fn assert_headers(response: &Http, expected: &[(&str, &str)], label: &str) {
    let mut expected: Vec<_> =
        expected.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
    let mut found = response.headers.clone();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "{label}");
}

pub(crate) fn assert_accepted(label: &str, config: Config, head: &[u8], accept: &str) {
    let headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)];
    for (behind, events) in [(behind(), vec!["text behind the head".to_owned()]), (Vec::new(), Vec::new())] {
        let outcome = serve_all(label, config, head, &behind);
        assert_eq!(outcome.refusal, None, "{label}");
        assert_eq!(outcome.behind.as_ref(), Some(&behind), "{label}");
        assert_eq!(outcome.events, events, "{label}");
        let response = Http::parse(&outcome.response);
        assert_eq!(response.first_line, "HTTP/1.1 101 Switching Protocols", "{label}");
        assert_headers(&response, &headers, label);
        assert_eq!(response.body, b"", "{label}");
    }
    if head.starts_with(b"\r\n") {
        return; // an empty line is in no part
    }
    let upgrade = from_parts(config, parts(head).expect(label)).expect(label);
    let nothing = Accept::new();
    let found: Vec<_> = upgrade.response_headers(&nothing).unwrap().collect();
    assert_eq!(found, headers, "{label}");
}

/// The required parts of an answer: the status line, and the headers of this status.
pub(crate) type Answer = (&'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
pub(crate) mod answer {
    use super::Answer;

    pub(crate) const BAD: Answer         = ("HTTP/1.1 400 Bad Request", &[]);
    pub(crate) const FORBIDDEN: Answer   = ("HTTP/1.1 403 Forbidden", &[]);
    pub(crate) const METHOD: Answer      = ("HTTP/1.1 405 Method Not Allowed", &[("Allow", "GET")]);
    pub(crate) const NO_UPGRADE: Answer  = ("HTTP/1.1 426 Upgrade Required", &[("Upgrade", "websocket")]);
    pub(crate) const WS_VERSION: Answer  =
        ("HTTP/1.1 426 Upgrade Required", &[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]);
    pub(crate) const TOO_LARGE: Answer   = ("HTTP/1.1 431 Request Header Fields Too Large", &[]);
    pub(crate) const VERSION: Answer     = ("HTTP/1.1 505 HTTP Version Not Supported", &[]);
}

/// The answer has its status, exactly its headers, and as many bytes of body as announced.
pub(crate) fn assert_answer(label: &str, response: &[u8], (status_line, required): Answer) {
    let response = Http::parse(response);
    assert_eq!(response.first_line, status_line, "{label}");
    // RFC 9110 §7.8: a sender of Upgrade names it in Connection. RFC 9112 §9.6: a server that closes says so.
    let upgrade = required.iter().any(|(name, _)| *name == "Upgrade");
    let length = response.body.len().to_string();
    let mut headers = required.to_vec();
    headers.push(("Connection", if upgrade { "close, Upgrade" } else { "close" }));
    headers.push(("Content-Length", &length));
    assert_headers(&response, &headers, label);
}

pub(crate) fn assert_refused(label: &str, config: Config, head: &[u8], answer: Answer, refusal: Refusal) {
    for behind in [&behind()[..], b"GET /smuggled HTTP/1.1\r\n\r\n", b""] {
        let outcome = serve_all(label, config, head, behind);
        assert_eq!(outcome.refusal, Some(refusal), "{label}");
        assert!(outcome.behind.is_none_or(|untouched| untouched == behind), "{label}");
        assert_answer(label, &outcome.response, answer);
        assert!(answer.0.contains(&format!(" {} ", refusal.status())), "{label}");
        if let Refusal::Header(fault) = refusal {
            let text = refusal.to_string();
            assert!(text.contains(fault.name()), "{label}: {text}");
            assert_eq!(text.contains("(only "), matches!(fault, HeaderFault::Wrong(_)), "{label}: {text}");
        }
    }
    if let Some(parts) = parts(head) {
        let in_parts = from_parts(config, parts).err().unwrap_or_else(|| panic!("{label}: accepted in parts"));
        assert!(same_refusal(refusal, in_parts), "{label}: {refusal:?} in bytes, {in_parts:?} in parts");
    }
}

pub(crate) fn assert_refused_rows(rows: impl IntoIterator<Item = (&'static str, Vec<u8>, Answer, Refusal)>) {
    for (label, head, answer, refusal) in rows {
        assert_refused(label, Config::new(), &head, answer, refusal);
    }
}

pub(crate) const fn malformed(fault: MalformedHead) -> Refusal {
    Refusal::Head(HeadError::Malformed(fault))
}

/// A method other than GET and HEAD.
pub(crate) const OTHER: Refusal = Refusal::Method { is_head: false };
