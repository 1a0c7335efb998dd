//! An echo server on tokio with everything that a server on the open internet needs: time limits for each step, Pings
//! for silent peers, a response to requests that are not for a WebSocket, and an orderly end.
//!
//! ```text
//! cargo run --release -p echo_tokio -- 127.0.0.1:9004
//! ```
//!
//! It waits until a socket is *ready*, then reads without waiting. So a buffer is needed only between two awaits, and
//! one buffer serves all connections of a thread. No message is borrowed across an await.
//!
//! A stream that can't say when it is ready, such as TLS, needs a buffer of its own in each task:
//! `reader.read(buffer.room_for(&mut receiver))` in place of `readable()`, and `input = Input::default()` before the
//! `select!`, because the last input still borrows the buffer. Such a stream may also buffer writes: then call `flush`
//! when nothing is pending any more.

use std::{
    cell::RefCell,
    error::Error,
    io::{self, ErrorKind},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use arguments::Arguments;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    select, signal,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use websocket_proto::{
    Config, Connection, Input, ReadBuffer, Receiver, Sender, Server, Transport, frame::CloseCode, server,
};

const HELP: &str = "\
An echo server on tokio, with a task for each connection.

Usage: echo_tokio [OPTIONS] [ADDR:PORT]

  ADDR:PORT           where to listen; port 0 is any free one (127.0.0.1:9004)
  --patience SECONDS  how long a peer may take over its request, and over its answer
                      to our Close (10)
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001; a second one ends at once.
";

/// How long a peer may take to end the stream after we did.
const LINGER: Duration = Duration::from_secs(2);

/// How long all peers together may take to answer our Close when the server ends.
const ENDING_PATIENCE: Duration = Duration::from_secs(5);

/// A peer that is silent for this time gets a Ping. If it is silent for the same time again, it counts as gone.
const SILENCE: Duration = Duration::from_secs(30);

/// A peer that doesn't take its echoes isn't read while its backlog is this long.
const BACKLOG: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<ReadBuffer<Vec<u8>>> = RefCell::new(ReadBuffer::new(vec![0; 32 << 10]));
}

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<ExitCode> {
    let (mut listen, mut patience) = (String::from("127.0.0.1:9004"), 10);
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--patience" => patience = arguments.value::<u32>("a number of seconds"),
            option if option.starts_with('-') => arguments.unknown(),
            _ => listen = argument,
        }
    }
    let patience = Duration::from_secs(patience.into());

    let listener = TcpListener::bind(listen).await?;
    let mut signaled = pin!(signal());
    // Every connection holds a receiver: so all learn that the server ends, and the sender learns when all are gone.
    let (ending, alive) = watch::channel(());
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            result = &mut signaled => break result?,
        };
        match accepted {
            Ok((socket, peer)) => {
                let alive = alive.clone();
                _ = tokio::spawn(async move {
                    if let Err(error) = serve(socket, alive, patience).await {
                        eprintln!("{peer}: {error}");
                    }
                })
            }
            // Most likely there are no file descriptors left; some will be closed.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, alive));
    let _ = ending.send(());
    select! {
        _ = timeout(ENDING_PATIENCE, ending.closed()) => Ok(ExitCode::SUCCESS),
        _ = signal() => Ok(ExitCode::FAILURE),
    }
}

/// Waits for Ctrl-C; on Unix for SIGTERM, too.
async fn signal() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
        select! {
            _ = terminate.recv() => Ok(()),
            result = signal::ctrl_c() => result,
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c().await
}

/// A connection from its first byte to its last.
async fn serve(socket: TcpStream, mut ending: watch::Receiver<()>, patience: Duration) -> Outcome {
    socket.set_nodelay(true)?;
    let outcome = select! {
        shaken = timeout(patience, shake_hands(&socket)) => match shaken? {
            Ok((connection, early)) => talk(&socket, connection, early, ending, patience).await,
            Err(error) => Err(error),
        },
        _ = ending.changed() => return Ok(()),
    };
    let _ = timeout(LINGER, drain(socket)).await;
    outcome
}

/// The opening handshake, and the bytes behind the request. Mostly there are none: few clients send before the
/// response.
async fn shake_hands(socket: &TcpStream) -> Outcome<(Connection<Server, Vec<u8>, Vec<u8>>, Vec<u8>)> {
    let (handshake, early) = read_request(socket).await?;
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => Ok((upgrade.accept(&server::Accept::new())?, early)),
        Err(refusal) => {
            let mut response = Vec::new();
            refusal.response().write(&mut response)?;
            // A response is short, and a fresh socket has space for it.
            socket.writable().await?;
            socket.try_write(&response)?;
            Err(refusal.into())
        }
    }
}

