//! A page and WebSockets on one port with hyper: by `Upgrade` over HTTP/1.1, and by extended CONNECT over HTTP/2, where
//! each WebSocket is a stream of one TCP connection (RFC 8441).

use std::{
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, ext::Protocol, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    select,
    sync::watch,
    time::{sleep, timeout},
};
use websocket_proto::{
    CloseCode, Config, Connection, Input, Outcome, ReadBuffer, Role, Sender, ServerConnection, Transport, deflate,
    server,
    server::Accept,
    time::{Patience, Watch},
};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/with-hyper.md")]
struct Page;

/// How long a client may take over its first request.
const OPENING: Duration = Duration::from_secs(10);

/// How long an HTTP/2 connection may be silent before hyper sends it a Ping of HTTP/2.
const SILENCE: Duration = Duration::from_secs(25);

/// The most streams of one TCP connection at a time.
const STREAMS: u32 = 200;

/// How many bytes of a stream may wait to be read.
const WINDOW: u32 = 64 << 10;

const PAGE: &str = include_str!("page.html");

/// Serves one TCP or TLS connection: pages and WebSockets. When `stopping` changes, no more of them are opened, and
/// those that are open are closed with code 1001.
pub async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: String,
    mut stopping: watch::Receiver<()>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(OPENING);
    // "SETTINGS_ENABLE_CONNECT_PROTOCOL" (RFC 8441 §3)
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(SILENCE).enable_connect_protocol();
    // The connection's window has space for those of all streams: no stream that is not read stops the others.
    builder.http2().max_concurrent_streams(STREAMS).initial_stream_window_size(WINDOW);
    builder.http2().initial_connection_window_size(STREAMS * WINDOW);
    let (told, has_asked) = (stopping.clone(), Arc::new(AtomicBool::new(false)));
    let asked = has_asked.clone();
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        respond(request, client.clone(), told.clone())
    });
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut opening = pin!(sleep(OPENING));
    loop {
        select! {
            result = &mut connection => return result,
            _ = stopping.changed() => {
                connection.as_mut().graceful_shutdown();
                return connection.await;
            }
            () = &mut opening, if !has_asked.load(Ordering::Relaxed) => {
                // Again, because the first request may have arrived while this waited.
                if !has_asked.load(Ordering::Relaxed) {
                    return Err("no request".into());
                }
            }
        }
    }
}

/// A WebSocket needs five lines: `from_http`, `upgrade`, `http_response`, `into_connection`, and hyper's `upgrade::on`.
async fn respond(
    mut request: Request<Incoming>,
    client: String,
    stopping: watch::Receiver<()>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/" {
        return Ok(server::Response::new(404).to_http().map(Full::from));
    }
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let config = Config::new().deflate(deflate::Config::new());
    let asked = server::Request::from_http(config, &request, protocol);
    if asked.as_ref().is_ok_and(|asked| !asked.is_upgrade()) {
        return Ok(Response::builder().header("content-type", "text/html").body(Full::from(PAGE)).unwrap_or_default());
    }
    let upgrade = match asked.and_then(server::Request::upgrade).and_then(from_this_page) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(refusal.response().to_http().map(Full::from)),
    };
    let subprotocol = upgrade.select_subprotocol(&["echo"]);
    let accepted = upgrade.http_response(&Accept::new().subprotocol(subprotocol));
    let (Ok(response), Ok(connection)) = (accepted, upgrade.into_connection()) else {
        return Ok(server::Response::new(503).to_http().map(Full::from));
    };
    let opened = hyper::upgrade::on(&mut request);
    let line = format!("{client} {} {} {:?}", request.method(), request.uri(), request.version());
    tokio::spawn(async move {
        match opened.await {
            Ok(stream) => {
                eprintln!("{line}: {}", echo(TokioIo::new(stream), connection, Patience::new(), stopping).await)
            }
            Err(error) => eprintln!("{line}: {error}"),
        }
    });
    Ok(response.map(|()| Full::default()))
}

type Upgrade = server::Upgrade<Vec<u8>, Vec<u8>>;

/// Refuses the pages of others. Over HTTP/2 the host is that of `:authority`.
fn from_this_page(upgrade: Upgrade) -> Result<Upgrade, server::Refusal> {
    let host = String::from_utf8_lossy(upgrade.request().headers().get("Host").unwrap_or_default());
    upgrade.check_origin(&[format!("http://{host}"), format!("https://{host}")])?;
    Ok(upgrade)
}

/// Repeats every message, over a socket or over a stream of HTTP/2.
pub async fn echo(
    stream: impl AsyncRead + AsyncWrite,
    mut connection: ServerConnection,
    patience: Patience,
    mut stopping: watch::Receiver<()>,
) -> Outcome {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let origin = Instant::now();
    let mut watch = Watch::new(patience, origin.elapsed());
    let Connection { receiver: rx, sender: tx } = &mut connection;
    let (mut buffer, mut unflushed, mut ended) = (ReadBuffer::new(vec![0; 32 << 10]), false, false);
    loop {
        let reads = !ended && tx.backlog() < 64 << 10;
        // The silence after its end is the peer's own. So a flush that never ends has a deadline.
        watch.reading(reads || ended, origin.elapsed());
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
            _ = stopping.changed(), if tx.is_open() => {
                // Fails if either end has closed already.
                let _ = tx.close(CloseCode::GOING_AWAY, "");
            }
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
    // END_STREAM after both Closes, and then the peer's: if the stream were dropped, it would be reset.
    let end = async {
        let _ = writer.shutdown().await;
        while !ended && reader.read(buffer.room()).await.is_ok_and(|count| count > 0) {}
    };
    let _ = timeout(watch.check_end(origin.elapsed()).unwrap_or_default().unwrap_or(Duration::MAX), end).await;
    connection.outcome()
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
