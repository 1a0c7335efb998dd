//! `examples/echo_io_uring` with compio-ws.

use std::{convert::Infallible, env, net::SocketAddr, pin::pin, process::exit, time::Duration, time::Instant};

use compio::io::{AsyncRead, AsyncWrite};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{Runtime, spawn};
use compio::time::{sleep, sleep_until, timeout};
use compio_ws::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use compio_ws::tungstenite::{Error, Message, error::ProtocolError};
use compio_ws::{WebSocketStream, accept_async};
use flume::{Receiver, bounded};
use futures_util::{FutureExt, StreamExt, select_biased};

/// How long a peer may take over each step.
#[derive(Clone, Copy)]
struct Patience {
    opening: Duration,
    silence: Duration,
    answer: Duration,
    closing: Duration,
}

/// What a turn of the loop has waited for.
enum Turn {
    Received(Option<Result<Message, Error>>),
    Stop,
    Late,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (address, seconds) = (env::args().nth(1), env::args().nth(2));
    let [ten, silence] = [10, 25].map(Duration::from_secs);
    let mut patience = Patience { opening: ten, silence, answer: silence, closing: ten };
    if let Some(seconds) = seconds {
        let limit = Duration::try_from_secs_f64(seconds.parse()?)?;
        patience = Patience { opening: limit, silence: limit, answer: limit, closing: limit };
    }
    let runtime = match Runtime::new() {
        Ok(runtime) if runtime.driver_type().is_iouring() => runtime,
        _ => {
            eprintln!("no io_uring here");
            exit(69)
        }
    };
    // Nothing is sent. The signal drops the sender of `stop`. Each connection has a sender of `ended`.
    let ((signal, stop), (alive, ended)) = (bounded(1), bounded(1));
    let mut signal = Some(signal);
    ctrlc::set_handler(move || drop(signal.take()))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9007")).await?;
        println!("listening on ws://{}/", listener.local_addr()?);
        let mut stopped = pin!(closed(stop.clone()).fuse());
        loop {
            let accepted = select_biased! {
                () = stopped => break,
                // Dropped only when the server stops.
                accepted = pin!(listener.accept().fuse()) => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    let (stop, alive) = (closed(stop.clone()), alive.clone());
                    spawn(async move {
                        serve(socket, peer, patience, stop).await;
                        drop(alive);
                    })
                    .detach();
                }
                // Most likely there are no file descriptors left; some will be closed.
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop((listener, alive));
        closed(ended).await;
        Ok(())
    })
}

/// Waits until all senders are dropped.
async fn closed(receiver: Receiver<Infallible>) {
    let _ = receiver.recv_async().await;
}

/// A connection from its first byte to its last.
async fn serve(socket: TcpStream, peer: SocketAddr, patience: Patience, stop: impl Future<Output = ()>) {
    // Every write is whole messages: waiting for more would only delay them.
    let _ = socket.set_nodelay(true);
    eprintln!("{peer}: {}", talk(socket.clone(), patience, stop).await);
    // Closing a socket with unread bytes resets it, and the reset overtakes our last bytes. So the peer ends first.
    let end = async {
        let _ = (&socket).shutdown().await;
        while (&socket).read(Vec::with_capacity(4096)).await.0.is_ok_and(|n| n > 0) {}
    };
    let _ = timeout(Duration::from_secs(2), end).await;
}

/// The opening handshake, then messages, until both ends have closed or the peer has ended the stream. Returns how it
/// ended.
async fn talk(socket: TcpStream, patience: Patience, stop: impl Future<Output = ()>) -> String {
    let mut stop = pin!(stop.fuse());
    let mut late = pin!(sleep(patience.opening).fuse());
    let mut ws = select_biased! {
        opened = pin!(accept_async(socket).fuse()) => match opened {
            Ok(ws) => ws,
            Err(error) => return format!("not opened: {error}"),
        },
        () = stop => return "timed out in the opening handshake".into(),
        () = late => return "timed out in the opening handshake".into(),
    };
    let (mut alive, mut is_asked, mut closing) = (Instant::now(), false, None);
    let (mut pings, mut ended) = (0_u32, String::from("connection lost"));
    loop {
        let due = match closing {
            Some(since) => since + patience.closing,
            None if is_asked => alive + patience.silence + patience.answer,
            None => alive + patience.silence,
        };
        let turn = select_biased! {
            received = pin!(ws.next().fuse()) => Turn::Received(received),
            () = stop => Turn::Stop,
            () = pin!(sleep_until(due).fuse()) => Turn::Late,
        };
        let reply = match turn {
            Turn::Received(None) => return ended,
            Turn::Received(Some(Err(error))) => match close_code(&error) {
                Some(code) => {
                    let _ = send(&mut ws, Some(close(code, error.to_string())), patience).await;
                    return format!("failed: {error}");
                }
                None => return ended,
            },
            Turn::Received(Some(Ok(message))) => {
                (alive, is_asked) = (Instant::now(), false);
                match message {
                    Message::Text(_) | Message::Binary(_) if closing.is_none() => Some(message),
                    Message::Close(frame) => {
                        let by = if closing.is_some() { "us" } else { "the peer" };
                        ended = format!("closed by {by}: {}", frame.map_or(1005, |frame| frame.code.into()));
                        closing = Some(Instant::now());
                        None
                    }
                    _ => None,
                }
            }
            Turn::Stop if closing.is_some() => None,
            Turn::Stop => {
                closing = Some(Instant::now());
                Some(close(CloseCode::Away, String::new()))
            }
            Turn::Late if closing.is_some() => return "timed out: no answer to our Close".into(),
            Turn::Late if is_asked => return "timed out: no answer to a Ping".into(),
            Turn::Late => {
                (pings, is_asked) = (pings + 1, true);
                Some(Message::Ping(pings.to_be_bytes().to_vec().into()))
            }
        };
        match send(&mut ws, reply, patience).await {
            Some(Ok(()) | Err(Error::ConnectionClosed)) => {}
            Some(Err(_)) => return ended,
            None => return "timed out: the peer does not read".into(),
        }
    }
}

/// Pongs and the answer to a Close are queued already: without a message this only writes them. `None` if the peer does
/// not read in time.
async fn send(
    ws: &mut WebSocketStream<TcpStream>,
    message: Option<Message>,
    patience: Patience,
) -> Option<Result<(), Error>> {
    let sent = async {
        match message {
            Some(message) => ws.send(message).await,
            None => ws.flush().await,
        }
    };
    timeout(patience.silence + patience.answer, sent).await.ok()
}

fn close(code: CloseCode, reason: String) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}

/// With which code a failure is explained; `None` if the stream is lost.
fn close_code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(CloseCode::Protocol),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Capacity(_) => Some(CloseCode::Size),
        _ => None,
    }
}
