//! The example, with hyper as its client.

use std::error::Error;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    ext::Protocol,
    upgrade,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use websocket_proto::{
    ClientConnection, Config, Connection, Event, Input, Outcome, SystemRandom, Uri,
    client::{self, Offer},
};

type Fault = Box<dyn Error>;
type Offered = Offer<SystemRandom, Vec<u8>, Vec<u8>>;

/// Runs a test with a server that listens on a port of its own. The test has a sender that stops the server, and the
/// server must end.
fn with_server<F>(test: impl FnOnce(TcpStream, String, oneshot::Sender<()>) -> F)
where
    F: Future<Output = Result<(), Fault>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(axum_server::serve(listener, async { stopped.await.unwrap_or_default() }));
        let socket = TcpStream::connect(address).await.unwrap();
        test(socket, address.to_string(), stop).await.unwrap();
        server.await.unwrap().unwrap();
    });
}

fn websocket(address: &str) -> String {
    format!("ws://{address}/echo")
}

/// A message and its echo. Then the server is stopped, and closes.
async fn talk(response: Response<Incoming>, offer: Offered, stop: oneshot::Sender<()>) -> Result<Outcome, Fault> {
    let mut connection: ClientConnection = offer.http_response(&response)?.upgrade()?;
    let mut stream = TokioIo::new(upgrade::on(response).await?);
    let (mut stop, mut bytes) = (Some(stop), vec![0; 1000]);
    connection.sender.send_text("hello")?;
    loop {
        let Connection { receiver: rx, sender: tx } = &mut connection;
        stream.write_all(tx.pending()).await?;
        tx.consume(usize::MAX);
        let count = stream.read(&mut bytes).await?;
        if count == 0 {
            stream.shutdown().await?;
            return Ok(connection.outcome());
        }
        let mut input = Input::new(&mut bytes[..count]);
        while let Some(event) = rx.next_message(&mut input, tx) {
            match event {
                Event::Text("hello") => stop.take().unwrap().send(()).unwrap(),
                Event::Close { .. } => {}
                event => panic!("{event:?}"),
            }
        }
    }
}

#[test]
fn over_http1() {
    with_server(async |socket, address, stop| {
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::get("/").header("host", &address).body(Body::empty())?;
        assert_eq!(body(sender.send_request(request).await?).await, "<h1>a page</h1>");
        let request = Request::get("/echo").header("host", &address).body(Body::empty())?;
        let refused = sender.send_request(request).await?;
        assert_eq!((refused.status(), &refused.headers()["upgrade"]), (426.try_into()?, &"websocket".parse()?));

        let address = websocket(&address);
        let request = client::Request::new(Uri::parse(&address)?);
        let offer = Offer::http1(Config::new(), &request, SystemRandom::new()?)?;
        let request = offer.http_request()?.map(|()| Body::empty());
        let response = sender.send_request(request).await?;
        assert_eq!(talk(response, offer, stop).await?.to_string(), "closed by the peer: 1001 (going away)");
        Ok(())
    });
}

#[test]
fn over_http2() {
    with_server(async |socket, address, stop| {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let request = Request::get(format!("http://{address}/")).body(Body::empty())?;
        assert_eq!(body(sender.send_request(request).await?).await, "<h1>a page</h1>");

        let address = websocket(&address);
        let request = client::Request::new(Uri::parse(&address)?);
        let offer = Offer::extended_connect(Config::new(), &request, SystemRandom::new()?)?;
        let mut request = offer.http_request()?.map(|()| Body::empty());
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let response = sender.send_request(request).await?;
        assert_eq!(talk(response, offer, stop).await?.to_string(), "closed by the peer: 1001 (going away)");
        Ok(())
    });
}

async fn body(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}
