//! Code that these tests share: responses, their outcomes, and the checks of a row.

use crate::common::{
    Store,
    cuts::{every_cut, how, pieces},
    frame,
    heads::{NONCE, Template, receive},
};
use websocket_proto::{
    Config, Input, Randomness, Uri,
    client::{Handshake, Request, RequestError, UpgradeError},
    head::HeadError,
};

pub(crate) const RESPONSE: Template = Template(
    "HTTP/1.1 101 Switching Protocols\r\n\
     Upgrade: websocket\r\n\
     Connection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
);

/// How many headers [`RESPONSE`] has.
pub(crate) const RESPONSE_HEADERS: usize = 3;

/// The client's offers in the tables.
pub(crate) const OFFERED: &[&str] = &["chat", "superchat"];

pub(crate) const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\n";

pub(crate) fn new_client<K: Randomness>(
    config: Config,
    request: &Request<'_>,
    random: K,
) -> Result<Handshake<K, Store, Store>, RequestError> {
    #[cfg(feature = "alloc")]
    {
        Handshake::new(config, request, random)
    }
    #[cfg(not(feature = "alloc"))]
    {
        use crate::common::heads::head_store;
        Handshake::with_storage(config, request, random, head_store(), head_store())
    }
}

pub(crate) fn request(uri: &str) -> Request<'_> {
    Request::new(Uri::parse(uri).unwrap())
}

pub(crate) fn behind() -> Vec<u8> {
    frame(0x81, b"behind the head", false)
}

/// A source of randomness that repeats these sixteen bytes.
pub(crate) fn fixed(nonce: [u8; 16]) -> impl FnMut() -> [u8; 4] {
    let mut at = 0;
    move || {
        let key = [nonce[at], nonce[at + 1], nonce[at + 2], nonce[at + 3]];
        at = (at + 4) % 16;
        key
    }
}

// ---- The outcome for a stream

#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// There was no response.
    NoHead(HeadError),
    Response {
        status: u16,
        headers: Vec<(String, Vec<u8>)>,
        subprotocol: Option<String>,
        failure: Option<UpgradeError>,
    },
}

#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    /// The bytes behind the head. Empty if there was no response: where reading stopped is not promised.
    pub(crate) behind: Vec<u8>,
    /// The events of the connection for these bytes.
    pub(crate) events: Vec<String>,
}

impl Outcome {
    pub(crate) fn failure(&self) -> Option<UpgradeError> {
        match &self.verdict {
            Verdict::NoHead(error) => panic!("{error}"),
            Verdict::Response { failure, .. } => *failure,
        }
    }
}

/// Connects to a server that sends these chunks and then ends its stream.
pub(crate) fn connect(config: Config, request: &Request<'_>, nonce: [u8; 16], chunks: &[&[u8]]) -> Outcome {
    let mut chunks: Vec<_> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
    let mut inputs = chunks.iter_mut().map(|chunk| Input::new(chunk));
    let mut handshake = new_client(config, request, fixed(nonce)).unwrap();
    handshake.consume(handshake.pending().len());
    let rest = inputs.by_ref().find_map(|mut input| {
        let whole = handshake.read(&mut input);
        assert!(whole || input.is_empty(), "an incomplete head leaves nothing");
        whole.then_some(input)
    });
    let inputs: Vec<_> = rest.into_iter().chain(inputs).collect();
    let behind = inputs.iter().flat_map(Input::remaining).copied().collect();
    let response = match handshake.into_response() {
        Ok(response) => response,
        Err(error) => return Outcome { verdict: Verdict::NoHead(error), behind: Vec::new(), events: Vec::new() },
    };
    let status = response.status();
    let headers = response.headers().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    let subprotocol = response.subprotocol().map(str::to_owned);
    let checked = response.check();
    let upgrade = response.upgrade();
    assert_eq!(checked.err(), upgrade.as_ref().err().copied(), "`check` says the same");
    let (failure, events) = match upgrade {
        Ok(mut connection) => {
            assert!(connection.sender.is_empty(), "nothing of the handshake is sent as a frame");
            (None, receive(&mut connection.receiver, &mut connection.sender, inputs))
        }
        Err(error) => (Some(error), Vec::new()),
    };
    Outcome { verdict: Verdict::Response { status, headers, subprotocol, failure }, behind, events }
}

/// Connects in every cut of `head`, followed by `behind`; the outcome must be the same.
pub(crate) fn connect_all(label: &str, config: Config, head: &[u8], behind: &[u8]) -> Outcome {
    let stream = [head, behind].concat();
    let request = request("ws://server.example.com/chat").subprotocols(OFFERED);
    let whole = connect(config, &request, NONCE, &[&stream]);
    for cuts in every_cut(stream.len()) {
        assert_eq!(connect(config, &request, NONCE, &pieces(&stream, &cuts)), whole, "{label}, {}", how(&cuts));
    }
    whole
}

// ---- The checks of a row

pub(crate) fn assert_open(label: &str, config: Config, head: &[u8], subprotocol: Option<&str>) {
    for (behind, events) in [(behind(), vec!["text behind the head".to_owned()]), (Vec::new(), Vec::new())] {
        let outcome = connect_all(label, config, head, &behind);
        assert_eq!(outcome.failure(), None, "{label}");
        assert_eq!(outcome.behind, behind, "{label}");
        assert_eq!(outcome.events, events, "{label}");
        let Verdict::Response { status, subprotocol: found, .. } = outcome.verdict else { unreachable!() };
        assert_eq!((status, found.as_deref()), (101, subprotocol), "{label}");
    }
}

pub(crate) fn assert_failure(label: &str, head: &[u8], error: UpgradeError) {
    for behind in [behind(), Vec::new()] {
        let outcome = connect_all(label, Config::new(), head, &behind);
        assert_eq!(outcome.failure(), Some(error), "{label}");
        assert_eq!(outcome.behind, behind, "{label}");
    }
}

pub(crate) fn assert_no_head(label: &str, config: Config, stream: &[u8], error: HeadError) {
    let outcome = connect_all(label, config, stream, b"");
    assert_eq!(outcome.verdict, Verdict::NoHead(error), "{label}");
}
