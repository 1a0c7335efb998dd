//! The loop of the example for hyper, in a service that tells the outcomes and has windows of its own.

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, ext::Protocol, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpListener,
    sync::{mpsc::UnboundedSender, watch},
};
use websocket_proto::{
    Config, Outcome,
    server::{self, Accept, Refusal},
    time::Patience,
};

/// The example as it is. It writes the outcomes to its log.
pub(crate) async fn serve_example(listener: TcpListener, stopping: watch::Receiver<()>) -> io::Result<()> {
    loop {
        let (socket, client) = listener.accept().await?;
        tokio::spawn(hyper_server::serve(socket, client.to_string(), stopping.clone()));
    }
}

pub(crate) async fn serve(
    listener: TcpListener,
    outcomes: UnboundedSender<Outcome>,
    patience: Patience,
    stopping: watch::Receiver<()>,
) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        let (outcomes, stopping) = (outcomes.clone(), stopping.clone());
        let service = service_fn(move |request| {
            let response = respond(request, outcomes.clone(), patience, stopping.clone());
            async { Ok::<_, Refusal>(response.unwrap_or_else(|refusal| answer(refusal.response()))) }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.enable_connect_protocol().initial_stream_window_size(64 << 10);
        builder.initial_connection_window_size(8 << 20);
        tokio::spawn(builder.serve_connection(TokioIo::new(socket), service));
    }
}

fn respond(
    mut request: Request<Incoming>,
    outcomes: UnboundedSender<Outcome>,
    patience: Patience,
    stopping: watch::Receiver<()>,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let asked = server::Request::from_http(Config::new(), &request, protocol)?;
    if !asked.is_upgrade() {
        return Ok(answer(server::Response::new(200).body(b"a page\n")));
    }
    let upgrade = asked.upgrade()?;
    let response = upgrade.http_response(&Accept::new()).unwrap();
    let connection = upgrade.into_connection().unwrap();
    let stream = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let stream = TokioIo::new(stream.await.unwrap());
        let _ = outcomes.send(hyper_server::echo(stream, connection, patience, stopping).await);
    });
    Ok(response.map(|()| Full::default()))
}

fn answer(response: server::Response<'_>) -> Response<Full<Bytes>> {
    response.to_http().map(|body| Full::from(body.to_vec()))
}
