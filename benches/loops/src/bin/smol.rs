//! `examples/echo_smol` with async-tungstenite.

use std::{convert::Infallible, env, net::Shutdown, net::SocketAddr, time::Duration, time::Instant};

use async_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use async_tungstenite::{
    WebSocketStream, accept_async, tungstenite::Error, tungstenite::Message, tungstenite::error::ProtocolError,
};
use futures_util::{SinkExt, StreamExt};
use smol::channel::{Receiver, bounded};
use smol::future::{FutureExt, pending, yield_now};
use smol::io::AsyncReadExt;
use smol::{LocalExecutor, Timer, block_on, net::TcpListener, net::TcpStream};

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
    // Nothing is sent: when it is closed, the server stops.
    let (signal, stop) = bounded(1);
    ctrlc::set_handler(move || _ = signal.close())?;
    let listener = block_on(TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9006")))?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let executor = LocalExecutor::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok(accepted) => executor.spawn(serve(accepted, patience, stop.clone())).detach(),
                // Most likely there are no file descriptors left; some will be closed.
                Err(_) => _ = Timer::after(Duration::from_millis(100)).await,
            }
        }
    };
    block_on(executor.run(accept.or(async { _ = stop.recv().await })));
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
    eprintln!("{peer}: {}", talk(socket.clone(), patience, &stop).await);
    // Closing a socket with unread bytes resets it, and the reset overtakes our last bytes. So the peer ends first.
    let _ = socket.shutdown(Shutdown::Write);
    let end = async { while socket.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} };
    end.or(async { _ = Timer::after(Duration::from_secs(2)).await }).await;
}

/// The opening handshake, then messages, until both ends have closed or the peer has ended the stream. Returns how it
/// ended.
async fn talk(socket: TcpStream, patience: Patience, stop: &Receiver<Infallible>) -> String {
    let late = async {
        async { _ = stop.recv().await }.or(async { _ = Timer::after(patience.opening).await }).await;
        None
    };
    let mut ws = match async { Some(accept_async(socket).await) }.or(late).await {
        Some(Ok(ws)) => ws,
        Some(Err(error)) => return format!("not opened: {error}"),
        None => return "timed out in the opening handshake".into(),
    };
    let (mut alive, mut is_asked, mut closing) = (Instant::now(), false, None);
    let (mut pings, mut ended) = (0_u32, String::from("connection lost"));
    loop {
        let due = match closing {
            Some(since) => since + patience.closing,
            None if is_asked => alive + patience.silence + patience.answer,
            None => alive + patience.silence,
        };
        let received = async { Turn::Received(ws.next().await) };
        let stopped = async {
            if closing.is_some() {
                pending().await
            } else {
                _ = stop.recv().await
            }
            Turn::Stop
        };
        let late = async {
            Timer::at(due).await;
            Turn::Late
        };
        let reply = match stopped.or(received).or(late).await {
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
        // A socket that is always ready would keep the thread from the other connections.
        yield_now().await;
    }
}

/// Pongs and the answer to a Close are queued already: without a message this only writes them. `None` if the peer does
/// not read in time.
async fn send(
    ws: &mut WebSocketStream<TcpStream>,
    message: Option<Message>,
    patience: Patience,
) -> Option<Result<(), Error>> {
    let late = async {
        Timer::after(patience.silence + patience.answer).await;
        None
    };
    let sent = async {
        match message {
            Some(message) => Some(ws.send(message).await),
            None => Some(ws.flush().await),
        }
    };
    sent.or(late).await
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
