//! A page and WebSockets on one port with hyper: by `Upgrade` over HTTP/1.1, and by extended CONNECT over HTTP/2, where
//! each WebSocket is a stream of one TCP connection (RFC 8441).

use std::{
    convert::Infallible,
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, ext::Protocol, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    time::sleep,
};
use websocket_proto::{
    Config, Connection, Input, Outcome, ReadBuffer, Role, Sender, Transport, server,
    server::Accept,
    time::{Patience, Watch},
};

/// Serves every TCP connection, until accepting fails.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(serve_connection(socket));
    }
}

async fn serve_connection(socket: TcpStream) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // "SETTINGS_ENABLE_CONNECT_PROTOCOL" (RFC 8441 §3)
    builder.http2().enable_connect_protocol();
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service_fn(respond));
    if let Err(error) = connection.await {
        eprintln!("{error}");
    }
}

/// The five lines are those with `from_http`, `upgrade`, `http_response`, `into_connection` and `upgrade::on`.
async fn respond(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let protocol = request.extensions().get::<Protocol>().map(|protocol| protocol.as_str().to_owned());
    let asked = server::Request::from_http(Config::new(), &request, protocol.as_deref());
    if asked.as_ref().is_ok_and(|asked| !asked.is_upgrade()) {
        return Ok(Response::new(Full::from("a page\n")));
    }
    let upgrade = match asked.and_then(server::Request::upgrade) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(refusal.response().to_http().map(|body| Full::from(body.to_vec()))),
    };
    let subprotocol = upgrade.select_subprotocol(&["echo"]);
    let accepted = upgrade.http_response(&Accept::new().subprotocol(subprotocol));
    let (Ok(response), Ok(connection)) = (accepted, upgrade.into_connection()) else {
        return Ok(server::Response::new(503).to_http().map(|_| Full::default()));
    };
    tokio::spawn(echo_upgraded(hyper::upgrade::on(&mut request), connection));
    Ok(response.map(|()| Full::default()))
}

async fn echo_upgraded(upgrade: OnUpgrade, connection: Connection<websocket_proto::Server, Vec<u8>, Vec<u8>>) {
    match upgrade.await {
        Ok(stream) => eprintln!("{}", echo(TokioIo::new(stream), connection).await),
        Err(error) => eprintln!("{error}"),
    }
}

/// Repeats every message, over a socket or over a stream of HTTP/2, in either role.
pub async fn echo<R: Role>(
    stream: impl AsyncRead + AsyncWrite,
    mut connection: Connection<R, Vec<u8>, Vec<u8>>,
) -> Outcome {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let origin = Instant::now();
    let mut watch = Watch::new(Patience::new(), origin.elapsed());
    let Connection { receiver: rx, sender: tx } = &mut connection;
    let (mut buffer, mut unflushed, mut ended) = (ReadBuffer::new(vec![0; 32 << 10]), false, false);
    loop {
        let reads = !ended && tx.backlog() < 64 << 10;
        watch.reading(reads, origin.elapsed());
        let wait = match watch.check(tx, origin.elapsed()) {
            Ok(wait) => wait.unwrap_or(Duration::MAX),
            Err(timed_out) => return connection.outcome().or_timed_out(timed_out),
        };
        unflushed |= !tx.is_empty();
        if !unflushed && (ended || tx.transport() == Transport::CloseNow) {
            break;
        }
        let mut input = Input::default();
        select! {
            biased;
            read = reader.read(buffer.room_for(rx)), if reads => match read {
                Ok(n) if n > 0 => {
                    watch.heard(origin.elapsed());
                    input = buffer.received(n);
                }
                _ => ended = true,
            },
            written = write(&mut writer, tx, &mut watch, origin), if unflushed => {
                unflushed = false;
                if written.is_err() {
                    tx.transport_lost();
                }
            }
            () = sleep(wait) => {}
        }
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Some(message) = event.message().filter(|_| tx.is_open()) {
                // A message that does not fit is the only one that is refused.
                let _ = tx.send(message);
            }
        }
    }
    let outcome = connection.outcome();
    // END_STREAM after both Closes, and then the peer's: if the stream were dropped, it would be reset.
    let _ = writer.shutdown().await;
    while let Ok(wait) = watch.check_end(origin.elapsed())
        && !ended
    {
        select! {
            read = reader.read(buffer.room()) => ended = !read.is_ok_and(|count| count > 0),
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
    }
    outcome
}

/// May be dropped while it waits: what the stream has taken is consumed, and flushing can be repeated.
async fn write<R: Role>(
    stream: &mut (impl AsyncWrite + Unpin),
    tx: &mut Sender<R, Vec<u8>>,
    watch: &mut Watch,
    origin: Instant,
) -> io::Result<()> {
    while !tx.is_empty() {
        match stream.write(tx.pending()).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => {
                tx.consume(n);
                watch.wrote(n, tx.backlog(), origin.elapsed());
            }
        }
    }
    stream.flush().await
}
