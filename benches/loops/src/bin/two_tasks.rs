//! `examples/two_tasks` with tokio-tungstenite, whose stream is split.

use std::{
    collections::HashMap,
    env,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    net::{TcpListener, TcpStream},
    select,
    sync::{
        mpsc::{self, Receiver, Sender},
        oneshot, watch,
    },
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// How many messages wait for a writer. Beyond that, who sends waits.
const MESSAGES: usize = 16;

/// How long a peer may take over each step.
#[derive(Clone, Copy)]
struct Patience {
    opening: Duration,
    silence: Duration,
    answer: Duration,
    closing: Duration,
    end: Duration,
}

/// The open connections, for tasks that send to them.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<SocketAddr, Sender<Message>>>>);

impl Peers {
    /// Sends a message to each, and waits for none: a peer that does not read misses it.
    fn send_to_all(&self, message: &Message) {
        for peer in self.lock().values() {
            let _ = peer.try_send(message.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Sender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next();
    let (limit, tick) = (seconds(arguments.next())?, seconds(arguments.next())?);
    let [ten, silence, end] = [10, 25, 2].map(Duration::from_secs);
    let mut patience = Patience { opening: ten, silence, answer: silence, closing: ten, end };
    if let Some(limit) = limit {
        patience = Patience { opening: limit, silence: limit, answer: limit, closing: limit, end: limit };
    }
    // Every connection has a receiver: so all learn that the server stops, and the server learns when all are gone.
    let stop = Arc::new(watch::Sender::new(()));
    let (signal, mut stopped) = (stop.clone(), stop.subscribe());
    ctrlc::set_handler(move || signal.send_replace(()))?;
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9008")).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let peers = Peers::default();
    if let Some(tick) = tick {
        tokio::spawn(send_ticks(peers.clone(), tick));
    }
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((socket, peer)) => drop(tokio::spawn(serve(socket, peer, patience, peers.clone(), stop.subscribe()))),
            // Most likely there are no file descriptors left; some will be closed.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, stopped));
    stop.closed().await;
    Ok(())
}

/// Any task can do this, at any time.
async fn send_ticks(peers: Peers, tick: Duration) {
    for number in 1_u64.. {
        sleep(tick).await;
        peers.send_to_all(&format!("tick {number}").into());
    }
}

fn seconds(argument: Option<String>) -> Result<Option<Duration>, Box<dyn std::error::Error>> {
    let Some(argument) = argument else { return Ok(None) };
    Ok(Some(Duration::try_from_secs_f64(argument.parse()?)?))
}

/// A socket from its first byte to its last. When `stop` changes, its connection is closed with code 1001.
async fn serve(socket: TcpStream, peer: SocketAddr, patience: Patience, peers: Peers, mut stop: watch::Receiver<()>) {
    // Every write is whole messages: waiting for more would only delay them.
    let _ = socket.set_nodelay(true);
    let opened = select! {
        opened = timeout(patience.opening, accept_async(socket)) => opened,
        _ = stop.changed() => return eprintln!("{peer}: timed out in the opening handshake"),
    };
    match opened {
        Ok(Ok(ws)) => {
            let messages = mpsc::channel(MESSAGES);
            peers.lock().insert(peer, messages.0.clone());
            let outcome = talk(ws, patience, messages, stop.clone()).await;
            peers.lock().remove(&peer);
            eprintln!("{peer}: {outcome}");
        }
        Ok(Err(error)) => eprintln!("{peer}: not opened: {error}"),
        Err(_) => eprintln!("{peer}: timed out in the opening handshake"),
    }
}

/// What the tasks know of each other.
struct Shared {
    clock: Instant,
    /// When something was read, in nanoseconds since `clock`.
    heard: AtomicU64,
    /// We have sent a Close.
    is_closing: AtomicBool,
}

/// An open connection until both halves of its stream have ended. Spawns the reader, and is the writer.
async fn talk(
    ws: WebSocketStream<TcpStream>,
    patience: Patience,
    (to_writer, messages): (Sender<Message>, Receiver<Message>),
    stop: watch::Receiver<()>,
) -> String {
    let (mut sink, stream) = ws.split();
    let clock = Instant::now();
    let shared = Arc::new(Shared { clock, heard: AtomicU64::new(0), is_closing: AtomicBool::new(false) });
    let (ended, mut has_ended) = oneshot::channel();
    let reader = tokio::spawn(read(stream, to_writer, shared.clone(), ended));
    let timed_out = write(&mut sink, messages, patience, &shared, &mut has_ended, stop).await.err();
    // The reader reads until the peer ends its half.
    let abort = reader.abort_handle();
    let outcome = match timeout(patience.end, reader).await {
        Ok(Ok(outcome)) => outcome,
        _ => "connection lost".into(),
    };
    abort.abort();
    timed_out.unwrap_or(outcome)
}

/// Reads and handles messages until the end of the stream. Returns how the connection ended.
async fn read(
    mut stream: SplitStream<WebSocketStream<TcpStream>>,
    messages: Sender<Message>,
    shared: Arc<Shared>,
    ended: oneshot::Sender<Option<Message>>,
) -> String {
    let mut outcome = String::from("connection lost");
    // tungstenite answers Pings and Closes itself, and writes the answers with the next read or write.
    while let Some(received) = stream.next().await {
        let message = match received {
            Ok(message) => message,
            Err(error) => {
                let code = match error {
                    Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => break,
                    Error::Protocol(_) => CloseCode::Protocol,
                    Error::Utf8(_) => CloseCode::Invalid,
                    Error::Capacity(_) => CloseCode::Size,
                    _ => break,
                };
                let _ = ended.send(Some(close(code, error.to_string())));
                return format!("failed: {error}");
            }
        };
        shared.heard.store(shared.clock.elapsed().as_nanos() as u64, Ordering::Relaxed);
        match message {
            // Your application is here. This one sends every message back.
            Message::Text(_) | Message::Binary(_) => {
                // While the channel is full, this waits, and nothing is read.
                let _ = messages.send(message).await;
            }
            Message::Close(frame) => {
                let by = if shared.is_closing.load(Ordering::Relaxed) { "us" } else { "the peer" };
                outcome = format!("closed by {by}: {}", frame.map_or(1005, |frame| frame.code.into()));
            }
            _ => {}
        }
    }
    let _ = ended.send(None);
    outcome
}

/// Writes until the reader has ended, or until a deadline. An error is the deadline that was missed.
async fn write(
    sink: &mut SplitSink<WebSocketStream<TcpStream>, Message>,
    mut messages: Receiver<Message>,
    patience: Patience,
    shared: &Shared,
    has_ended: &mut oneshot::Receiver<Option<Message>>,
    mut stop: watch::Receiver<()>,
) -> Result<(), String> {
    let (mut asked, mut closing, mut pings) = (None, None, 0_u32);
    loop {
        let alive = shared.clock + Duration::from_nanos(shared.heard.load(Ordering::Relaxed));
        asked = asked.filter(|asked| alive < *asked);
        let due = match (closing, asked) {
            (Some(since), _) => since + patience.closing,
            (None, Some(asked)) => asked + patience.answer,
            (None, None) => alive + patience.silence,
        };
        let message = select! {
            explanation = &mut *has_ended => {
                if let Ok(Some(explanation)) = explanation {
                    let _ = timeout(patience.closing, sink.send(explanation)).await;
                }
                // Perhaps the peer has ended only its half, and waits for what it has asked for.
                messages.close();
                while let Some(message) = messages.recv().await {
                    if !matches!(timeout(patience.answer, sink.send(message)).await, Ok(Ok(()))) {
                        break;
                    }
                }
                return Ok(());
            }
            Some(message) = messages.recv() => message,
            _ = stop.changed(), if closing.is_none() => {
                messages.close();
                closing = Some(Instant::now());
                shared.is_closing.store(true, Ordering::Relaxed);
                close(CloseCode::Away, String::new())
            }
            () = sleep_until(due) => match (closing, asked) {
                (Some(_), _) => return Err("timed out: no answer to our Close".into()),
                (None, Some(_)) => return Err("timed out: no answer to a Ping".into()),
                (None, None) => {
                    (asked, pings) = (Some(Instant::now()), pings + 1);
                    Message::Ping(pings.to_be_bytes().to_vec().into())
                }
            },
        };
        match timeout(patience.silence + patience.answer, sink.send(message)).await {
            Ok(Ok(()) | Err(Error::ConnectionClosed)) => {}
            // The reader goes on: a Close that says why may have arrived.
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err("timed out: the peer does not read".into()),
        }
    }
}

fn close(code: CloseCode, reason: String) -> Message {
    Message::Close(Some(CloseFrame { code, reason: reason.into() }))
}
