//! What is pending is written as records of TLS: for ends on tokio.
//!
//! Each record is flushed before the next is written, so TLS never has more than one. What the peer does not read waits
//! in the sender, where a [`Watch`] sees it.

use std::{
    io::{self, ErrorKind},
    time::Duration,
};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use websocket_proto::{Role, Sender, time::Watch};

/// The most plaintext in a record of TLS (RFC 8446 §5.1).
pub const RECORD: usize = 16 << 10;

/// Writes all that is pending, and flushes it. It may be dropped while it waits, and called again.
pub async fn write<R: Role>(
    stream: &mut (impl AsyncWrite + Unpin),
    tx: &mut Sender<R, Vec<u8>>,
    watch: &mut Watch,
    now: impl Fn() -> Duration,
) -> io::Result<()> {
    loop {
        stream.flush().await?;
        if tx.is_empty() {
            return Ok(());
        }
        let len = tx.pending().len().min(RECORD);
        match stream.write(&tx.pending()[..len]).await? {
            0 => return Err(ErrorKind::WriteZero.into()),
            n => {
                tx.consume(n);
                watch.wrote(n, tx.backlog(), now());
            }
        }
    }
}
