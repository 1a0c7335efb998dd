//! A server on tokio: it sends every message back.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use websocket_proto::{
    Config, Connection, Event, Input, Outcome, ReadBuffer, ServerConnection, Transport,
    frame::CloseCode,
    server,
    time::{Patience, TimedOut, Watch},
};

use crate::tokio_records::{RECORD, write};

/// A peer that doesn't take its echoes isn't read while its backlog is this long.
const BACKLOG: usize = 64 << 10;

/// How long all peers together may take to answer our Close when the server ends.
const ENDING: Duration = Duration::from_secs(5);

/// Serves until `signal`, and then until the last connection has ended.
pub async fn run(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    patience: Patience,
    signal: impl Future<Output = ()>,
) {
    let acceptor = TlsAcceptor::from(config);
    // Every connection holds a receiver: so all learn that the server ends, and the sender learns when all are gone.
    let (ending, alive) = watch::channel(());
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((socket, address)) => {
                    let serving = serve(socket, acceptor.clone(), patience, alive.clone());
                    drop(tokio::spawn(log(address, serving)));
                }
                // Most likely there are no file descriptors left; some will be closed.
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    };
    select! {
        () = accepting => {}
        () = signal => {}
    }
    drop((listener, alive));
    let _ = ending.send(());
    let _ = timeout(ENDING, ending.closed()).await;
}

/// One line for each connection.
async fn log(address: SocketAddr, serving: impl Future<Output = io::Result<Outcome>>) {
    match serving.await {
        Ok(outcome) => eprintln!("{address}: {outcome}"),
        Err(error) => eprintln!("{address}: not opened: {error}"),
    }
}

/// A connection from its first byte to its last. Returns how it ended; an error if it was never open. When `ending`
/// changes, it is closed.
pub async fn serve(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    patience: Patience,
    ending: watch::Receiver<()>,
) -> io::Result<Outcome> {
    let _ = socket.set_nodelay(true);
    let origin = Instant::now();
    let now = || origin.elapsed();
    let mut watch = Watch::new(patience, now());
    // One deadline for the handshakes of TLS and of the WebSocket.
    let wait = watch.check_opening(now())?.unwrap_or(Duration::MAX);
    let opening = async {
        match acceptor.accept(socket).into_fallible().await {
            Ok(mut stream) => Ok((open(&mut stream).await, stream)),
            Err(failed) => Err(failed),
        }
    };
    let (opened, mut stream) = match timeout(wait, opening).await.map_err(|_| TimedOut::Opening)? {
        Ok(opened) => opened,
        Err((error, mut socket)) => {
            // TLS has told the peer why.
            linger(&mut socket, &mut watch, now()).await;
            return Err(error);
        }
    };
    let served = match opened {
        Ok(mut connection) => match talk(&mut stream, &mut connection, &mut watch, now, ending).await {
            Ok(()) => Ok(connection.outcome()),
            Err(timed_out) => return Ok(connection.outcome().or_timed_out(timed_out)),
        },
        Err(error) => Err(error),
    };
    linger(&mut stream, &mut watch, now()).await;
    served
}

/// The opening handshake of the WebSocket.
async fn open(stream: &mut TlsStream<TcpStream>) -> io::Result<ServerConnection> {
    let mut handshake = server::Handshake::new(Config::new());
    // Single bytes, so that the bytes behind the request stay in TLS.
    let mut byte = [0];
    loop {
        match stream.read_exact(&mut byte).await {
            Ok(_) if !handshake.read(&mut Input::new(&mut byte)) => {}
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error),
            // The request, or the end of the stream: the handshake knows what is missing.
            _ => break,
        }
    }
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok(upgrade.accept(&server::Accept::new())?),
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            stream.write_all(&response).await?;
            Err(refusal.into())
        }
    }
}

/// An open connection, and its closing handshake.
async fn talk(
    stream: &mut TlsStream<TcpStream>,
    Connection { receiver: rx, sender: tx }: &mut ServerConnection,
    watch: &mut Watch,
    now: impl Fn() -> Duration,
    mut ending: watch::Receiver<()>,
) -> Result<(), TimedOut> {
    let ((mut reader, mut writer), mut buffer) = (split(stream), ReadBuffer::new(vec![0; RECORD]));
    let (mut is_flushed, mut is_lost, mut has_ended) = (true, false, false);
    loop {
        let reads = !has_ended && tx.backlog() < BACKLOG;
        watch.reading(reads, now());
        let wait = watch.check(tx, now())?.unwrap_or(Duration::MAX);
        is_flushed &= tx.is_empty();
        if is_flushed && (has_ended || (!is_lost && tx.transport() == Transport::CloseNow)) {
            return Ok(());
        }
        // Each of these futures may be dropped while it waits, and nothing is lost.
        let mut input = Input::default();
        select! {
            // What was received counts before what is due.
            biased;
            _ = ending.changed(), if tx.is_open() => {
                // Fails if either end has closed already.
                let _ = tx.close(CloseCode::GOING_AWAY, "");
            }
            read = reader.read(buffer.room_for(rx)), if reads => match read {
                Ok(n @ 1..) => {
                    watch.heard(now());
                    input = buffer.received(n);
                }
                // With a `close_notify` or without: after a Close of the peer, our answer is still written. Before it,
                // the connection is lost.
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
            () = sleep(wait) => {}
        }
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Event::Pong(payload) = event {
                watch.pong(payload, now());
            } else if let Some(message) = event.message()
                && tx.send(message).is_err()
            {
                // There is no memory for it. If it is refused because a Close was sent, this changes nothing.
                let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
            }
        }
    }
}

/// Ends our half of the stream, over TLS with a `close_notify`, and reads to the end of the peer's. Closing a socket
/// with unread bytes resets it, and the reset overtakes what was written last.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), watch: &mut Watch, now: Duration) {
    let Ok(wait) = watch.check_end(now) else { return };
    let end = async {
        let _ = stream.shutdown().await;
        while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
    };
    let _ = timeout(wait.unwrap_or(Duration::MAX), end).await;
}
