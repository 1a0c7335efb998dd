//! A connection on io_uring, with compio: reads and writes take a buffer, and give it back when the kernel is done.
//!
//! - The read in flight is kept across the turns of the loop. If it was dropped, what it has read would be lost.
//! - A write in flight has bytes that the sender no longer counts. The loop counts them.

use std::{mem, net::SocketAddr, ops::Range, pin::pin, time::Duration, time::Instant};

use compio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use compio::{BufResult, buf::IntoInner, buf::IoBuf, net::TcpStream, time::sleep, time::timeout};
use futures_util::{FutureExt, future::Fuse, future::FusedFuture, select_biased};
use websocket_proto::time::{Patience, TimedOut, Watch};
use websocket_proto::{CloseCode, Config, Connection, Error, Input, Outcome, Receiver, Sender, Server, Transport};
use websocket_proto::{ServerConnection, server};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/on-io-uring.md")]
struct Page;

/// A peer that does not take its echoes is not read while so many bytes wait for it.
const BACKLOG: usize = 64 << 10;

/// As good as for ever. compio adds it to the clock, so it must not be too long.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// A connection from its first byte to its last. When `stop` is ready, it is closed with code 1001.
pub async fn serve(socket: TcpStream, peer: SocketAddr, patience: Patience, stop: impl Future<Output = ()>) {
    // Every write is whole messages: waiting for more would only delay them.
    let _ = socket.set_nodelay(true);
    let outcome = talk(&socket, patience, stop).await.unwrap_or_else(Outcome::from);
    eprintln!("{peer}: {outcome}");
    // Closing a socket with unread bytes resets it, and the reset overtakes our last bytes. So the peer ends first.
    let end = async {
        let (_, mut n, mut buffer) = ((&socket).shutdown().await, 1, vec![0; 4096]);
        while n > 0 {
            (n, buffer) = read(&socket, buffer).await;
        }
    };
    let _ = timeout(Duration::from_secs(2), end).await;
}

/// The opening handshake, then messages, until both ends have closed or the peer has ended the stream.
async fn talk(socket: &TcpStream, patience: Patience, stop: impl Future<Output = ()>) -> Result<Outcome, Error> {
    let (clock, mut watch) = (Instant::now(), Watch::new(patience, Duration::ZERO));
    let mut stop = pin!(stop.fuse());
    let mut late = pin!(sleep(watch.check_opening(clock.elapsed())?.unwrap_or(LONG)).fuse());
    let (mut connection, mut buffer, early) = select_biased! {
        opened = pin!(open(socket).fuse()) => opened?,
        () = stop => return Err(TimedOut::Opening.into()),
        () = late => return Err(TimedOut::Opening.into()),
    };
    let Connection { receiver: rx, sender: tx } = &mut connection;
    echo(rx, tx, Input::new(&mut buffer[early]));
    // A terminated future is ignored by `select!`.
    let (mut reading, mut writing) = (pin!(Fuse::terminated()), pin!(Fuse::terminated()));
    let (mut idle, mut written, mut in_flight, mut ended) = (Some(buffer), Vec::new(), 0, false);
    loop {
        let backlog = in_flight + tx.backlog();
        if !ended
            && backlog < BACKLOG
            && let Some(buffer) = idle.take()
        {
            reading.set(read(socket, buffer).fuse());
        }
        let transport = match tx.transport() {
            Transport::CloseNow if in_flight > 0 => Transport::Closing,
            transport => transport,
        };
        watch.reading(!reading.is_terminated(), clock.elapsed());
        let wait = watch.check_with(transport, backlog, clock.elapsed(), |ping| tx.send_ping(ping).is_ok())?;
        if in_flight == 0 {
            // The buffer that was written goes back to the sender.
            tx.take_pending(&mut written);
            in_flight = written.len();
            if in_flight > 0 {
                writing.set(write(socket, mem::take(&mut written), 0).fuse());
            } else if ended || transport == Transport::CloseNow {
                return Ok(connection.outcome());
            }
        }
        select_biased! {
            (n, mut bytes) = reading => {
                ended = n == 0;
                watch.heard(clock.elapsed());
                echo(rx, tx, Input::new(&mut bytes[..n]));
                idle = Some(bytes);
            }
            (n, bytes) = writing => {
                in_flight -= n;
                watch.wrote(n, in_flight + tx.backlog(), clock.elapsed());
                let from = bytes.len() - in_flight;
                match n {
                    0 => { (in_flight, written) = (0, bytes); tx.transport_lost() }
                    _ if in_flight == 0 => written = bytes,
                    _ => writing.set(write(socket, bytes, from).fuse()),
                }
            }
            // Fails if either end has closed already.
            () = stop => _ = tx.close(CloseCode::GOING_AWAY, ""),
            () = pin!(sleep(wait.unwrap_or(LONG)).fuse()) => {}
        }
    }
}

/// Answers what was received. Pings and Closes are answered already, and a failure is explained to the peer.
fn echo(rx: &mut Receiver<Server, Vec<u8>>, tx: &mut Sender<Server, Vec<u8>>, mut input: Input<'_>) {
    while let Some(event) = rx.next_message(&mut input, tx) {
        if event.message().is_some_and(|message| tx.send(message).is_err()) {
            // There is no memory for it. If it is refused because a Close was sent, this changes nothing.
            let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
        }
    }
}

/// The opening handshake, or the response to a request that is not for a WebSocket. Also returns the buffer, and where
/// in it the bytes behind the request are.
async fn open(mut socket: &TcpStream) -> Result<(ServerConnection, Vec<u8>, Range<usize>), Error> {
    let (mut handshake, mut buffer) = (server::Handshake::new(Config::new()), Vec::with_capacity(32 << 10));
    let early = loop {
        let n;
        (n, buffer) = read(socket, buffer).await;
        let mut input = Input::new(&mut buffer[..n]);
        if handshake.read(&mut input) || n == 0 {
            break n - input.remaining().len()..n;
        }
    };
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok((upgrade.accept(&server::Accept::new())?, buffer, early)),
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            let _ = socket.write_all(response).await;
            Err(refusal.into())
        }
    }
}

/// Returns how many bytes were read, and the buffer; 0 bytes if the stream has ended or is lost.
async fn read(mut socket: &TcpStream, buffer: Vec<u8>) -> (usize, Vec<u8>) {
    let BufResult(n, buffer) = socket.read(buffer).await;
    (n.unwrap_or(0), buffer)
}

/// Writes what is behind `from`. Returns how many bytes the socket took, and the buffer; 0 bytes if the stream is lost.
async fn write(mut socket: &TcpStream, bytes: Vec<u8>, from: usize) -> (usize, Vec<u8>) {
    let BufResult(n, rest) = socket.write(bytes.slice(from..)).await;
    (n.unwrap_or(0), rest.into_inner())
}
