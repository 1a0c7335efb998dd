//! The loops over streams in memory that behave as sockets rarely do.

use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use websocket_proto::{Config, Input, ReadBuffer, UncleanEnd, server};

use crate::{
    documented::{asynchronous, client::connect, reading::read, readme::echo, sender::greet, server::serve},
    tls::connected,
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A text, a Ping and a Close, masked with zeros, and the answers of a server.
const FRAMES: &[u8] = b"\x81\x85\0\0\0\0hello\x89\x81\0\0\0\0?\x88\x80\0\0\0\0";
const ANSWERS: &[u8] = b"\x81\x05hello\x8A\x01?\x88\x00";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    TakesAll,
    TakesOneByte,
    /// Before each byte that is read or written.
    IsInterrupted,
    /// From the hundredth byte on.
    TakesNothing,
}

/// A stream that delivers all of `input`, and then its end. Written bytes are sent by a flush.
struct Stream<'a> {
    input: &'a [u8],
    habit: Habit,
    taken: Vec<u8>,
    sent: Vec<u8>,
    /// How many times in a row no byte was read or written.
    nothing: u32,
}

impl<'a> Stream<'a> {
    fn new(input: &'a [u8], habit: Habit) -> Self {
        Self { input, habit, taken: Vec::new(), sent: Vec::new(), nothing: 0 }
    }

    /// Counts bytes that were read or written.
    fn count(&mut self, n: usize) {
        self.nothing = if n > 0 { 0 } else { self.nothing + 1 };
        assert!(self.nothing < 10, "it never ends");
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        assert!(self.taken.is_empty(), "it waits for input, and has not flushed {} bytes", self.taken.len());
        let n = self.input.read(buf)?;
        self.count(n);
        Ok(n)
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let interrupts = self.habit == Habit::IsInterrupted && self.nothing == 0;
        let most = match self.habit {
            Habit::TakesAll => buf.len(),
            Habit::TakesNothing => 100_usize.saturating_sub(self.taken.len() + self.sent.len()),
            Habit::TakesOneByte | Habit::IsInterrupted => usize::from(!interrupts),
        };
        let n = most.min(buf.len());
        self.count(n);
        self.taken.extend(&buf[..n]);
        if interrupts { Err(ErrorKind::Interrupted.into()) } else { Ok(n) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sent.append(&mut self.taken);
        Ok(())
    }
}

/// Reads work while a flush is unfinished: the loop waits for both.
impl AsyncRead for Stream<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let n = self.input.read(buf.initialize_unfilled())?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.flush())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// The loop for one task, after the handshake of the blocking loops.
fn echo_in_one_task(stream: &mut Stream<'_>) -> Result<(), Box<dyn Error>> {
    let mut request = REQUEST.to_vec();
    stream.input = stream.input.strip_prefix(REQUEST).unwrap();
    let mut handshake = server::Handshake::new(Config::new());
    let mut early = Input::new(&mut request);
    assert!(handshake.read(&mut early));
    let connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(asynchronous::echo(stream, connection, early))
}

#[test]
fn whatever_part_a_stream_takes_all_is_sent_and_one_that_takes_nothing_is_an_error() {
    let input = [REQUEST, FRAMES].concat();
    for (one_task, habit, wanted) in [
        (false, Habit::TakesAll, None),
        (false, Habit::TakesOneByte, None),
        (false, Habit::IsInterrupted, None),
        (false, Habit::TakesNothing, Some(ErrorKind::WriteZero)),
        (true, Habit::TakesAll, None),
        (true, Habit::TakesOneByte, None),
        (true, Habit::TakesNothing, Some(ErrorKind::WriteZero)),
    ] {
        let mut stream = Stream::new(&input, habit);
        let outcome = if one_task { echo_in_one_task(&mut stream) } else { echo(&mut stream) };
        let kind = outcome.err().map(|error| error.downcast::<io::Error>().unwrap().kind());
        assert_eq!(kind, wanted, "one task: {one_task}, {habit:?}");
        if wanted.is_none() {
            assert!(stream.sent.starts_with(b"HTTP/1.1 101 "), "one task: {one_task}, {habit:?}");
            assert!(stream.sent.ends_with(ANSWERS), "one task: {one_task}, {habit:?}");
        }
    }
}

#[test]
fn a_stream_that_ends_anywhere_before_the_close_is_an_error() {
    let input = [REQUEST, FRAMES].concat();
    for len in 0..input.len() {
        let error = echo(Stream::new(&input[..len], Habit::TakesAll)).expect_err(&format!("after {len} bytes"));
        assert_eq!(error.is::<UncleanEnd>(), len >= REQUEST.len(), "after {len} bytes: {error}");
    }
}

#[test]
fn a_refusal_is_flushed() {
    let mut stream = Stream::new(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Habit::TakesOneByte);
    serve(&mut stream).unwrap_err();
    assert!(stream.sent.starts_with(b"HTTP/1.1 426 "));
}

#[test]
fn a_request_is_flushed_before_the_response_is_waited_for() {
    let mut stream = Stream::new(b"", Habit::TakesOneByte);
    connect(&mut stream).unwrap_err();
    assert!(stream.sent.starts_with(b"GET /chat HTTP/1.1\r\n"));
}

#[test]
fn a_greeting_is_flushed() {
    let mut stream = Stream::new(b"", Habit::TakesOneByte);
    greet(&mut connected().0.sender, &mut stream).unwrap();
    assert_eq!(stream.sent, b"\x81\x05hello");
}

/// Returns these errors one after the other.
struct Fails<'a>(&'a [ErrorKind]);

impl Read for Fails<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let (first, rest) = self.0.split_first().unwrap();
        self.0 = rest;
        Err((*first).into())
    }
}

#[test]
fn reading_goes_on_when_interrupted_and_any_error_after_a_close_is_the_end() {
    use ErrorKind::{ConnectionReset, Interrupted, UnexpectedEof};
    let (mut server, _) = connected();
    let mut buffer = ReadBuffer::new(vec![0; 9]);
    let mut outcome =
        |errors| read(&mut Fails(errors), &mut buffer, &mut server.receiver).map_err(|error| error.kind());
    assert_eq!(outcome(&[Interrupted, UnexpectedEof]), Err(UnexpectedEof));
    assert_eq!(outcome(&[ConnectionReset]), Err(ConnectionReset));

    let mut close = *b"\x88\x80\0\0\0\0";
    assert!(server.receiver.next_message(&mut Input::new(&mut close), &mut server.sender).is_some());
    let mut outcome =
        |errors| read(&mut Fails(errors), &mut buffer, &mut server.receiver).map_err(|error| error.kind());
    assert_eq!(outcome(&[Interrupted, Interrupted, UnexpectedEof]), Ok(0));
    assert_eq!(outcome(&[ConnectionReset]), Ok(0));
}
