//! An echo server on tokio, with everything that a server on the open internet needs: a time for each step, pings for a silent peer, an
//! answer for those that are no WebSocket, and an orderly end.
//!
//! ```text
//! cargo run --release --example echo_tokio -- 127.0.0.1:9004
//! ```
//!
//! It waits until a socket is *ready*, then reads without waiting. So a buffer is needed only between two awaits, and one serves all
//! connections of a thread; and no message is borrowed across an await. What is behind a stream that can't say when it is ready, such as TLS,
//! needs a buffer of its own in each task: `reader.read(&mut buf)` in place of `readable()`, and `input = Input::default()` before the
//! `select!`, because the last input still borrows the buffer.

use std::{
    cell::RefCell,
    env,
    error::Error,
    io::{self, ErrorKind},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    select,
    time::{Instant, sleep, sleep_until, timeout},
};
use websocket_proto::{Config, Connection, Input, Receiver, Sender, Server, Transport, server};

/// How long a peer may take over its request, over its answer to our Close, and to end the stream after that.
const PATIENCE: Duration = Duration::from_secs(10);

/// A peer that has been silent for so long is pinged; after as long again it is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);

/// A peer that doesn't take its echoes isn't read while so much waits for it.
const BACKLOG: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listen = env::args().nth(1).unwrap_or_else(|| String::from("127.0.0.1:9004"));
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                _ = tokio::spawn(async move {
                    if let Err(error) = serve(&socket).await {
                        eprintln!("{peer}: {error}");
                    }
                    let _ = timeout(PATIENCE, drain(socket)).await;
                })
            }
            // Out of file descriptors, most likely: some will be closed.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// A connection from its first byte to its last.
async fn serve(socket: &TcpStream) -> Outcome {
    socket.set_nodelay(true)?;
    let (handshake, mut early) = timeout(PATIENCE, read_request(socket)).await??;
    let upgrade = match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => upgrade,
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            // So little fits into a socket that nothing was written to.
            socket.writable().await?;
            socket.try_write(&response)?;
            return Err(refusal.into());
        }
    };
    let Connection { mut receiver, mut sender } = upgrade.accept(&server::Accept::new())?;
    // A few clients don't wait for the answer.
    echo(&mut receiver, &mut sender, &mut early)?;

    let mut heard = Instant::now();
    let mut pinged = false;
    let mut closing = None;
    loop {
        write(socket, &mut sender)?;
        let deadline = match sender.transport() {
            // An error, if the peer broke the protocol.
            Transport::CloseNow => return Ok(receiver.end_of_input()?),
            Transport::Open if pinged => heard + 2 * SILENCE,
            Transport::Open => heard + SILENCE,
            Transport::Closing | Transport::AwaitEnd => *closing.get_or_insert_with(|| Instant::now() + PATIENCE),
        };
        select! {
            ready = socket.readable(), if sender.backlog() < BACKLOG => {
                ready?;
                match try_read(socket, |bytes| echo(&mut receiver, &mut sender, bytes).map(|()| bytes.is_empty()))? {
                    Some(Ok(true)) => return Ok(receiver.end_of_input()?),
                    Some(Ok(false)) => (heard, pinged) = (Instant::now(), false),
                    Some(Err(error)) => return Err(error),
                    None => {}
                }
            }
            ready = socket.writable(), if !sender.is_empty() => {
                ready?;
                // Someone takes what is sent, and may be too far behind to answer a ping.
                (heard, pinged) = (Instant::now(), false);
            }
            () = sleep_until(deadline) => {
                if pinged || closing.is_some() {
                    return Err(io::Error::from(ErrorKind::TimedOut).into());
                }
                pinged = true;
                sender.ping(b"")?;
            }
        }
    }
}

/// Reads the head of a request; and what came behind it, mostly nothing.
async fn read_request(socket: &TcpStream) -> io::Result<(server::Handshake<Vec<u8>, Vec<u8>>, Vec<u8>)> {
    let mut handshake = server::Handshake::new(Config::new());
    loop {
        socket.readable().await?;
        let head = try_read(socket, |bytes| {
            let is_end = bytes.is_empty();
            let mut input = Input::new(bytes);
            (handshake.read(&mut input) || is_end).then(|| input.remaining().to_vec())
        });
        if let Some(Some(early)) = head? {
            return Ok((handshake, early));
        }
    }
}

/// Answers what has come.
fn echo(receiver: &mut Receiver<Server, Vec<u8>>, sender: &mut Sender<Server, Vec<u8>>, bytes: &mut [u8]) -> Outcome {
    let mut input = Input::new(bytes);
    while let Some(event) = receiver.next_message(&mut input, sender) {
        // Pings and closes are answered already, and a failure is explained to the peer.
        if let Some(message) = event.message() {
            sender.send(message)?;
        }
    }
    Ok(())
}

/// What `take` makes of what can be read now: of nothing, at the end of the stream. `None` when there is nothing yet.
fn try_read<T>(socket: &TcpStream, take: impl FnOnce(&mut [u8]) -> T) -> io::Result<Option<T>> {
    BUFFER.with_borrow_mut(|buffer| match socket.try_read(buffer) {
        Ok(n) => Ok(Some(take(&mut buffer[..n]))),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    })
}

/// Writes as much as the socket takes now.
fn write(socket: &TcpStream, sender: &mut Sender<Server, Vec<u8>>) -> io::Result<()> {
    while !sender.is_empty() {
        match socket.try_write(sender.pending()) {
            Ok(n) => sender.consume(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the stream so that what was written last arrives: a socket that is closed with unread bytes in it is reset, and the reset overtakes
/// the Close frame.
async fn drain(mut socket: TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    while try_read(&socket, |bytes| bytes.is_empty())? != Some(true) {
        socket.readable().await?;
    }
    Ok(())
}
