//! A client on tokio that keeps its connection: messages in both directions, TLS, Pings for a silent server,
//! reconnection, an orderly end. It has 100 lines of code, to be copied and changed.
//!
//! ```text
//! cargo run --release -p client_tokio -- ws://127.0.0.1:9004/
//! cargo run --release -p client_tokio --features tls -- wss://example.com/
//! ```
//!
//! A copy needs these dependencies, and the feature `tls`:
//!
//! ```toml
//! tokio = { version = "1", features = ["io-util", "macros", "net", "rt", "signal", "sync", "time"] }
//! tokio-rustls = { version = "0.26", default-features = false, features = ["ring", "tls12"] }
//! webpki-roots = "1"
//! websocket-proto = "0.1"
//!
//! [features]
//! default = ["tls"]
//! tls = []
//! ```
//!
//! The client and the application share two channels. Here the application sends the lines of stdin, and prints what
//! it receives. The client closes when all senders are dropped and their messages are written (the end of stdin), or
//! when the application drops its receiver (Ctrl-C).
//!
//! - While there is no connection, messages stay in the channel; if it is full, senders wait. A message leaves the
//!   channel when those before it were written. So if a connection is lost, at most one unwritten message is lost. A
//!   message that was written may be lost as well: only an answer of the server can confirm it.
//! - The client reads when the application has taken all messages of the last read. So a slow application slows the
//!   server down. Meanwhile messages are sent, and Pings.
//! - A redirect is not followed: it is printed.
//! - The environment variable `SSL_CERT_FILE` may name a PEM file with more certificates to trust.
//! - tokio's sockets are never interrupted by a signal. Another stream may be: then read and write again.

use std::{env, error::Error, future::pending, io::ErrorKind::WriteZero, io::stdin, thread, time::Duration};

use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::{join, net::TcpStream, select, signal::ctrl_c, time::Instant, time::sleep, time::timeout};
use websocket_proto::{ClientConnection, CloseCode, Config, Connection, Input, OwnedMessage, ReadBuffer, Transport};
use websocket_proto::{SystemRandom, Uri, client, time::Backoff, time::Patience, time::Retry, time::Watch};

/// A TCP or TLS stream.
trait Pipe: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Pipe for S {}

/// The client's ends of the channels.
struct Application {
    outgoing: Receiver<OwnedMessage>,
    /// Has space for all messages of one read: the shortest one has two bytes.
    incoming: Sender<OwnedMessage>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_default();
    let uri = Uri::parse(&address).map_err(|error| format!("{error}; usage: client_tokio ws://HOST[:PORT][/PATH]"))?;
    (cfg!(feature = "tls") || !uri.is_secure()).then_some(()).ok_or("for wss:// build with --features tls")?;
    let ((sender, outgoing), (incoming, received)) = (channel(64), channel(16 << 10));
    // A thread, because the end of a program waits for a read of tokio's stdin.
    thread::spawn(move || stdin().lines().map_while(Result::ok).all(|line| sender.blocking_send(line.into()).is_ok()));
    let application = async { select!(() = on_messages(received) => {}, _ = ctrl_c() => {}) };
    join!(run(uri, Application { outgoing, incoming }), application).0
}

/// Your application. It may wait as long as it likes. To answer, give it a clone of the sender.
async fn on_messages(mut received: Receiver<OwnedMessage>) {
    while let Some(message) = received.recv().await {
        println!("{}", String::from_utf8_lossy(message.as_message().as_bytes()));
    }
}

/// Connects, and connects again when a connection has ended, unless there is nothing to send any more. An error if the
/// server does not want that.
async fn run(uri: Uri<'_>, mut app: Application) -> Result<(), Box<dyn Error>> {
    let (clock, mut backoff, mut random) = (Instant::now(), Backoff::new(), SystemRandom::new()?);
    while !app.outgoing.is_closed() || !app.outgoing.is_empty() {
        // A network that is down may be up again soon; `open` knows what a refusal means.
        let mut retry = Retry::Soon;
        let opening = async { timeout(Duration::from_secs(10), open(uri, &mut retry)).await? };
        let opened = select! { opened = opening => opened, () = app.incoming.closed() => return Ok(()) };
        if let Ok((stream, mut connection)) = opened.inspect_err(|error| eprintln!("not connected: {error}")) {
            backoff.up(clock.elapsed());
            let error = talk(stream, &mut connection, &mut app).await.err().map(|error| format!("({error})"));
            eprintln!("{} {}", connection.outcome(), error.unwrap_or_default());
            retry = connection.outcome().retry();
        }
        let Some(delay) = backoff.delay(retry, clock.elapsed(), &mut random) else { break };
        select! { () = sleep(delay) => {}, () = app.incoming.closed() => return Ok(()) }
    }
    if app.outgoing.is_closed() { Ok(()) } else { Err("no reason to connect again".into()) }
}

