//! An echo server on smol: a deadline for each step, Pings for silent peers, an orderly end, and a line of log for each
//! connection. It has 100 lines of code, to be copied and changed.
//!
//! ```text
//! cargo run --release -p echo_smol -- [ADDR:PORT [SECONDS]]
//! ```
//!
//! `SECONDS` is how long a peer may take over each step; without it, the defaults of `Patience` hold. Ctrl-C and
//! SIGTERM close all connections with code 1001.
//!
//! A copy needs these dependencies:
//!
//! ```toml
//! ctrlc = { version = "3.5", features = ["termination"] }
//! smol = "2"
//! websocket-proto = "0.1"
//! ```
//!
//! - A turn of the loop waits for whatever comes first: something to read, space to write, a deadline, or the end of
//!   the server. The other futures are dropped. This loses nothing: a future of smol's sockets that has read or written
//!   something is ready.
//! - `race` chooses by chance between reading and writing, so that neither starves the other. `or` prefers both to the
//!   deadline: what was received counts before what is due.
//! - A peer that does not take its echoes is not read while 64 KiB wait for it.
//! - Each connection has buffers of 40 KiB. The example `echo_tokio` has one for all: it waits until a socket is ready,
//!   and only then takes the buffer. `smol::Async` has `readable`, too.

use std::{convert::Infallible, env, net::Shutdown, net::SocketAddr, time::Duration, time::Instant};

use smol::channel::{Receiver, bounded};
use smol::future::{FutureExt, pending, yield_now};
use smol::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use smol::{LocalExecutor, Timer, block_on, net::TcpListener, net::TcpStream};
use websocket_proto::{CloseCode, Config, Connection, Error, Input, Outcome, ReadBuffer, ServerConnection, Transport};
use websocket_proto::{server, time::Patience, time::TimedOut, time::Watch};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (address, seconds, mut patience) = (env::args().nth(1), env::args().nth(2), Patience::new());
    if let Some(seconds) = seconds {
        let limit = Some(Duration::try_from_secs_f64(seconds.parse()?)?);
        patience = patience.opening(limit).silence(limit).answer(limit).closing(limit);
    }
    // Nothing is sent: when it is closed, the server stops.
    let (signal, stop) = bounded(1);
    ctrlc::set_handler(move || _ = signal.close())?;
    let listener = block_on(TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9011")))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let executor = LocalExecutor::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok(accepted) => executor.spawn(serve(accepted, patience, stop.clone())).detach(),
                // Most likely there are no file descriptors left; some will be closed.
                Err(_) => sleep(Some(Duration::from_millis(100))).await,
            }
        }
    };
    block_on(executor.run(accept.or(stopped(&stop))));
    drop(listener);
    while !executor.is_empty() {
        block_on(executor.tick());
    }
    Ok(())
}

/// A connection from its first byte to its last.
async fn serve((mut socket, peer): (TcpStream, SocketAddr), patience: Patience, stop: Receiver<Infallible>) {
    // Every write is whole messages: waiting for more would only delay them.
    let _ = socket.set_nodelay(true);
    let outcome = talk(socket.clone(), patience, &stop).await.unwrap_or_else(Outcome::from);
    eprintln!("{peer}: {outcome}");
    // Closing a socket with unread bytes resets it, and the reset overtakes our last bytes. So the peer ends first.
    let _ = socket.shutdown(Shutdown::Write);
    let end = async { while socket.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} };
    end.or(sleep(Some(Duration::from_secs(2)))).await;
}

/// The opening handshake, then messages, until both ends have closed or the peer has ended the stream.
async fn talk(mut writer: TcpStream, patience: Patience, stop: &Receiver<Infallible>) -> Result<Outcome, Error> {
    let (clock, mut watch) = (Instant::now(), Watch::new(patience, Duration::ZERO));
    let (mut reader, mut buffer) = (BufReader::new(writer.clone()), ReadBuffer::new(vec![0; 32 << 10]));
    let late = async {
        stopped(stop).or(sleep(watch.check_opening(clock.elapsed())?)).await;
        Err(TimedOut::Opening.into())
    };
    let mut connection = open(&mut reader).or(late).await?;
    let (Connection { receiver: rx, sender: tx }, mut is_over) = (&mut connection, false);
    while !(tx.is_empty() && (is_over || tx.transport() == Transport::CloseNow)) {
        let reads = !is_over && tx.backlog() < 64 << 10;
        watch.reading(reads, clock.elapsed());
        let wait = watch.check(tx, clock.elapsed())?;
        let (mut n, mut written) = (0, Ok(0));
        let read = when(reads, async {
            n = reader.read(buffer.room_for(rx)).await.unwrap_or(0);
            watch.heard(clock.elapsed());
            is_over = n == 0;
        });
        let write = when(!tx.is_empty(), async { written = writer.write(tx.pending()).await });
        read.race(write).or(when(tx.is_open(), stopped(stop))).or(sleep(wait)).await;
        match written {
            Ok(n) => tx.consume(n),
            Err(_) => tx.transport_lost(),
        }
        watch.wrote(written.unwrap_or(0), tx.backlog(), clock.elapsed());
        let mut input = buffer.received(n);
        // Pings and Closes are answered already, and a failure is explained to the peer.
        while let Some(event) = rx.next_message(&mut input, tx) {
            if event.message().is_some_and(|message| tx.send(message).is_err()) {
                // There is no memory for it. If it is refused because a Close was sent, this changes nothing.
                let _ = tx.close(CloseCode::INTERNAL_ERROR, "");
            }
        }
        // Fails if either end has closed already.
        let _ = stop.is_closed().then(|| tx.close(CloseCode::GOING_AWAY, ""));
        // A socket that is always ready would keep the thread from the other connections.
        yield_now().await;
    }
    Ok(connection.outcome())
}

/// The opening handshake, or the response to a request that is not for a WebSocket.
async fn open(stream: &mut BufReader<TcpStream>) -> Result<ServerConnection, Error> {
    let (mut handshake, mut byte) = (server::Handshake::new(Config::new()), [0]);
    // Single bytes, so that those behind the request stay in the `BufReader`.
    while stream.read_exact(&mut byte).await.is_ok() && !handshake.read(&mut Input::new(&mut byte)) {}
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok(upgrade.accept(&server::Accept::new())?),
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            let _ = stream.write_all(&response).await;
            Err(refusal.into())
        }
    }
}

/// Waits until the server stops.
async fn stopped(stop: &Receiver<Infallible>) {
    _ = stop.recv().await;
}

async fn sleep(wait: Option<Duration>) {
    _ = Timer::after(wait.unwrap_or(Duration::MAX)).await;
}

async fn when(condition: bool, future: impl Future<Output = ()>) {
    if condition { future.await } else { pending().await }
}
