//! A page at `/` and WebSockets at `/echo` with axum, over HTTP/1.1 and HTTP/2. `axum::serve` allows extended CONNECT by
//! itself.

use std::io;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{Html, IntoResponse, Response},
    routing::{any, get},
};
use hyper::{ext::Protocol, http::StatusCode};
use hyper_server::echo;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};
use websocket_proto::{
    Config,
    server::{self, Accept},
    time::Patience,
};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/with-axum.md")]
struct Page;

/// Serves until `signal`, and then until the last WebSocket has ended.
pub async fn serve(listener: TcpListener, signal: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let (stop, stopping) = watch::channel(());
    let told = stop.clone();
    let stopped = async move {
        signal.await;
        let _ = told.send(());
    };
    axum::serve(listener, routes(stopping)).with_graceful_shutdown(stopped).await?;
    // axum waits for those over HTTP/2. Those over HTTP/1.1 are not its own any more.
    stop.closed().await;
    Ok(())
}

/// The routes. When `stopping` changes, the open WebSockets are closed with code 1001.
pub fn routes(stopping: watch::Receiver<()>) -> Router {
    // `any`: the method is GET in HTTP/1.1, and CONNECT in HTTP/2.
    Router::new().route("/", get(Html("<h1>a page</h1>"))).route("/echo", any(open)).with_state(stopping)
}

async fn open(State(stopping): State<watch::Receiver<()>>, mut request: Request) -> Response {
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let asked = server::Request::from_http(Config::new(), &request, protocol);
    let upgrade = match asked.and_then(server::Request::upgrade) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.response().to_http().map(Body::from),
    };
    let accepted = upgrade.http_response(&Accept::new().subprotocol(upgrade.select_subprotocol(&["echo"])));
    let (Ok(response), Ok(connection)) = (accepted, upgrade.into_connection()) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let opened = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match opened.await {
            Ok(stream) => eprintln!("{}", echo(TokioIo::new(stream), connection, Patience::new(), stopping).await),
            Err(error) => eprintln!("{error}"),
        }
    });
    response.map(|()| Body::empty())
}