/// Returns an open connection. After a refusal, `retry` says whether to ask again.
async fn open(uri: Uri<'_>, retry: &mut Retry) -> io::Result<(impl Pipe + use<>, ClientConnection)> {
    let tcp = TcpStream::connect((uri.host(), uri.port())).await?;
    tcp.set_nodelay(true)?;
    #[cfg(feature = "tls")]
    let tcp: Box<dyn Pipe> = if uri.is_secure() { Box::new(tls(uri.host().into(), tcp).await?) } else { Box::new(tcp) };
    let mut stream = BufReader::new(tcp);
    let mut handshake = client::Handshake::new(Config::new(), &client::Request::new(uri), SystemRandom::new()?)?;
    stream.write_all(handshake.pending()).await.and(stream.flush().await)?;
    // Single bytes, so that the bytes behind the response stay in the `BufReader`.
    while !handshake.read(&mut Input::new(&mut [stream.read_u8().await?])) {}
    let response = handshake.into_response()?;
    *retry = response.retry();
    response.location().inspect(|location| eprintln!("the server redirects to {location}"));
    Ok((stream, response.upgrade()?))
}

#[cfg(feature = "tls")]
async fn tls(host: String, tcp: TcpStream) -> io::Result<impl Pipe> {
    use tokio_rustls::{TlsConnector, rustls, rustls::pki_types::CertificateDer, rustls::pki_types::pem::PemObject};
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    let file = env::var_os("SSL_CERT_FILE").map(std::fs::read).transpose()?;
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&file.unwrap_or_default()).flatten());
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    TlsConnector::from(std::sync::Arc::new(config)).connect(host.try_into().map_err(io::Error::other)?, tcp).await
}

/// Runs an open connection until its end. An error says why it was lost; whether it was lost, only its outcome knows.
async fn talk(stream: impl Pipe, connection: &mut ClientConnection, app: &mut Application) -> io::Result<()> {
    let Connection { receiver: rx, sender: tx } = connection;
    let ((mut reader, mut writer), clock) = (io::split(stream), Instant::now());
    let (mut watch, mut buffer) = (Watch::new(Patience::new(), Duration::ZERO), ReadBuffer::new([0; 32 << 10]));
    while tx.transport() != Transport::CloseNow {
        let reads = app.incoming.capacity() == app.incoming.max_capacity();
        watch.reading(reads, clock.elapsed());
        let wait = watch.check(tx, clock.elapsed())?.unwrap_or(Duration::MAX);
        // Each of these futures may be dropped while it waits, and nothing is lost.
        // It is not `biased`, so that neither direction can starve the other.
        select! {
            read = reader.read(buffer.room_for(rx)), if reads => {
                let n = match read? { 0 => break, n => n };
                watch.heard(clock.elapsed());
                let mut input = buffer.received(n);
                while let Some(event) = rx.next_message(&mut input, tx) {
                    event.message().map(|message| app.incoming.try_send(message.into()));
                }
            }
            // When nothing is pending, TLS may still have bytes to flush.
            written = async {
                if tx.is_empty() { writer.flush().await?; pending().await } else { writer.write(tx.pending()).await }
            } => match written? {
                0 => return Err(WriteZero.into()),
                n => { tx.consume(n); watch.wrote(n, tx.backlog(), clock.elapsed()) }
            },
            _ = app.incoming.reserve_many(app.incoming.max_capacity()), if !reads => {}
            message = app.outgoing.recv(), if tx.is_open() && tx.is_empty() => match message {
                Some(message) => tx.send(&message)?, None => tx.close(CloseCode::NORMAL, "")?,
            },
            // What is in the channel is still sent.
            () = app.incoming.closed(), if !app.outgoing.is_closed() => app.outgoing.close(),
            () = sleep(wait) => {}
        }
    }
    // The server may have ended only its half of the stream, and wait for our answer to its Close.
    timeout(Duration::from_secs(2), async { writer.write_all(tx.pending()).await.and(writer.shutdown().await) }).await?
}
