//! What passes over each stream, frame by frame: the client is the crate `h2`, and what it receives is recorded. The
//! servers are this example, that of hyper, and the loop of hyper's example with windows of its own.

mod client;
mod over_hyper;
mod wire;

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use client::Client;
use h2::Reason;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::{client::conn::http2, ext::Protocol};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{mpsc::unbounded_channel, watch},
    time::sleep,
};
use websocket_proto::{
    frame::{Header, MaskingKey, Opcode},
    time::Patience,
};
use wire::{Tap, Wire};

const HELLO: &[u8] = b"\x82\x85\0\0\0\0hello";
const ECHO: &[u8] = b"\x82\x05hello";
const CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xE8";
const CLOSED: &[u8] = b"\x88\x02\x03\xE8";

/// The code and the line of an [`Outcome`](websocket_proto::Outcome).
const CLEAN: (u16, &str) = (1000, "closed by the peer: 1000 (normal closure)");
const LOST: (u16, &str) = (1006, "connection lost: the peer left without a closing handshake");

#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    H2,
    /// Only its frames are seen: it writes the outcomes to a log.
    Hyper,
    HyperEcho,
}

const ALL: [Server; 3] = [Server::H2, Server::Hyper, Server::HyperEcho];

/// Runs a test with each of these servers, one after the other.
fn with_each<F: Future<Output = ()>>(servers: &[Server], test: impl Fn(Client) -> F) {
    for server in servers {
        eprintln!("{server:?}");
        run(async {
            let (listener, address) = listen().await;
            let (sender, outcomes) = unbounded_channel();
            let (_stop, stopping) = watch::channel(());
            match server {
                Server::H2 => {
                    _ = tokio::spawn(h2_server::serve(listener, move |outcome| sender.send(outcome).unwrap()))
                }
                Server::Hyper => _ = tokio::spawn(over_hyper::serve_example(listener, stopping)),
                Server::HyperEcho => _ = tokio::spawn(over_hyper::serve(listener, sender, Patience::new(), stopping)),
            }
            let outcomes = (*server != Server::Hyper).then_some(outcomes);
            test(Client::connect(address, outcomes).await).await;
        });
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn h8_end_stream_follows_both_closes() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        stream.send(HELLO, false);
        stream.expect(ECHO).await;
        stream.expect_silence().await;
        stream.send(CLOSE, false);
        stream.expect(CLOSED).await;
        stream.expect_end().await;
        // The server waits for our END_STREAM.
        stream.expect_silence().await;
        stream.send(b"", true);
        client.expect_outcome(CLEAN).await;
        client.expect_page().await;
        assert_eq!(stream.frames(), ["DATA 7", "DATA 4", "DATA 0 END_STREAM"]);
    });
}

/// What a Close follows is sent to its end, over windows that are smaller, before END_STREAM.
#[test]
fn h8_what_is_pending_is_sent_before_the_end() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        let message = [&b"\x82\xFF\0\0\0\0\0\x03\0\0\0\0\0\0"[..], &[7; 0x3_0000], CLOSE].concat();
        assert!(stream.send_in_window(&mut message.into()).await);
        // Its echo is three times our window.
        sleep(Duration::from_millis(200)).await;
        let echo = [&b"\x82\x7F\0\0\0\0\0\x03\0\0"[..], &[7; 0x3_0000], CLOSED].concat();
        stream.expect(&echo).await;
        stream.expect_end().await;
        stream.send(b"", true);
        client.expect_outcome(CLEAN).await;
        assert!(!stream.frames().concat().contains("RST_STREAM"));
    });
}

#[test]
fn h8_a_peer_that_does_not_end_its_half_is_given_up() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        stream.send(CLOSE, false);
        stream.expect(CLOSED).await;
        stream.expect_end().await;
        assert_eq!(stream.frames(), ["DATA 4", "DATA 0 END_STREAM"]);
        sleep(Duration::from_millis(1500)).await;
        assert_eq!(stream.frames(), ["DATA 4", "DATA 0 END_STREAM"]);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(stream.frames(), ["DATA 4", "DATA 0 END_STREAM", "RST_STREAM NO_ERROR"]);
        client.expect_outcome(CLEAN).await;
        client.expect_page().await;
    });
}

