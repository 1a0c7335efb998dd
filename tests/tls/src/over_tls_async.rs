//! The loop for one task, over `tokio_rustls`.

use std::{
    error::Error,
    io,
    ops::RangeInclusive,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    join,
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
    try_join,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use websocket_proto::{Client, Connection, Event, Input, Role, Server, SystemRandom, UncleanEnd, frame::CloseCode};

use crate::{
    documented::asynchronous::echo,
    tls::{Open, configs, connected, name},
};

type Stream = TlsStream<TcpStream>;

/// Far less than rustls buffers, so that the end of a message does not fit the sockets.
const SOCKET_BUFFER: u32 = 4 << 10;

const LARGE: usize = 4_300_000;

/// How much later the reader begins than the sender.
const LATE: Duration = Duration::from_millis(300);

/// If nothing arrives for this time, nothing will.
const STALLED: Duration = Duration::from_secs(2);

/// For steps that take a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// rustls buffers 64 KiB. Of the record before them, which has at most 16 KiB, only a part may arrive.
const KEPT: RangeInclusive<u64> = 1..=80 << 10;

/// A server's and a client's end.
async fn streams() -> (Stream, Stream) {
    let socket = || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(SOCKET_BUFFER).unwrap();
        socket.set_recv_buffer_size(SOCKET_BUFFER).unwrap();
        socket
    };
    let listening = socket();
    listening.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listening.listen(1).unwrap();
    let (accepted, connected) = join!(listener.accept(), socket().connect(listener.local_addr().unwrap()));
    let (server, client) = configs();
    let (accepted, connected) = join!(
        TlsAcceptor::from(server).accept(accepted.unwrap().0),
        TlsConnector::from(client).connect(name(), connected.unwrap()),
    );
    (accepted.unwrap().into(), connected.unwrap().into())
}

/// A stream, optionally with a `flush` that does nothing.
struct Flushing<S> {
    stream: S,
    flushes: bool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Flushing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Flushing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushes { Pin::new(&mut self.stream).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The loop's peer, which does one step after another.
struct Peer<R: Role> {
    stream: Stream,
    connection: Open<R>,
}

impl<R: Role> Peer<R> {
    /// Writes everything.
    async fn write(&mut self) {
        let sender = &mut self.connection.sender;
        self.stream.write_all(sender.pending()).await.unwrap();
        sender.consume(sender.pending().len());
        self.stream.flush().await.unwrap();
    }

    /// Reads until `wanted` returns true. The error is how many bytes of a message are missing when nothing arrives any
    /// more.
    async fn read(&mut self, mut wanted: impl FnMut(Event<'_>) -> bool) -> Result<(), u64> {
        let Connection { receiver, sender } = &mut self.connection;
        let mut buf = [0; 16 << 10];
        let mut seen = false;
        while !seen {
            let read = timeout(STALLED, self.stream.read(&mut buf)).await;
            let n = read.map_err(|_| receiver.payload_remaining())?.unwrap();
            assert!(n > 0, "the stream has ended");
            let mut input = Input::new(&mut buf[..n]);
            while let Some(event) = receiver.next_message(&mut input, sender) {
                seen |= wanted(event);
            }
        }
        Ok(())
    }

    async fn read_message_and_close(&mut self, message: &[u8]) {
        let mut received = false;
        let end = self.read(|event| {
            received |= matches!(event, Event::Binary(bytes) if bytes == message);
            is_close(event)
        });
        assert_eq!((end.await, received), (Ok(()), true));
    }

    /// Closes, and waits for the answer.
    async fn close(&mut self) -> Result<(), u64> {
        self.connection.sender.close(CloseCode::NORMAL, "").unwrap();
        self.write().await;
        self.read(is_close).await
    }

    /// Ends its half of the stream: with a `close_notify`, or only below TLS.
    async fn end(&mut self, close_notify: bool) {
        let ended = if close_notify { self.stream.shutdown().await } else { self.stream.get_mut().0.shutdown().await };
        ended.unwrap();
    }
}

/// The documented loop.
async fn run<R: Role>(stream: impl AsyncRead + AsyncWrite, connection: Open<R>) -> Result<(), Box<dyn Error>> {
    timeout(PATIENCE, echo(stream, connection, Input::default())).await.expect("the loop does not end")
}

fn is_close(event: Event<'_>) -> bool {
    matches!(event, Event::Close { .. })
}

fn message(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * i) >> 8) as u8).collect()
}

/// Runs `$test` with the loop as the server or as the client.
macro_rules! in_role {
    ($we_are_server:expr, $test:ident, $($argument:expr),*) => {{
        let ((server_stream, client_stream), (server, client)) = (streams().await, connected());
        if $we_are_server {
            $test(server_stream, server, Peer { stream: client_stream, connection: client }, $($argument),*).await
        } else {
            $test(client_stream, client, Peer { stream: server_stream, connection: server }, $($argument),*).await
        }
    }};
}

