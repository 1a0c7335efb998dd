//! A connection in two tasks on tokio: one reads and handles messages, the other has the [`Sender`] and writes. Any
//! other task sends at any time, through a bounded channel.
//!
//! ```text
//!     socket ──▶ reader ──┬── replies ─────▶ writer ──▶ socket
//!                         └── messages ──┬──▶
//!               other tasks ─────────────┘
//! ```
//!
//! | | |
//! |-|-|
//! | replies | Pongs, the answer to a Close, the explanation of a failure. The reader never waits for them, and they never wait for messages |
//! | messages | who sends waits while the channel is full, the reader, too: then the peer has to read before it is read |
//! | the end of the stream | the reader drops its end of the replies; the writer writes the rest |
//! | a lost write | the writer drops what is pending; the reader goes on to the end of the stream, where a Close may wait |
//! | both have closed | the writer shuts down its half; the reader reads until the peer does, or until a deadline |
//!
//! [`Sender`]: websocket_proto::Sender

mod reader;
mod writer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64};
use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::{net::TcpStream, select, sync::watch, time::Instant, time::sleep, time::timeout};
use websocket_proto::time::{Patience, TimedOut, Watch};
use websocket_proto::{Config, Connection, Error, Input, Outcome, OwnedMessage, ServerConnection, UncleanEnd, server};

#[cfg(doctest)]
#[doc = include_str!("../../../docs/two-tasks.md")]
struct Page;

/// How many messages wait for a writer. Beyond that, who sends waits.
const MESSAGES: usize = 16;

/// How many replies wait for a writer, with 128 bytes each. Beyond that, only the newest Pong is kept.
const REPLIES: usize = 512;

/// How long a peer whose request was refused may take to end the stream.
const LINGER: Duration = Duration::from_secs(2);

/// Both ends of the channel of messages to a connection: for all that send, and for its writer.
pub fn messages() -> (Sender<OwnedMessage>, Receiver<OwnedMessage>) {
    channel(MESSAGES)
}

/// The open connections, for tasks that send to them.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<Mutex<HashMap<SocketAddr, Sender<OwnedMessage>>>>);

impl Peers {
    /// Sends a message to each, and waits for none: a peer that does not read misses it.
    pub fn send_to_all(&self, message: &OwnedMessage) {
        for peer in self.lock().values() {
            let _ = peer.try_send(message.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Sender<OwnedMessage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket from its first byte to its last. When `stop` changes, its connection is closed with code 1001.
pub async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    patience: Patience,
    peers: Peers,
    mut stop: watch::Receiver<()>,
) {
    // Every write is whole messages: waiting for more would only delay them.
    let _ = socket.set_nodelay(true);
    let (reader, mut writer) = socket.into_split();
    let mut reader = BufReader::new(reader);
    let wait = Watch::new(patience, Duration::ZERO).check_opening(Duration::ZERO);
    let opened = select! {
        opened = open(&mut reader, &mut writer) => opened,
        () = sleep(until(wait)) => Err(TimedOut::Opening.into()),
        _ = stop.changed() => Err(TimedOut::Opening.into()),
    };
    match opened {
        Ok(connection) => {
            let messages = messages();
            peers.lock().insert(peer, messages.0.clone());
            let outcome = talk(reader, writer, connection, patience, messages, stop).await;
            peers.lock().remove(&peer);
            eprintln!("{peer}: {outcome}");
        }
        Err(error) => {
            eprintln!("{peer}: {}", Outcome::from(error));
            // Closing a socket with unread bytes resets it, and the reset overtakes the response.
            let _ = writer.shutdown().await;
            let end = async { while reader.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} };
            let _ = timeout(LINGER, end).await;
        }
    }
}

/// The opening handshake, or the response to a request that is not for a WebSocket.
async fn open(
    reader: &mut (impl AsyncRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<ServerConnection, Error> {
    let mut handshake = server::Handshake::new(Config::new());
    // Single bytes, so that those behind the request stay in the `BufReader`.
    while let Ok(byte) = reader.read_u8().await
        && !handshake.read(&mut Input::new(&mut [byte]))
    {}
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok(upgrade.accept(&server::Accept::new())?),
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            let _ = writer.write_all(&response).await;
            Err(refusal.into())
        }
    }
}

/// An open connection until both halves of its stream have ended. Spawns the reader, and is the writer.
pub async fn talk(
    stream: impl AsyncRead + Unpin + Send + 'static,
    mut writer: impl AsyncWrite + Unpin,
    Connection { receiver, mut sender }: ServerConnection,
    patience: Patience,
    (to_writer, messages): (Sender<OwnedMessage>, Receiver<OwnedMessage>),
    mut stop: watch::Receiver<()>,
) -> Outcome {
    let (clock, heard, (to_replies, mut replies)) = (Instant::now(), Arc::new(AtomicU64::new(0)), channel(REPLIES));
    let reader = tokio::spawn(reader::read(stream, receiver, (to_replies, to_writer), (heard.clone(), clock)));
    let mut watch = Watch::new(patience, Duration::ZERO);
    let (channels, time) = ((&mut replies, messages), (&mut watch, &*heard, clock));
    let timed_out = writer::write(&mut writer, &mut sender, channels, time, &mut stop).await.err();
    let end = async {
        // The peer finds the end of the stream behind our last byte, and the reader reads until the peer ends its half:
        // closing a socket with unread bytes resets it, and the reset overtakes our last bytes.
        let _ = writer.shutdown().await;
        // Nobody is answered any more, but the outcome has the code of a Close from here.
        while let Some(reply) = replies.recv().await {
            sender.reply(&reply);
        }
    };
    let _ = timeout(until(watch.check_end(clock.elapsed())), end).await;
    // Ends the reader.
    drop(replies);
    let end_of_input = reader.await.unwrap_or(Err(UncleanEnd::WithoutClose));
    Outcome::new(end_of_input, sender.closes()).or_timed_out(timed_out)
}

/// How long to sleep until a deadline: not at all if it is over.
fn until(wait: Result<Option<Duration>, TimedOut>) -> Duration {
    wait.map_or(Duration::ZERO, |wait| wait.unwrap_or(Duration::MAX))
}