/// A client that says nothing gets a Ping, and then another if it answers. When it does not, or does not answer the
/// server's Close, the stream is reset.
#[test]
fn h8_a_silent_peer_is_given_up() {
    let soon = Some(Duration::from_millis(50));
    let patience = Patience::new().silence(soon).answer(soon).closing(soon);
    for (stops, outcome) in [
        (false, (1006, "timed out: no answer to a Ping")),
        (true, (1006, "timed out: no answer to our Close: 1001 (going away)")),
    ] {
        run(async {
            let (listener, address) = listen().await;
            let (sender, outcomes) = unbounded_channel();
            let (stop, stopping) = watch::channel(());
            tokio::spawn(over_hyper::serve(listener, sender, patience, stopping));
            let mut client = Client::connect(address, Some(outcomes)).await;
            let mut stream = client.open().await;
            stream.expect(b"\x89\x04\0\0\0\x01").await;
            stream.send(b"\x8A\x84\0\0\0\0\0\0\0\x01", false);
            stream.expect(b"\x89\x04\0\0\0\x02").await;
            if stops {
                stop.send(()).unwrap();
                stream.expect(b"\x88\x02\x03\xE9").await;
            }
            client.expect_outcome(outcome).await;
            while stream.receive().await.is_some_and(|data| data.is_ok()) {}
            assert!(stream.frames().concat().contains("RST_STREAM"), "{:?}", stream.frames());
            client.expect_page().await;
        });
    }
}

#[test]
fn h9_a_close_and_the_end_in_one_frame_are_clean() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        stream.send(CLOSE, true);
        stream.expect(CLOSED).await;
        stream.expect_end().await;
        client.expect_outcome(CLEAN).await;
        client.expect_page().await;
        assert_eq!(stream.frames(), ["DATA 4", "DATA 0 END_STREAM"]);
    });
}

#[test]
fn h9_an_end_without_a_close_is_not_clean() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        stream.send(HELLO, true);
        stream.expect(ECHO).await;
        stream.expect_end().await;
        client.expect_outcome(LOST).await;
        client.expect_page().await;
        assert_eq!(stream.frames(), ["DATA 7", "DATA 0 END_STREAM"]);
    });
}

#[test]
fn h9_a_reset_is_not_clean() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        stream.send(HELLO, false);
        stream.expect(ECHO).await;
        stream.outgoing.send_reset(Reason::CANCEL);
        client.expect_outcome(LOST).await;
        client.expect_page().await;
        assert_eq!(stream.frames(), ["DATA 7"]);
    });
}

/// A server that explains a failure waits for the peer's end as well.
#[test]
fn h8_a_failure_is_explained() {
    with_each(&ALL, async |mut client| {
        let mut stream = client.open().await;
        // A frame without a mask.
        stream.send(b"\x82\x01?", false);
        let Some(Ok(close)) = stream.receive().await else { panic!("no Close") };
        assert!(close.starts_with(b"\x88") && close[2..].starts_with(&1002u16.to_be_bytes()), "{close:?}");
        stream.expect_end().await;
        stream.expect_silence().await;
        stream.send(b"", true);
        client.expect_page().await;
        assert!(!stream.frames().concat().contains("RST_STREAM"));
    });
}

/// A server of HTTP/2 whose settings say nothing of extended CONNECT.
async fn serve_without_extended_connect(listener: TcpListener) {
    let (socket, _) = listener.accept().await.unwrap();
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((_, mut response))) = connection.accept().await {
        response.send_response(Response::default(), true).unwrap();
    }
}

/// The client of h2 does not refuse by itself. It knows the setting once the server's first frame has arrived.
#[test]
fn h7_nothing_is_sent_with_h2_if_the_server_has_not_enabled_it() {
    run(async {
        let (listener, address) = listen().await;
        tokio::spawn(serve_without_extended_connect(listener));
        let mut client = Client::connect(address, None).await;
        assert!(client.open_if_enabled().await.is_none());
        client.expect_silence_of_stream(1).await;
        // A caller that does not ask.
        let (_, request) = client.request();
        let (response, _outgoing) = client.requests.send_request(request, false).unwrap();
        assert_eq!(response.await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));
        assert_eq!(client.wire.sent(1), ["HEADERS"]);
    });
}

