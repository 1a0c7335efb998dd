//! A TCP socket, and perhaps TLS on it, for two threads: one reads while the other writes.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

pub(crate) struct Socket {
    tcp: TcpStream,
    tls: Option<Tls>,
}

/// No thread waits for the network while it holds the connection, so neither direction stops the other.
struct Tls {
    connection: Mutex<ClientConnection>,
    /// What was read from the socket and not yet decrypted. Only the thread that reads needs it.
    received: Mutex<VecDeque<u8>>,
    /// What TLS has to send, in its order: of the connection's lock and this one, this one is taken first.
    sending: Mutex<Vec<u8>>,
}

/// How many bytes are read at once.
const READ: usize = 16 << 10;

impl Socket {
    pub(crate) fn plain(tcp: TcpStream) -> Self {
        Self { tcp, tls: None }
    }

    /// Makes the handshake of TLS, which fails with a time-out at the deadline.
    pub(crate) fn secure(
        self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        deadline: Instant,
    ) -> io::Result<Self> {
        let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut tcp = Timed { tcp: &self.tcp, deadline };
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        let tls = Tls { connection: Mutex::new(connection), received: Mutex::default(), sending: Mutex::default() };
        Ok(Self { tls: Some(tls), ..self })
    }

    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_read_timeout(timeout)
    }

    pub(crate) fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_write_timeout(timeout)
    }

    /// Ends our half of the stream, or both; over TLS with a `close_notify`.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if let Some(tls) = &self.tls {
            // The other thread may wait in a write that nobody takes. Then there is no place for it.
            if let Ok(mut sending) = tls.sending.try_lock() {
                lock(&tls.connection).send_close_notify();
                tls.send(&self.tcp, &mut sending)?;
            }
        }
        self.tcp.shutdown(how)
    }
}

/// One deadline for many reads and writes. The time-out of a socket begins anew with each.
struct Timed<'a> {
    tcp: &'a TcpStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.tcp.set_read_timeout(self.left()?)?;
        self.tcp.read(buf)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.tcp.set_write_timeout(self.left()?)?;
        self.tcp.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tls {
    /// Writes what TLS has to send.
    fn send(&self, mut tcp: &TcpStream, sending: &mut Vec<u8>) -> io::Result<()> {
        let mut connection = lock(&self.connection);
        while connection.wants_write() {
            connection.write_tls(sending)?;
        }
        drop(connection);
        let sent = tcp.write_all(sending);
        sending.clear();
        sent
    }
}

impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return (&self.tcp).read(buf) };
        let mut received = lock(&tls.received);
        let mut has_waited = false;
        loop {
            match lock(&tls.connection).reader().read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // 0 after a `close_notify`, and an error at an end without one.
                result => return result,
            }
            if received.is_empty() {
                // Only the caller knows the deadlines, and bytes that are not a record yet extend none.
                if has_waited {
                    return Err(ErrorKind::WouldBlock.into());
                }
                has_waited = true;
                let mut bytes = [0; READ];
                let n = (&self.tcp).read(&mut bytes)?;
                received.extend(&bytes[..n]);
            }
            // No more at a time: the rest may have no place until this was read. Nothing is the end of the stream.
            let mut connection = lock(&tls.connection);
            connection.read_tls(&mut *received)?;
            let processed = connection.process_new_packets();
            drop(connection);
            // An alert that says why, or an answer of TLS itself. If the other thread sends, it sends these too.
            if let Ok(mut sending) = tls.sending.try_lock() {
                tls.send(&self.tcp, &mut sending)?;
            }
            processed.map_err(io::Error::other)?;
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return (&self.tcp).write(bytes) };
        let mut sending = lock(&tls.sending);
        let n = lock(&tls.connection).writer().write(bytes)?;
        tls.send(&self.tcp, &mut sending)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
