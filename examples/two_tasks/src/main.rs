//! An echo server whose connections are two tasks each. A third task sends to all of them.
//!
//! ```text
//! cargo run --release -p two_tasks -- [ADDR:PORT [SECONDS [TICK]]]
//! ```
//!
//! `SECONDS` is how long a peer may take over each step; without it, the defaults of `Patience` hold. With `TICK`,
//! every peer gets a message each so many seconds. Ctrl-C and SIGTERM close all connections with code 1001.

use std::{env, error::Error, sync::Arc, time::Duration};

use tokio::{net::TcpListener, select, sync::watch, time::sleep};
use two_tasks::{Peers, serve};
use websocket_proto::time::Patience;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next();
    let (limit, tick) = (seconds(arguments.next())?, seconds(arguments.next())?);
    let mut patience = Patience::new();
    if limit.is_some() {
        patience = patience.opening(limit).silence(limit).answer(limit).closing(limit).end(limit);
    }
    // Every connection has a receiver: so all learn that the server stops, and the server learns when all are gone.
    let stop = Arc::new(watch::Sender::new(()));
    let (signal, mut stopped) = (stop.clone(), stop.subscribe());
    ctrlc::set_handler(move || signal.send_replace(()))?;
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9013")).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let peers = Peers::default();
    if let Some(tick) = tick {
        tokio::spawn(send_ticks(peers.clone(), tick));
    }
    loop {
        let accepted = select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((socket, peer)) => drop(tokio::spawn(serve(socket, peer, patience, peers.clone(), stop.subscribe()))),
            // Most likely there are no file descriptors left; some will be closed.
            Err(error) => {
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop((listener, stopped));
    stop.closed().await;
    Ok(())
}

/// Any task can do this, at any time.
async fn send_ticks(peers: Peers, tick: Duration) {
    for number in 1_u64.. {
        sleep(tick).await;
        peers.send_to_all(&format!("tick {number}").into());
    }
}

fn seconds(argument: Option<String>) -> Result<Option<Duration>, Box<dyn Error>> {
    let Some(argument) = argument else { return Ok(None) };
    Ok(Some(Duration::try_from_secs_f64(argument.parse()?)?))
}
