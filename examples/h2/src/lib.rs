//! A page and WebSockets on one port, directly over the crate `h2`. Each WebSocket is a stream of HTTP/2, opened by
//! extended CONNECT (RFC 8441).

use std::{
    future::poll_fn,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream, ext::Protocol, server::SendResponse};
use http::{Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    time::{sleep, timeout},
};
use websocket_proto::{
    Config, Connection, Input, Outcome, ServerConnection, Transport, server,
    server::Accept,
    time::{Patience, Watch},
};

/// The most streams of one TCP connection at a time. The default of `h2` is no limit.
const STREAMS: u32 = 128;

/// How many bytes of a stream may wait to be read.
const WINDOW: u32 = 64 << 10;

/// A peer that does not read is not read either, once this much waits for it.
const BACKLOG: usize = 64 << 10;

/// Serves every TCP connection. Tells `ended` how each WebSocket has ended.
pub async fn serve(listener: TcpListener, ended: impl Fn(Outcome) + Clone + Send + 'static) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => _ = tokio::spawn(serve_connection(socket, ended.clone())),
            // Most likely there are no file descriptors left; some will be closed.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve_connection(socket: TcpStream, ended: impl Fn(Outcome) + Clone + Send + 'static) {
    // Otherwise a short message may wait 40 ms for the acknowledgement of the one before.
    let _ = socket.set_nodelay(true);
    let mut builder = h2::server::Builder::new();
    // "SETTINGS_ENABLE_CONNECT_PROTOCOL" (RFC 8441 §3)
    builder.enable_connect_protocol().max_concurrent_streams(STREAMS);
    // The connection's window has space for those of all streams: no stream that is not read stops the others. But
    // `h2` ends a connection (ENHANCE_YOUR_CALM) when too many frames of less than 256 bytes wait to be
    // read: if they have 50 bytes, those of 16 streams. See its `data_frame_budget`.
    builder.initial_window_size(WINDOW).initial_connection_window_size(STREAMS * WINDOW);
    let Ok(Ok(mut connection)) = timeout(Duration::from_secs(10), builder.handshake(socket)).await else { return };
    while let Some(Ok((request, response))) = connection.accept().await {
        // An error is that of one stream, which the peer has reset.
        if let Ok(Some(websocket)) = respond(request, response) {
            let ended = ended.clone();
            tokio::spawn(async move {
                let outcome = websocket.await;
                ended(outcome);
            });
        }
    }
}

/// Answers a request. Returns the loop to run, if the answer opens a WebSocket.
fn respond(
    request: Request<RecvStream>,
    mut response: SendResponse<Bytes>,
) -> Result<Option<impl Future<Output = Outcome>>, h2::Error> {
    let mut answer = |whole: Response<Bytes>| {
        let (head, body) = whole.into_parts();
        response.send_response(Response::from_parts(head, ()), false)?.send_data(body, true)?;
        Ok(None)
    };
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let asked = server::Request::from_http(Config::new(), &request, protocol);
    if asked.as_ref().is_ok_and(|asked| !asked.is_upgrade()) {
        return answer(Response::new("a page\n".into()));
    }
    let upgrade = match asked.and_then(server::Request::upgrade) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return answer(refusal.response().to_http().map(Bytes::from)),
    };
    let subprotocol = upgrade.select_subprotocol(&["echo"]);
    let accepted = upgrade.http_response(&Accept::new().subprotocol(subprotocol));
    let (Ok(accepted), Ok(connection)) = (accepted, upgrade.into_connection()) else {
        return answer(server::Response::new(503).to_http().map(Bytes::from));
    };
    let outgoing = response.send_response(accepted, false)?;
    Ok(Some(echo(request.into_body(), outgoing, connection)))
}

/// Repeats every message of one stream.
async fn echo(mut incoming: RecvStream, mut outgoing: SendStream<Bytes>, mut connection: ServerConnection) -> Outcome {
    let origin = Instant::now();
    let mut watch = Watch::new(Patience::new(), origin.elapsed());
    let Connection { receiver: rx, sender: tx } = &mut connection;
    let mut ended = false;
    loop {
        let reads = !ended && tx.backlog() < BACKLOG;
        watch.reading(reads, origin.elapsed());
        let wait = match watch.check(tx, origin.elapsed()) {
            Ok(wait) => wait.unwrap_or(Duration::MAX),
            // Both halves are dropped, and so the stream is reset.
            Err(timed_out) => return connection.outcome().or_timed_out(timed_out),
        };
        if tx.transport() == Transport::CloseNow || (ended && tx.is_empty()) {
            break;
        }
        select! {
            biased;
            data = incoming.data(), if reads => match data {
                Some(Ok(data)) => {
                    watch.heard(origin.elapsed());
                    let count = data.len();
                    // An input is unmasked in place, so this copies, unless nothing else refers to the memory. That is
                    // 30 ns for a short frame and 200 ns for 16 KiB: `cargo bench -p benches --bench bytes`. A
                    // `ReadBuffer` takes half as long for a short frame, but is kept while nothing is received.
                    let mut data = BytesMut::from(data);
                    let mut input = Input::new(&mut data);
                    while let Some(event) = rx.next_message(&mut input, tx) {
                        if let Some(message) = event.message().filter(|_| tx.is_open()) {
                            // A message that does not fit is the only one that is refused.
                            let _ = tx.send(message);
                        }
                    }
                    // Now the peer may send as much again.
                    let _ = incoming.flow_control().release_capacity(count);
                }
                // END_STREAM or RST_STREAM. After a Close both are clean.
                _ => ended = true,
            },
            room = room(&mut outgoing, tx.pending().len()), if !tx.is_empty() => {
                let taken = room.and_then(|room| {
                    let bytes = Bytes::copy_from_slice(&tx.pending()[..room]);
                    outgoing.send_data(bytes, false).ok().map(|()| room)
                });
                match taken {
                    Some(count) => {
                        tx.consume(count);
                        watch.wrote(count, tx.backlog(), origin.elapsed());
                    }
                    None => tx.transport_lost(),
                }
            }
            () = sleep(wait) => {}
        }
    }
    let outcome = connection.outcome();
    // END_STREAM after both Closes, and then the peer's: a stream that is dropped before is reset.
    let _ = outgoing.send_data(Bytes::new(), true);
    while let Ok(wait) = watch.check_end(origin.elapsed())
        && !ended
    {
        select! {
            data = incoming.data() => match data {
                Some(Ok(data)) => _ = incoming.flow_control().release_capacity(data.len()),
                _ => ended = true,
            },
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
    }
    outcome
}

/// Waits until the windows have space for some of these bytes. Returns for how many; `None` if the stream was reset.
async fn room(stream: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    stream.reserve_capacity(wanted);
    let room = match stream.capacity() {
        // This waits for more than there was, so it must not be asked if there is some.
        0 => poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?,
        room => room,
    };
    Some(room.min(wanted))
}
