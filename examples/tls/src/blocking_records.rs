//! What is pending is written as records of TLS, and reading does not write: for ends that block.
//!
//! Each record is flushed before the next is written, so TLS never has more than one. What the peer does not read waits
//! in the sender, where a [`Watch`] sees it.

use std::{
    io::{self, ErrorKind, Read, Write},
    ops::{Deref, DerefMut},
    time::Duration,
};

use rustls::{ConnectionCommon, SideData, StreamOwned};
use websocket_proto::{Role, Sender, time::Watch};

/// The most plaintext in a record of TLS (RFC 8446 §5.1).
pub const RECORD: usize = 16 << 10;

/// Writes all that is pending, and flushes it. After a time-out it can be called again.
pub fn write<R: Role>(
    stream: &mut impl Write,
    tx: &mut Sender<R, Vec<u8>>,
    watch: &mut Watch,
    now: impl Fn() -> Duration,
) -> io::Result<()> {
    loop {
        // There may be a rest of the last time.
        stream.flush()?;
        if tx.is_empty() {
            return Ok(());
        }
        let len = tx.pending().len().min(RECORD);
        match stream.write(&tx.pending()[..len])? {
            0 => return Err(ErrorKind::WriteZero.into()),
            n => {
                tx.consume(n);
                watch.wrote(n, tx.backlog(), now());
            }
        }
    }
}

/// Reads without writing, as the stream on tokio does. A `read` of this stream first writes what TLS has, and fails
/// with that if the peer is gone, though its last bytes have arrived.
pub fn read<C, S, T>(stream: &mut StreamOwned<C, T>, buf: &mut [u8]) -> io::Result<usize>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
    T: Read + Write,
{
    loop {
        match stream.conn.reader().read(buf) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return result,
        }
        stream.conn.read_tls(&mut stream.sock)?;
        stream.conn.process_new_packets().map_err(io::Error::other)?;
    }
}
