//! The loop with deadlines, over a stream that buffers.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncWriteExt, BufWriter, duplex},
    time::timeout,
};
use websocket_proto::time::{Patience, TimedOut, Watch};

use crate::{documented::watched::echo, tls::connected};

/// A step may take so long.
const LIMIT: Duration = Duration::from_millis(20);

/// If a test is not done by then, it never is.
const PATIENCE: Duration = Duration::from_secs(20);

/// The last bytes wait in the buffer of the stream, where the watch does not see them.
#[tokio::test]
async fn a_peer_that_ends_its_half_and_reads_nothing_is_given_up() {
    let (mut peer, stream) = duplex(64);
    let (connection, mut client) = connected();
    client.sender.send_binary(&[0; 1000]).unwrap();
    let input = client.sender.pending().to_vec();
    let started = Instant::now();
    let watch = Watch::new(Patience::new().silence(Some(LIMIT)).answer(Some(LIMIT)), Duration::ZERO);
    let served = echo(BufWriter::new(stream), connection, watch, || started.elapsed());
    let sent = async {
        peer.write_all(&input).await.unwrap();
        peer.shutdown().await.unwrap();
    };
    let (ended, ()) = tokio::join!(timeout(PATIENCE, served), sent);
    let error = ended.expect("the loop does not end").unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&TimedOut::Answer), "{error}");
}
