//! The client: it opens a connection, sends and receives a text whole and in fragments, pings, and closes.

use core::ffi::CStr;

use board::{Uart, XorShift, host};
use websocket_proto::{
    Config, Connection, Event, FixedStorage, Input, SendError, Transport, Uri, client, frame::CloseCode,
};

#[cfg(feature = "watch")]
use core::time::Duration;
#[cfg(feature = "watch")]
use websocket_proto::{
    Role, Sender, Storage,
    time::{Patience, Watch},
};

use crate::Room;

const HELLO: &str = "hello from a Cortex-M";
const FRAGMENTS: [&str; 3] = ["in three ", "fragments, ", "cut anywhere: κόσμε 🦀"];
const TOGETHER: &str = "in three fragments, cut anywhere: κόσμε 🦀";

/// What the client waits for.
enum Step {
    Hello,
    Fragments,
    Pong,
    Close,
}

pub fn talk(mut uart: Uart, room: &mut Room) -> Result<(), &'static CStr> {
    let mut random = XorShift::new(host::seconds());
    let uri = Uri::parse("ws://server.test/echo").map_err(|_| c"bad address")?;
    let request = client::Request::new(uri).subprotocols(&["echo"]);
    let mut handshake = client::Handshake::with_storage(
        Config::new(),
        &request,
        || random.next().to_ne_bytes(),
        FixedStorage::new(&mut room.input[..]),
        FixedStorage::new(&mut room.output[..]),
    )
    .map_err(|_| c"the request can't be sent")?;
    uart.write_all(handshake.pending());

    let mut input = loop {
        let n = uart.read(&mut room.read);
        let mut input = Input::new(room.read.get_mut(..n).unwrap_or_default());
        if handshake.read(&mut input) {
            break input;
        }
    };
    let response = handshake.into_response().map_err(|_| c"the response is not HTTP, or too long")?;
    let is_echo = response.subprotocol() == Some("echo");
    let connection = response.upgrade().map_err(|_| c"the response opens no WebSocket")?;
    if !is_echo {
        return Err(c"the server does not speak our subprotocol");
    }
    host::report(c"client state", size_of_val(&connection));

    let Connection { receiver: mut rx, sender: mut tx } = connection;
    let mut step = Step::Hello;
    let mut pings = 0;
    #[cfg(feature = "watch")]
    let mut watch = Watch::new(PATIENCE, now());
    tx.send_text(HELLO).map_err(send_error)?;
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            match (&step, event) {
                (Step::Hello, Event::Text(HELLO)) => {
                    let [first, second, third] = FRAGMENTS;
                    tx.send_text_fragment(first, false).map_err(send_error)?;
                    tx.send_text_fragment(second, false).map_err(send_error)?;
                    tx.send_text_fragment(third, true).map_err(send_error)?;
                    step = Step::Fragments;
                }
                (Step::Fragments, Event::Text(TOGETHER)) => {
                    tx.send_ping(b"still there?").map_err(send_error)?;
                    step = Step::Pong;
                }
                (Step::Pong, Event::Pong(b"still there?")) => {
                    tx.close(CloseCode::NORMAL, "that was all").map_err(close_error)?;
                    step = Step::Close;
                }
                (Step::Close, Event::Close { code: Some(CloseCode::NORMAL), .. }) => {}
                // It was answered already.
                (_, Event::Ping(_)) => pings += 1,
                (_, Event::Close { .. }) => return finish(&mut uart, tx.pending(), c"the server closed"),
                (_, Event::Failed(_)) => return finish(&mut uart, tx.pending(), c"the server broke the protocol"),
                _ => return finish(&mut uart, tx.pending(), c"not what was awaited"),
            }
        }
        while !tx.is_empty() {
            uart.write_all(tx.pending());
            tx.consume(usize::MAX);
        }
        match tx.transport() {
            Transport::Open | Transport::Closing => {}
            // Over TCP, the client would wait a moment for the end of the stream. A serial line has no end.
            Transport::AwaitEnd | Transport::CloseNow => break,
        }
        #[cfg(feature = "watch")]
        if !wait(&uart, &mut tx, &mut watch)? {
            input = Input::default();
            continue;
        }
        let n = uart.read(&mut room.read);
        input = Input::new(room.read.get_mut(..n).unwrap_or_default());
    }
    host::report(c"client pings", pings);
    Ok(())
}

/// Waits until something is received, or a Ping must be written, or the server is found to be dead. Returns whether
/// something was received.
#[cfg(feature = "watch")]
#[inline(never)]
fn wait<R: Role, S: Storage>(uart: &Uart, tx: &mut Sender<R, S>, watch: &mut Watch) -> Result<bool, &'static CStr> {
    loop {
        let now = now();
        if uart.has_input() {
            watch.heard(now);
            return Ok(true);
        }
        watch.check(tx, now).map_err(|_| c"the server is dead")?;
        if !tx.is_empty() {
            return Ok(false);
        }
    }
}

/// Short enough for a test.
#[cfg(feature = "watch")]
const PATIENCE: Patience = Patience::new().silence(Some(Duration::from_secs(1))).answer(Some(Duration::from_secs(1)));

#[cfg(feature = "watch")]
fn now() -> Duration {
    let centiseconds = host::centiseconds();
    Duration::new((centiseconds / 100).into(), centiseconds % 100 * 10_000_000)
}

/// Writes the pending bytes, and fails with `reason`.
fn finish(uart: &mut Uart, pending: &[u8], reason: &'static CStr) -> Result<(), &'static CStr> {
    uart.write_all(pending);
    Err(reason)
}

fn send_error(_: SendError) -> &'static CStr {
    c"a message can't be sent"
}

fn close_error(_: SendError) -> &'static CStr {
    c"a Close can't be sent"
}
