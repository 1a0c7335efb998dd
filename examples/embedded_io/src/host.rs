//! Parts of an embedded machine, imitated on the host: a transport that blocks until a deadline, one that does not
//! block, and an executor with a timer.

use std::{
    future::{Future, poll_fn},
    io::{self, ErrorKind, Read as _, Write as _},
    net::TcpStream,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

/// A socket that blocks, but not beyond a deadline. A time-out for each read is not enough: a peer that sends a byte
/// now and then would never be late.
pub struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Timed {
    pub fn new(socket: TcpStream, limit: Duration) -> Self {
        Self { socket, deadline: Instant::now() + limit }
    }

    fn remaining(&self) -> io::Result<Option<Duration>> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        if remaining.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(remaining)) }
    }
}

impl io::Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.remaining()?)?;
        self.socket.read(buf)
    }
}

impl io::Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.remaining()?)?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A socket that is polled until it has something.
pub struct Polled(TcpStream);

impl Polled {
    pub fn connect(host: &str, port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect((host, port))?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    async fn ready<T>(&mut self, mut work: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        poll_fn(|_| match work(&mut self.0) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            done => Poll::Ready(done),
        })
        .await
    }
}

impl embedded_io_async::ErrorType for Polled {
    type Error = io::Error;
}

impl embedded_io_async::Read for Polled {
    async fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.ready(|socket| socket.read(room)).await
    }
}

impl embedded_io_async::Write for Polled {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ready(|socket| socket.write(bytes)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An executor of one task. It sleeps where others wait for an interrupt. `None` if the task takes longer than `limit`.
pub fn block_on<F: Future>(task: F, limit: Duration) -> Option<F::Output> {
    let deadline = Instant::now() + limit;
    let mut task = pin!(task);
    loop {
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if Instant::now() >= deadline => return None,
            Poll::Pending => thread::sleep(Duration::from_millis(1)),
        }
    }
}
