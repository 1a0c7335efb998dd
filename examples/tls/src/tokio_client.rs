//! A client on tokio: it sends and receives at once, and closes when there is nothing more to send.
//!
//! The example `client_tokio` is one that keeps its connection, and comes back when it is lost.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split},
    net::TcpStream,
    select,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use websocket_proto::{
    ClientConnection, CloseCode, Config, Connection, Event, Input, Message, Outcome, OwnedMessage, ReadBuffer,
    SystemRandom, Transport, Uri, client,
    time::{Patience, TimedOut, Watch},
};

use crate::tokio_records::{RECORD, write};

/// A connection from its first byte to its last. Returns how it ended; an error if it was never open.
///
/// The socket is connected to the server, or to a proxy that has opened a tunnel to it.
pub async fn run(
    socket: TcpStream,
    uri: Uri<'_>,
    config: Arc<ClientConfig>,
    patience: Patience,
    outgoing: mpsc::Receiver<OwnedMessage>,
    on_message: impl FnMut(Message<'_>),
) -> io::Result<Outcome> {
    let _ = socket.set_nodelay(true);
    let name = ServerName::try_from(uri.host().to_owned()).map_err(io::Error::other)?;
    let origin = Instant::now();
    let now = || origin.elapsed();
    let mut watch = Watch::new(patience, now());
    // One deadline for the handshakes of TLS and of the WebSocket.
    let wait = watch.check_opening(now())?.unwrap_or(Duration::MAX);
    let opening = async {
        let mut stream = TlsConnector::from(config).connect(name, socket).await?;
        io::Result::Ok((open(&mut stream, uri).await, stream))
    };
    let (opened, mut stream) = timeout(wait, opening).await.map_err(|_| TimedOut::Opening)??;
    let ran = match opened {
        Ok(mut connection) => match talk(&mut stream, &mut connection, &mut watch, now, outgoing, on_message).await {
            Ok(()) => Ok(connection.outcome()),
            Err(timed_out) => return Ok(connection.outcome().or_timed_out(timed_out)),
        },
        Err(error) => Err(error),
    };
    // Our `close_notify`. The server may be gone already.
    if let Ok(wait) = watch.check_end(now()) {
        let _ = timeout(wait.unwrap_or(Duration::MAX), stream.shutdown()).await;
    }
    ran
}

/// The opening handshake of the WebSocket.
async fn open(stream: &mut TlsStream<TcpStream>, uri: Uri<'_>) -> io::Result<ClientConnection> {
    let mut handshake = client::Handshake::new(Config::new(), &client::Request::new(uri), SystemRandom::new()?)?;
    stream.write_all(handshake.pending()).await?;
    stream.flush().await?;
    // Single bytes, so that the bytes behind the response stay in TLS.
    let mut byte = [0];
    loop {
        match stream.read_exact(&mut byte).await {
            Ok(_) if !handshake.read(&mut Input::new(&mut byte)) => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            // The response, or the end of the stream: the handshake knows what is missing.
            _ => break,
        }
    }
    Ok(handshake.into_response()?.upgrade()?)
}

/// An open connection, and its closing handshake.
async fn talk(
    stream: &mut TlsStream<TcpStream>,
    Connection { receiver: rx, sender: tx }: &mut ClientConnection,
    watch: &mut Watch,
    now: impl Fn() -> Duration,
    mut outgoing: mpsc::Receiver<OwnedMessage>,
    mut on_message: impl FnMut(Message<'_>),
) -> Result<(), TimedOut> {
    let ((mut reader, mut writer), mut buffer) = (split(stream), ReadBuffer::new(vec![0; RECORD]));
    let (mut is_flushed, mut is_lost, mut has_ended) = (true, false, false);
    loop {
        let wait = watch.check(tx, now())?.unwrap_or(Duration::MAX);
        is_flushed &= tx.is_empty();
        if is_flushed && (has_ended || (!is_lost && tx.transport() == Transport::CloseNow)) {
            return Ok(());
        }
        // Each of these futures may be dropped while it waits, and nothing is lost. It is not `biased`, so that neither
        // direction can starve the other.
        let mut input = Input::default();
        select! {
            read = reader.read(buffer.room_for(rx)), if !has_ended => match read {
                Ok(n @ 1..) => {
                    watch.heard(now());
                    input = buffer.received(n);
                }
                // With a `close_notify` or without: after a Close of the server, our answer is still written. Before
                // it, the connection is lost.
                _ if rx.end_of_input().is_ok() => has_ended = true,
                _ => return Ok(()),
            },
            written = write(&mut writer, tx, watch, &now), if !is_flushed => {
                is_flushed = true;
                if written.is_err() {
                    // A Close that says why may have arrived.
                    tx.transport_lost();
                    is_lost = true;
                }
            }
            message = outgoing.recv(), if is_flushed && tx.is_open() => {
                let sent = match message {
                    Some(message) => tx.send(&message),
                    None => tx.close(CloseCode::NORMAL, ""),
                };
                if sent.is_err() {
                    // There is no memory for it.
                    let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
                }
            }
            () = sleep(wait) => {}
        }
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Event::Pong(payload) = event {
                watch.pong(payload, now());
            } else if let Some(message) = event.message() {
                on_message(message);
            }
        }
    }
}
