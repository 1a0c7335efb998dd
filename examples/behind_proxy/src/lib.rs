//! A WebSocket server behind a proxy: it answers the proxy's health checks, knows the addresses of the clients, and
//! ends the visits of those who are wrong here.

use std::{
    net::IpAddr,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    sync::watch,
    time::{sleep, timeout},
};
use websocket_proto::{
    CloseCode, Config, Connection, Input, Outcome, ReadBuffer, ServerConnection, Transport, server,
    time::{Patience, TimedOut, Watch},
};

pub mod client_address;
pub mod visitors;

/// A peer that doesn't take its echoes isn't read while its backlog is this long.
const BACKLOG: usize = 64 << 10;

/// How long a peer may take to end the stream after we did.
const LINGER: Duration = Duration::from_secs(2);

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

/// What the server must be told about the proxies in front of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The proxies whose headers are believed.
    pub trusted: Vec<IpAddr>,
    /// Each connection begins with a header of the PROXY protocol. Only trusted proxies may connect then.
    pub proxy_protocol: bool,
    /// The pages that may open a WebSocket, as the browser names them; without any, all pages may.
    pub origins: Vec<String>,
    /// How long a client may take over its first request.
    pub opening: Duration,
}

/// Serves until `stop` is ready, and then closes all connections.
pub async fn serve(listener: TcpListener, settings: Settings, stop: impl Future<Output = ()>) {
    let settings = Arc::new(settings);
    // Every visit holds a receiver: so all learn that the server ends, and the sender learns when all are gone.
    let (ending, alive) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                drop(tokio::spawn(visit(socket, peer.ip().to_canonical(), settings.clone(), alive.clone())));
            }
            // Most likely there are no file descriptors left; some will be closed.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // The proxy's next check fails, so it sends new clients elsewhere.
    drop((listener, alive));
    let _ = ending.send(());
    let _ = timeout(ENDING_PATIENCE, ending.closed()).await;
}

/// A connection from its first byte to its last.
async fn visit(mut socket: TcpStream, peer: IpAddr, settings: Arc<Settings>, mut ending: watch::Receiver<()>) {
    let _ = socket.set_nodelay(true);
    let mut client = peer;
    let opened = select! {
        opened = timeout(settings.opening, open(&mut socket, &mut client, &settings)) => opened,
        _ = ending.changed() => return,
    };
    match opened.unwrap_or_else(|_| Err(Some(Outcome::from(TimedOut::Opening).to_string()))) {
        Ok((mut connection, mut early)) => {
            let ended = talk(&mut socket, &mut connection, Input::new(&mut early), &mut ending).await;
            eprintln!("{client}: {}", connection.outcome().or_timed_out(ended.err()));
        }
        Err(Some(reason)) => eprintln!("{client}: {reason}"),
        Err(None) => {}
    }
    // Ends the stream so that the last bytes arrive. Closing a socket with unread bytes resets it, and the reset
    // overtakes the Close frame.
    let _ = socket.shutdown().await;
    let _ = timeout(LINGER, async { while matches!(socket.read(&mut [0; 1024]).await, Ok(1..)) {} }).await;
}

/// Reads a request and answers it. Returns the connection and the bytes behind the request; or, if no WebSocket is
/// opened, the reason, unless it is not worth a line in the log.
///
/// `client` is the TCP peer, until more is known.
async fn open(
    socket: &mut TcpStream,
    client: &mut IpAddr,
    settings: &Settings,
) -> Result<(ServerConnection, Vec<u8>), Option<String>> {
    let mut received = Vec::with_capacity(1024);
    if settings.proxy_protocol {
        if !settings.trusted.contains(client) {
            return Err(Some("not a proxy that is trusted".into()));
        }
        let said = client_address::proxy_header(socket, &mut received).await;
        *client = said.map_err(|error| Some(error.into()))?.unwrap_or(*client);
    }
    let mut handshake = server::Handshake::new(Config::new());
    let early = loop {
        let mut input = Input::new(&mut received);
        if handshake.read(&mut input) {
            break input.remaining().to_vec();
        }
        received.clear();
        // A lost connection counts as the end.
        if socket.read_buf(&mut received).await.unwrap_or(0) == 0 {
            break Vec::new();
        }
    };
    let asked = handshake.into_request();
    if let Ok(request) = &asked {
        *client = client_address::forwarded(*client, &request.headers(), &settings.trusted);
    }
    match visitors::answer(asked, &settings.origins) {
        Ok(connection) => Ok((connection, early)),
        Err(farewell) => {
            let mut bytes = Vec::new();
            if farewell.response.is_some_and(|response| response.write(&mut bytes).is_ok()) {
                let _ = socket.write_all(&bytes).await;
            }
            Err(farewell.log.map(|outcome| outcome.to_string()))
        }
    }
}

/// Echoes all messages, and closes when the server ends.
async fn talk(
    socket: &mut TcpStream,
    connection: &mut ServerConnection,
    mut input: Input<'_>,
    ending: &mut watch::Receiver<()>,
) -> Result<(), TimedOut> {
    let (mut reader, mut writer) = socket.split();
    let Connection { receiver: rx, sender: tx } = connection;
    let mut buffer = ReadBuffer::new(vec![0; 16 << 10]);
    let opened = Instant::now();
    let now = || opened.elapsed();
    // It sends Pings, in time for proxies that cut a connection after a minute of silence.
    let mut watch = Watch::new(Patience::new(), now());
    loop {
        while let Some(event) = rx.next_message(&mut input, tx) {
            if let Some(message) = event.message()
                && tx.send(message).is_err()
            {
                // There is no memory for it. If it is refused because a Close was sent, this changes nothing.
                let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
            }
        }
        let reads = tx.backlog() < BACKLOG;
        watch.reading(reads, now());
        let wait = watch.check(tx, now())?;
        if tx.is_empty() && tx.transport() == Transport::CloseNow {
            return Ok(());
        }
        input = Input::default();
        select! {
            // What was received counts before what is due.
            biased;
            _ = ending.changed(), if tx.is_open() => {
                // Fails only if either end has closed already.
                let _ = tx.close(CloseCode::GOING_AWAY, "");
            }
            read = reader.read(buffer.room_for(rx)), if reads => match read {
                Ok(n @ 1..) => {
                    watch.heard(now());
                    input = buffer.received(n);
                }
                _ => return Ok(()),
            },
            written = writer.write(tx.pending()), if !tx.is_empty() => match written {
                Ok(n @ 1..) => {
                    tx.consume(n);
                    watch.wrote(n, tx.backlog(), now());
                }
                _ => tx.transport_lost(),
            },
            () = sleep(wait.unwrap_or(Duration::MAX)) => {}
        }
    }
}
