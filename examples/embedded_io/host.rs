//! What an embedded machine has, made of what the host has: a transport that does not block, and somebody who polls.

use std::{
    future::{Future, poll_fn},
    io::{self, Read as _, Write as _},
    net::TcpStream,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

/// A socket that is asked again until it has something.
pub struct Polled(TcpStream);

impl Polled {
    pub fn connect(host: &str, port: u16) -> io::Result<Self> {
        let socket = TcpStream::connect((host, port))?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    async fn ready<T>(&mut self, mut work: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        poll_fn(|_| match work(&mut self.0) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
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

/// An executor of one task, which sleeps where others wait for an interrupt.
pub fn block_on<F: Future>(task: F) -> F::Output {
    let mut task = pin!(task);
    loop {
        match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::sleep(Duration::from_millis(1)),
        }
    }
}