/// The loop sends a large message to a peer that begins to read late, and then closes. The error is how many bytes of
/// the message are missing when nothing arrives any more.
async fn send_to_late_reader<R: Role, P: Role>(
    stream: Stream,
    mut connection: Open<R>,
    mut peer: Peer<P>,
    flushes: bool,
) -> Result<(), u64> {
    let message = message(LARGE);
    connection.sender.send_binary(&message).unwrap();
    let sending = async {
        run(Flushing { stream, flushes }, connection).await.unwrap();
        Ok(())
    };
    let reading = async {
        sleep(LATE).await;
        peer.read(|event| matches!(event, Event::Binary(bytes) if bytes == message)).await?;
        peer.close().await?;
        peer.end(true).await;
        Ok(())
    };
    try_join!(sending, reading).map(|_| ())
}

#[tokio::test]
async fn a_late_reader_gets_all_of_a_large_message() {
    for we_are_server in [true, false] {
        let outcome = in_role!(we_are_server, send_to_late_reader, true);
        assert_eq!(outcome, Ok(()), "we are the server: {we_are_server}");
    }
}

#[tokio::test]
async fn without_the_flush_its_end_stays_in_rustls() {
    for we_are_server in [true, false] {
        let outcome = in_role!(we_are_server, send_to_late_reader, false);
        let kept = outcome.expect_err("all has arrived");
        assert!(KEPT.contains(&kept), "we are the server: {we_are_server}: {kept} bytes are missing");
    }
}

/// How the loop ends when the peer ends the stream, with or without a closing handshake before.
async fn end_of_stream<R: Role, P: Role>(
    stream: Stream,
    connection: Open<R>,
    mut peer: Peer<P>,
    close: bool,
    close_notify: bool,
) -> Result<(), String> {
    let ending = async {
        if close {
            peer.close().await.unwrap();
        }
        peer.end(close_notify).await;
    };
    let (outcome, ()) = join!(run(stream, connection), ending);
    outcome.map_err(|error| match error.downcast_ref::<io::Error>() {
        Some(error) => format!("{:?}", error.kind()),
        None => error.to_string(),
    })
}

/// The Close counts, not the `close_notify`. Without a Close the connection was lost: close code 1006.
#[tokio::test]
async fn after_a_close_the_end_is_clean_with_and_without_close_notify() {
    let lost = UncleanEnd::WithoutClose.to_string();
    for (close, close_notify, wanted) in [
        (true, true, Ok(())),
        (true, false, Ok(())),
        (false, true, Err(lost)),
        (false, false, Err(String::from("UnexpectedEof"))),
    ] {
        for we_are_server in [true, false] {
            let outcome = in_role!(we_are_server, end_of_stream, close, close_notify);
            let row = format!("we are the server: {we_are_server}, {close}, {close_notify}");
            assert_eq!(outcome, wanted, "{row}");
        }
    }
}

/// A server's end, and the client.
async fn server_and_client() -> (Stream, Open<Server>, Peer<Client<SystemRandom>>) {
    let ((stream, client_stream), (connection, client)) = (streams().await, connected());
    (stream, connection, Peer { stream: client_stream, connection: client })
}

#[tokio::test]
async fn a_client_that_has_ended_its_half_gets_all_that_is_pending() {
    for close_notify in [true, false] {
        let (stream, connection, mut client) = server_and_client().await;
        let message = message(LARGE);
        let talking = async {
            client.connection.sender.send_binary(&message).unwrap();
            client.connection.sender.close(CloseCode::NORMAL, "").unwrap();
            client.write().await;
            client.end(close_notify).await;
            sleep(LATE).await;
            client.read_message_and_close(&message).await;
        };
        let (outcome, ()) = join!(run(stream, connection), talking);
        outcome.unwrap();
    }
}

/// The flush waits for a client that does not read yet. The bytes that the client sends meanwhile cause no pending
/// reply.
#[tokio::test]
async fn a_flush_goes_on_after_input() {
    let (stream, mut connection, mut client) = server_and_client().await;
    let message = message(60_000); // rustls takes all of it, and the sockets do not
    connection.sender.send_binary(&message).unwrap();
    let talking = async {
        let (pong, close) = (b"\x8A\x80\0\0\0\0", b"\x88\x80\0\0\0\0");
        for input in [pong, close, pong] {
            sleep(LATE).await;
            client.stream.write_all(input).await.unwrap();
            client.stream.flush().await.unwrap();
        }
        sleep(LATE).await;
        client.read_message_and_close(&message).await;
    };
    let (outcome, ()) = join!(run(stream, connection), talking);
    outcome.unwrap();
}
