//! An echo server on io_uring: a deadline for each step, Pings for silent peers, an orderly end.
//!
//! ```text
//! cargo run --release --manifest-path examples/echo_io_uring/Cargo.toml -- [ADDR:PORT [SECONDS]]
//! ```
//!
//! `SECONDS` is how long a peer may take over each step; without it, the defaults of `Patience` hold. Ctrl-C and
//! SIGTERM close all connections with code 1001. Where the kernel refuses io_uring, the exit code is 69.

use std::{convert::Infallible, env, error::Error, pin::pin, process::exit, time::Duration};

use compio::{
    net::TcpListener,
    runtime::{Runtime, spawn},
    time::sleep,
};
use echo_io_uring::serve;
use flume::{Receiver, bounded};
use futures_util::{FutureExt, select_biased};
use websocket_proto::time::Patience;

/// `EX_UNAVAILABLE`: what a container that forbids io_uring gets.
const UNAVAILABLE: i32 = 69;

fn main() -> Result<(), Box<dyn Error>> {
    let (address, seconds) = (env::args().nth(1), env::args().nth(2));
    let mut patience = Patience::new();
    if let Some(seconds) = seconds {
        let limit = Some(Duration::try_from_secs_f64(seconds.parse()?)?);
        patience = patience.opening(limit).silence(limit).answer(limit).closing(limit).end(limit);
    }
    let runtime = match Runtime::new() {
        Ok(runtime) if runtime.driver_type().is_iouring() => runtime,
        Ok(_) => unavailable("this is not Linux"),
        Err(error) => unavailable(&error.to_string()),
    };
    // Nothing is sent. The signal drops the sender of `stop`. Each connection has a sender of `ended`.
    let ((signal, stop), (alive, ended)) = (bounded(1), bounded(1));
    let mut signal = Some(signal);
    ctrlc::set_handler(move || drop(signal.take()))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9012")).await?;
        println!("listening on ws://{}/", listener.local_addr()?);
        let mut stopped = pin!(closed(stop.clone()).fuse());
        loop {
            let accepted = select_biased! {
                () = stopped => break,
                // Dropped only when the server stops.
                accepted = pin!(listener.accept().fuse()) => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    let (stop, alive) = (closed(stop.clone()), alive.clone());
                    spawn(async move {
                        serve(socket, peer, patience, stop).await;
                        drop(alive);
                    })
                    .detach();
                }
                // Most likely there are no file descriptors left; some will be closed.
                Err(error) => {
                    eprintln!("cannot accept: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        drop((listener, alive));
        closed(ended).await;
        Ok(())
    })
}

/// Waits until all senders are dropped.
async fn closed(receiver: Receiver<Infallible>) {
    let _ = receiver.recv_async().await;
}

fn unavailable(reason: &str) -> ! {
    eprintln!("no io_uring here: {reason}");
    exit(UNAVAILABLE)
}
