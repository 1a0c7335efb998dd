//! Deadlines, keepalive and reconnection, as data: the crate reads no clock.
//!
//! Three values, each of which works alone:
//!
//! | | |
//! |-|-|
//! | [`Watch`] | the deadlines of one connection, and the Pings that find out whether a silent peer is alive |
//! | [`Backoff`] | how long a client waits before it connects again |
//! | [`Retry`] | whether it should: after a [refusal](Retry::after_status), or after a connection that [ended](crate::Outcome::retry) |
//!
//! They need neither `std` nor an allocator, and cost nothing if they are not used.
//!
//! # What `now` is
//!
//! Every `now` is a [`Duration`](core::time::Duration) since an origin that the caller chooses, such as the start of
//! the program. It comes from `Instant`, from the ticks of a microcontroller, or from a simulated clock. An earlier
//! `now` counts as the last one.
//!
//! ```
//! use std::time::Instant;
//!
//! let origin = Instant::now();
//! let now = || origin.elapsed();
//! # let _ = now();
//! ```
//!
//! # A loop that survives a dead peer
//!
//! A peer that has lost its network does not say so, and the socket of a silent connection reports no error. So a loop
//! tells the watch what the transport does, and asks it each time how long it may wait:
//!
//! ```
//! use std::{error::Error, time::Duration};
//! use tokio::{io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt}, select, time::sleep};
//! use websocket_proto::{Connection, Event, Input, ReadBuffer, Sender, Server, Transport, time::Watch};
//!
//! async fn echo(
//!     stream: impl AsyncRead + AsyncWrite,
//!     connection: Connection<Server, Vec<u8>, Vec<u8>>,
//!     mut watch: Watch,                                           // since the connection was accepted
//!     now: impl Fn() -> Duration,
//! ) -> Result<(), Box<dyn Error>> {
//!     let (mut reader, mut writer) = io::split(stream);
//!     let Connection { receiver: mut rx, sender: mut tx } = connection;
//!     let (mut buffer, mut unflushed, mut ended) = (ReadBuffer::new(vec![0; 32 * 1024]), false, false);
//!     loop {
//!         let reads = !ended && tx.backlog() < 64 << 10;          // else it reads more slowly than it sends
//!         watch.reading(reads || ended, now());                   // the silence after its end is the peer's own
//!         let wait = watch.check(&mut tx, now())?;                // may send a Ping; an error says who was too slow
//!         unflushed |= !tx.is_empty();
//!         if !unflushed && (ended || tx.transport() == Transport::CloseNow) { break Ok(rx.end_of_input()?) }
//!         let mut input = Input::default();
//!         select! {
//!             biased;                                             // what was received counts before what is due
//!             n = reader.read(buffer.room_for(&mut rx)), if reads => match n? {
//!                 0 => ended = true,                              // perhaps only its half: the rest is still written
//!                 n => { watch.heard(now()); input = buffer.received(n) }
//!             },
//!             written = write(&mut writer, &mut tx, &mut watch, &now), if unflushed => { written?; unflushed = false }
//!             () = sleep(wait.unwrap_or(Duration::MAX)) => {}
//!         }
//!         while let Some(event) = rx.next_message(&mut input, &mut tx) {
//!             match event {
//!                 Event::Pong(payload) => _ = watch.pong(payload, now()),     // only for the round-trip time
//!                 event => if let Some(message) = event.message() { tx.send(message)? },
//!             }
//!         }
//!     }
//! }
//!
//! /// May be dropped while it waits: what the stream has taken is consumed, and flushing can be repeated.
//! async fn write(
//!     stream: &mut (impl AsyncWrite + Unpin),
//!     tx: &mut Sender<Server, Vec<u8>>,
//!     watch: &mut Watch,
//!     now: impl Fn() -> Duration,
//! ) -> io::Result<()> {
//!     while !tx.is_empty() {
//!         match stream.write(tx.pending()).await? {
//!             0 => return Err(io::ErrorKind::WriteZero.into()),
//!             n => { tx.consume(n); watch.wrote(n, tx.backlog(), now()) }
//!         }
//!     }
//!     stream.flush().await
//! }
//! # use std::time::Instant;
//! # use websocket_proto::{Config, server, time::{Patience, TimedOut}};
//! # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
//! # let mut handshake = server::Handshake::new(Config::new());
//! # assert!(handshake.read(&mut Input::new(&mut request)));
//! # let connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
//! # let short = Some(Duration::from_millis(20));
//! # let (mut client, stream) = io::duplex(1 << 16);
//! # let origin = Instant::now();
//! # let watch = Watch::new(Patience::new().silence(short).answer(short), origin.elapsed());
//! # let error = tokio::runtime::Builder::new_current_thread().enable_time().build()?
//! #     .block_on(async { echo(stream, connection, watch, || origin.elapsed()).await.unwrap_err() });
//! # assert_eq!(error.downcast_ref(), Some(&TimedOut::Answer));
//! # let mut received = Vec::new();
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(client.read_to_end(&mut received))?;
//! # assert!(received.ends_with(b"\r\n\r\n\x89\x04\0\0\0\x01"));
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! # A client that comes back
//!
//! ```
//! use std::{thread, time::Duration};
//! use websocket_proto::{Outcome, Randomness, SystemRandom, time::Backoff};
//!
//! /// `connect` runs one connection until it ends, and calls its argument when the connection is open.
//! fn run(
//!     now: impl Fn() -> Duration,
//!     mut connect: impl FnMut(&mut dyn FnMut()) -> Outcome,
//!     mut random: impl Randomness,
//! ) -> Outcome {
//!     let mut backoff = Backoff::new();
//!     loop {
//!         let outcome = connect(&mut || backoff.up(now()));
//!         println!("{outcome}");
//!         match backoff.delay(outcome.retry(), now(), &mut random) {
//!             Some(delay) => thread::sleep(delay),
//!             None => return outcome,
//!         }
//!     }
//! }
//! # use websocket_proto::{Connection, Config, Input, server, client::UpgradeError};
//! # let mut outcomes = [Outcome::refused(404)].into_iter();
//! # let outcome = run(|| Duration::ZERO, |up| { up(); outcomes.next().unwrap() }, SystemRandom::new()?);
//! # assert_eq!(outcome.to_string(), "refused with status 404");
//! # Ok::<(), websocket_proto::RandomnessError>(())
//! ```

mod backoff;
mod clock;
mod patience;
mod retry;
mod watch;

pub use backoff::Backoff;
pub use patience::{Patience, TimedOut};
pub use retry::{Retry, RetryAfter};
pub use watch::Watch;
