//! Real HTTP/1.1 and HTTP/2, with hyper at both ends.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    ext::Protocol,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufWriter, duplex},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use websocket_proto::{
    CloseCode, Config, Connection, Ended, Event, Input, Outcome, SystemRandom, Uri,
    client::{self, Offer},
    time::{Patience, TimedOut},
};

type Client = websocket_proto::ClientConnection;
type Offered = Offer<SystemRandom, Vec<u8>, Vec<u8>>;
type Fault = Box<dyn Error>;

/// Runs a test with a server that listens on a port of its own.
fn with_server<F: Future<Output = Result<(), Fault>>>(test: impl FnOnce(TcpStream, String) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_running, stopping) = watch::channel(());
        tokio::spawn(async move {
            let (socket, client) = listener.accept().await.unwrap();
            hyper_server::serve(socket, client.to_string(), stopping).await.unwrap();
        });
        let socket = TcpStream::connect(address).await.unwrap();
        test(socket, format!("ws://{address}/")).await.unwrap();
    });
}

/// Messages of many lengths, up to 1 MiB, and then a Close with this code. Returns how it ended.
async fn talk(response: Response<Incoming>, offer: Offered, code: u16) -> Result<Outcome, Fault> {
    let response_of_offer = offer.http_response(&response)?;
    assert_eq!(response_of_offer.subprotocol(), Some("echo"));
    let mut connection: Client = response_of_offer.upgrade()?;
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await?);
    for len in [0, 1, 125, 126, 65_535, 65_536, 1 << 20] {
        let message: Vec<u8> = (0..len).map(|index| (index % 251) as u8).collect();
        connection.sender.send_binary(&message)?;
        flush(&mut connection, &mut stream).await?;
        let Some(Seen::Message(echo)) = next(&mut connection, &mut stream).await? else { panic!("no echo of {len}") };
        assert!(echo == message, "{len}");
    }
    connection.sender.close(CloseCode::new(code)?, "bye")?;
    flush(&mut connection, &mut stream).await?;
    assert!(matches!(next(&mut connection, &mut stream).await?, Some(Seen::Close)));
    // The server ends the stream after both Closes, and does not reset it.
    assert_eq!(stream.read(&mut [0; 10]).await?, 0);
    stream.shutdown().await?;
    Ok(connection.outcome())
}

enum Seen {
    Message(Vec<u8>),
    Close,
}

async fn flush(connection: &mut Client, stream: &mut (impl AsyncWriteExt + Unpin)) -> Result<(), Fault> {
    while !connection.sender.is_empty() {
        let count = stream.write(connection.sender.pending()).await?;
        connection.sender.consume(count);
    }
    Ok(stream.flush().await?)
}

async fn next(connection: &mut Client, stream: &mut (impl AsyncReadExt + Unpin)) -> Result<Option<Seen>, Fault> {
    let mut bytes = vec![0; 32 << 10];
    let Connection { receiver, sender } = connection;
    loop {
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            return Ok(None);
        }
        let mut input = Input::new(&mut bytes[..count]);
        // Nothing follows it: the server answers one message at a time.
        if let Some(event) = receiver.next_message(&mut input, sender) {
            match event {
                Event::Binary(message) => return Ok(Some(Seen::Message(message.to_vec()))),
                Event::Close { .. } => return Ok(Some(Seen::Close)),
                event => panic!("{event:?}"),
            }
        }
    }
}

fn request(address: &str) -> client::Request<'_> {
    client::Request::new(Uri::parse(address).unwrap()).subprotocols(&["chat", "echo"])
}

fn connect(address: &str) -> Result<(Offered, Request<Empty<Bytes>>), Fault> {
    let offer = Offer::extended_connect(Config::new(), &request(address), SystemRandom::new()?)?;
    let mut request = offer.http_request()?.map(|()| Empty::new());
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    Ok((offer, request))
}

#[test]
fn over_http1() {
    with_server(async |socket, address| {
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection.with_upgrades());
        let offer = Offer::http1(Config::new(), &request(&address), SystemRandom::new()?)?;
        let request: Request<Empty<Bytes>> = offer.http_request()?.map(|()| Empty::new());
        let response = sender.send_request(request).await?;
        assert_eq!(response.status(), 101);
        let outcome = talk(response, offer, 1000).await?;
        assert_eq!(outcome.to_string(), "closed by us: 1000 (normal closure)");
        Ok(())
    });
}

/// Several WebSockets and a page, each a stream of one TCP connection.
#[test]
fn over_http2() {
    with_server(async |socket, address| {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        // The first response shows that the settings have arrived.
        let page = Request::get(address.replace("ws://", "http://")).body(Empty::<Bytes>::new())?;
        let page = sender.send_request(page).await?;
        assert_eq!(page.status(), 200);
        assert!(page.into_body().collect().await?.to_bytes().starts_with(b"<!doctype html>"));

        let mut opened = Vec::new();
        for code in [1000, 1001, 4999] {
            let (offer, request) = connect(&address)?;
            let response = sender.send_request(request).await?;
            assert_eq!(response.status(), 200);
            opened.push((response, offer, code));
        }
        for (response, offer, code) in opened {
            let outcome = talk(response, offer, code).await?;
            assert_eq!((outcome.is_clean(), outcome.code()), (true, code));
        }
        Ok(())
    });
}

#[test]
fn refusals_over_http2() {
    with_server(async |socket, address| {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let page = Request::get(address.replace("ws://", "http://")).body(Empty::<Bytes>::new())?;
        sender.send_request(page).await?;

        let (offer, mut request) = connect(&address)?;
        request.headers_mut().insert("sec-websocket-version", "12".parse()?);
        let response = sender.send_request(request).await?;
        assert_eq!((response.status().as_u16(), &response.headers()["sec-websocket-version"]), (400, &"13".parse()?));
        assert!(offer.http_response(&response)?.upgrade().is_err());

        let (_, mut request) = connect(&address)?;
        request.extensions_mut().insert(Protocol::from_static("connect-udp"));
        assert_eq!(sender.send_request(request).await?.status(), 501);
        Ok(())
    });
}

/// The last bytes wait in a buffer of the stream, as they may over TLS.
#[tokio::test]
async fn a_peer_that_ends_its_half_and_reads_nothing_is_given_up() {
    let (mut peer, stream) = duplex(64);
    let connection = Connection::server_without_handshake(Config::new(), Vec::new(), Vec::new()).unwrap();
    let (_running, stopping) = watch::channel(());
    let soon = Some(Duration::from_millis(20));
    let patience = Patience::new().silence(soon).answer(soon);
    let served = tokio::spawn(hyper_server::echo(BufWriter::new(stream), connection, patience, stopping));
    // A message of 1000 bytes, whose echo the peer does not read.
    peer.write_all(b"\x82\xFE\x03\xE8\0\0\0\0").await.unwrap();
    peer.write_all(&[0; 1000]).await.unwrap();
    peer.shutdown().await.unwrap();
    assert_eq!(served.await.unwrap().ended(), Ended::TimedOut(TimedOut::Answer));
}