/// An open connection, and its closing handshake.
async fn talk(
    socket: &TcpStream,
    connection: Connection<Server, Vec<u8>, Vec<u8>>,
    mut early: Vec<u8>,
    mut ending: watch::Receiver<()>,
    patience: Duration,
) -> Outcome {
    let Connection { mut receiver, mut sender } = connection;
    echo(&mut receiver, &mut sender, Input::new(&mut early))?;

    let mut heard = Instant::now();
    let mut pinged = false;
    let mut closing = None;
    loop {
        write(socket, &mut sender)?;
        let deadline = match sender.transport() {
            // An error if the peer broke the protocol.
            Transport::CloseNow => return Ok(receiver.end_of_input()?),
            Transport::Open if pinged => heard + 2 * SILENCE,
            Transport::Open => heard + SILENCE,
            Transport::Closing | Transport::AwaitEnd => *closing.get_or_insert_with(|| Instant::now() + patience),
        };
        select! {
            ready = socket.readable(), if sender.backlog() < BACKLOG => {
                ready?;
                match try_echo(socket, &mut receiver, &mut sender)? {
                    Some(0) => return Ok(receiver.end_of_input()?),
                    Some(_) => (heard, pinged) = (Instant::now(), false),
                    None => {}
                }
            }
            ready = socket.writable(), if !sender.is_empty() => {
                ready?;
                // The peer reads, even if it is too slow to answer a Ping.
                (heard, pinged) = (Instant::now(), false);
            }
            _ = ending.changed(), if sender.is_open() => {
                // Fails if either end has closed already.
                let _ = sender.close(CloseCode::GOING_AWAY, "");
            }
            () = sleep_until(deadline) => {
                if pinged || closing.is_some() {
                    return Err(io::Error::from(ErrorKind::TimedOut).into());
                }
                pinged = true;
                sender.send_ping(b"")?;
            }
        }
    }
}

/// Reads the head of a request, and any bytes behind it.
async fn read_request(socket: &TcpStream) -> io::Result<(server::Handshake<Vec<u8>, Vec<u8>>, Vec<u8>)> {
    let mut handshake = server::Handshake::new(Config::new());
    loop {
        socket.readable().await?;
        let head = try_read(socket, |mut input| {
            let is_end = input.is_empty();
            (handshake.read(&mut input) || is_end).then(|| input.remaining().to_vec())
        });
        if let Some(Some(early)) = head? {
            return Ok((handshake, early));
        }
    }
}

/// Reads and answers what can be read now. Returns the number of bytes, 0 at the end of the stream, `None` if there is
/// nothing yet.
fn try_echo(
    socket: &TcpStream,
    receiver: &mut Receiver<Server, Vec<u8>>,
    sender: &mut Sender<Server, Vec<u8>>,
) -> Outcome<Option<usize>> {
    BUFFER.with_borrow_mut(|buffer| {
        let n = at_once(|| socket.try_read(buffer.room_for(receiver)))?;
        echo(receiver, sender, buffer.received(n.unwrap_or(0)))?;
        Ok(n)
    })
}

/// Answers what was received.
fn echo(
    receiver: &mut Receiver<Server, Vec<u8>>,
    sender: &mut Sender<Server, Vec<u8>>,
    mut input: Input<'_>,
) -> Outcome {
    while let Some(event) = receiver.next_message(&mut input, sender) {
        // Pings and Closes are answered already, and a failure is explained to the peer. Messages may arrive after our
        // Close.
        if let Some(message) = event.message()
            && sender.is_open()
        {
            sender.send(message)?;
        }
    }
    Ok(())
}

/// Reads what can be read now, and passes it to `take`; an empty input at the end of the stream. `None` if there is
/// nothing yet.
fn try_read<T>(socket: &TcpStream, take: impl FnOnce(Input<'_>) -> T) -> io::Result<Option<T>> {
    BUFFER.with_borrow_mut(|buffer| {
        let n = at_once(|| socket.try_read(buffer.room()))?;
        Ok(n.map(|n| take(buffer.received(n))))
    })
}

/// Writes as many pending bytes as the socket takes now.
fn write(socket: &TcpStream, sender: &mut Sender<Server, Vec<u8>>) -> io::Result<()> {
    while !sender.is_empty() {
        match at_once(|| socket.try_write(sender.pending()))? {
            Some(0) => return Err(ErrorKind::WriteZero.into()),
            Some(n) => sender.consume(n),
            None => break,
        }
    }
    Ok(())
}

/// Reads or writes without waiting. `None` if that is not possible yet.
fn at_once(mut io: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match io() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map(Some),
        }
    }
}

/// Ends the stream so that the last bytes arrive. Closing a socket with unread bytes resets it, and the reset overtakes
/// the Close frame.
async fn drain(mut socket: TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    while try_read(&socket, |input| input.is_empty())? != Some(true) {
        socket.readable().await?;
    }
    Ok(())
}
