//! A blocking socket with a deadline.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

/// A socket whose reads and writes fail with `TimedOut` at a deadline.
///
/// The time-out of a socket is not enough below TLS. It begins anew with each byte, and one read of TLS may be many
/// reads of the socket: a peer that sends a byte of a record now and then would never be late.
#[derive(Debug)]
pub struct Timed {
    socket: TcpStream,
    /// `None` is never.
    deadline: Option<Instant>,
}

impl Timed {
    /// A socket without a deadline.
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, deadline: None }
    }

    /// Sets a deadline from now on; none at all with `None`.
    pub fn allow(&mut self, time: Option<Duration>) {
        self.deadline = time.and_then(|time| Instant::now().checked_add(time));
    }

    /// Ends our half of the stream, and reads to the end of the peer's. Closing a socket with unread bytes resets it,
    /// and the reset overtakes what was written last.
    pub fn linger(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
        while matches!(self.read(&mut [0; 4096]), Ok(1..)) {}
    }

    /// Calls `io` with the time that is left, until it does something.
    fn by_deadline<T>(&self, mut io: impl FnMut(&TcpStream, Option<Duration>) -> io::Result<T>) -> io::Result<T> {
        loop {
            let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(ErrorKind::TimedOut.into());
            }
            match io(&self.socket, left) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                }
                result => return result,
            }
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.by_deadline(|mut socket, left| {
            socket.set_read_timeout(left)?;
            socket.read(buf)
        })
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.by_deadline(|mut socket, left| {
            socket.set_write_timeout(left)?;
            socket.write(bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