/// With hyper the connection knows it, and not what sends requests: so a caller must ask before it spawns the
/// connection, and run it until the first response.
#[test]
fn h7_nothing_is_sent_with_hyper_if_the_server_has_not_enabled_it() {
    for is_enabled in [false, true] {
        run(async {
            let (listener, address) = listen().await;
            if is_enabled {
                tokio::spawn(h2_server::serve(listener, |_| {}));
            } else {
                tokio::spawn(serve_without_extended_connect(listener));
            }
            let wire = Wire::default();
            let socket = Tap { socket: TcpStream::connect(address).await.unwrap(), wire: wire.clone() };
            let (mut requests, mut connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
            assert!(!connection.is_extended_connect_protocol_enabled());
            let page = Request::get(format!("http://{address}/")).body(Empty::<Bytes>::new()).unwrap();
            select! {
                response = requests.send_request(page) => assert_eq!(response.unwrap().status(), 200),
                end = &mut connection => panic!("{end:?}"),
            }
            assert_eq!(connection.is_extended_connect_protocol_enabled(), is_enabled);
            tokio::spawn(connection);
            // A caller that does not ask.
            let request = Request::connect(format!("http://{address}/"))
                .extension(Protocol::from_static("websocket"))
                .header("sec-websocket-version", "13")
                .body(Empty::<Bytes>::new())
                .unwrap();
            let response = requests.send_request(request).await;
            assert_eq!(response.is_ok(), is_enabled);
            assert_eq!(wire.sent(3), ["HEADERS"]);
            assert_eq!(wire.received(3), [if is_enabled { "HEADERS" } else { "RST_STREAM PROTOCOL_ERROR" }]);
        });
    }
}

#[test]
fn h2_and_h3_refusals() {
    with_each(&ALL, async |mut client| {
        client.expect_page().await;
        let (_, mut request) = client.request();
        request.extensions_mut().insert(h2::ext::Protocol::from_static("connect-udp"));
        let (response, _outgoing) = client.requests.send_request(request, false).unwrap();
        assert_eq!(response.await.unwrap().status(), 501);

        let (offer, mut request) = client.request();
        request.headers_mut().insert("sec-websocket-version", "12".parse().unwrap());
        let (response, _outgoing) = client.requests.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["sec-websocket-version"], "13");
        assert!(offer.http_response(&response).unwrap().upgrade().is_err());
        client.expect_page().await;
    });
}

/// Some streams are not read. They stand still and lose nothing, and another is echoed meanwhile.
#[test]
fn streams_that_are_not_read_stop_no_other() {
    with_each(&ALL, async |mut client| {
        // h2 ends a connection (ENHANCE_YOUR_CALM) on which too many short frames wait to be read.
        for (len, count) in [(16_000, 3), (3, 1)] {
            let mut stalled = Vec::new();
            for _ in 0..count {
                let (mut stream, mut sent) = (client.open().await, 0u32);
                let rest = loop {
                    let mut message = numbered(sent, len, true).into();
                    if !stream.send_in_window(&mut message).await {
                        break message;
                    }
                    sent += 1;
                    // The server takes what fills the windows and its backlog, and no more.
                    assert!(sent as usize * len < 1 << 20, "{sent} messages");
                };
                stalled.push((stream, sent, rest));
            }

            let mut other = client.open().await;
            for _ in 0..100 {
                other.send(HELLO, false);
                other.expect(ECHO).await;
            }
            other.send(CLOSE, true);
            other.expect(CLOSED).await;
            other.expect_end().await;
            client.expect_outcome(CLEAN).await;

            for (mut stream, sent, mut rest) in stalled {
                for number in 0..sent {
                    stream.expect_next(&numbered(number, len, false)).await;
                }
                assert!(stream.send_in_window(&mut rest).await);
                stream.expect_next(&numbered(sent, len, false)).await;
                stream.send(CLOSE, true);
                stream.expect(CLOSED).await;
                stream.expect_end().await;
                client.expect_outcome(CLEAN).await;
            }
        }
    });
}

/// A message that begins with its number, as a client sends it or as a server does.
fn numbered(number: u32, len: usize, is_masked: bool) -> Vec<u8> {
    let mask = is_masked.then_some(MaskingKey([0; 4]));
    let header = Header::new(Opcode::Binary, mask, len as u64).encode();
    let mut bytes = [header.as_slice(), &number.to_be_bytes()[1..]].concat();
    bytes.resize(header.as_slice().len() + len, 7);
    bytes
}
