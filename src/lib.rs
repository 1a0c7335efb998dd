//! The WebSocket protocol ([RFC 6455]) as pure state machines: bytes in, events and bytes out.
//!
//! This crate opens no socket, reads no clock and starts no thread. You own those; it turns the bytes you read into
//! messages, and the messages you send into bytes to write. So it fits blocking sockets, an event loop, any async runtime and
//! firmware alike, and all of it can be tested without a network.
//!
//! A connection is two values: the [`Receiver`] and the [`Sender`]. A message that the receiver lends leaves the sender
//! free, so an echo server copies each message once, into its output:
//!
//! ```
//! # use std::io::{self, Read, Write};
//! use websocket_proto::{Config, Connection, Event, ReadBuffer, Transport, server};
//!
//! fn echo<S: Read + Write>(mut socket: S) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut buffer = ReadBuffer::new([0; 32 * 1024]);           // may serve any number of connections
//!     let mut handshake = server::Handshake::new(Config::new());
//!     let mut input = loop {
//!         let n = socket.read(buffer.room())?;
//!         let mut input = buffer.received(n);
//!         if handshake.read(&mut input) || n == 0 { break input }
//!     };
//!     let upgrade = handshake.into_request()?.upgrade()?;         // a refusal has a response to send: see `server`
//!     let connection = upgrade.accept(&server::Accept::new())?;
//!
//!     let Connection { receiver: mut rx, sender: mut tx } = connection;
//!     Ok(loop {
//!         while let Some(event) = rx.next_message(&mut input, &mut tx) {
//!             match event {
//!                 Event::Text(text)   => tx.send_text(text)?,     // lent from the buffer, if it is whole there
//!                 Event::Binary(data) => tx.send_binary(data)?,
//!                 _ => {}                                         // pings and closes are answered, failures explained
//!             }
//!         }
//!         while !tx.is_empty() { socket.write_all(tx.pending())?; tx.consume(tx.pending().len()) }
//!         socket.flush()?;                                        // 101, echoes, pongs, close: a stream may buffer
//!         if tx.transport() == Transport::CloseNow { break rx.end_of_input()? }          // an error: it broke the protocol
//!         let n = socket.read(buffer.room_for(&mut rx))?;         // of a long message, straight to where it is assembled
//!         if n == 0 { break rx.end_of_input()? }                  // an error: it left without a Close
//!         input = buffer.received(n);
//!     })
//! }
//! # struct Script(io::Cursor<Vec<u8>>, Vec<u8>);
//! # impl Read for Script { fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> { self.0.read(buf) } }
//! # impl Write for Script {
//! #     fn write(&mut self, buf: &[u8]) -> io::Result<usize> { self.1.write(buf) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
//! # bytes.extend([0x81, 0x85, 0, 0, 0, 0]); bytes.extend(b"hello");
//! # bytes.extend([0x89, 0x81, 0, 0, 0, 0, b'?']); bytes.extend([0x88, 0x80, 0, 0, 0, 0]);
//! # let mut script = Script(io::Cursor::new(bytes), Vec::new());
//! # echo(&mut script).unwrap();
//! # assert!(script.1.starts_with(b"HTTP/1.1 101 "));
//! # assert!(script.1.ends_with(b"\r\n\r\n\x81\x05hello\x8a\x01?\x88\x00"));
//! ```
//!
//! # What holds always
//!
//! 1. **All input is used.** There is no count of used bytes to track and no leftover to present again, so one read buffer
//!    can serve ten thousand connections.
//! 2. **Cuts don't matter.** The same bytes give the same messages, replies and failure, however the reads cut them.
//! 3. **Errors come as early as they can**, at the first byte that proves them, after what came before, as an
//!    [event](Event::Failed): the Close frame that explains it is already with the sender.
//! 4. **Replies are bounded.** The receiver hands pongs and Close frames straight to the sender, so the protocol has
//!    nothing to flush (the [stream](#streams) may have). Each ping gets its pong; only a peer that floods without
//!    reading gets one for its newest ping alone.
//! 5. **Lengths buy nothing.** Memory grows with bytes that have come, never with a length that was announced, and up to the
//!    limits of the [`Config`].
//! 6. **Work allocates nothing, and idle costs next to nothing.** Once it is warm, a loop with the defaults allocates nothing
//!    for messages of up to 1 MiB; an idle connection holds at most a KiB for what it sends next, or, if you
//!    [choose](Config::keep), nothing.
//! 7. **A panic is this crate's bug**, never the peer's input; and no code here can break memory safety.
//!
//! # Where things are
//!
//! | | |
//! |-|-|
//! | [`server`], [`client`] | the opening handshake: the only way to a [`Connection`] |
//! | [`Receiver`] | [`Input`] to [`Event`]s (whole messages) or [`ChunkEvent`]s (as they come) |
//! | [`ReadBuffer`] | what the socket is read into, of one connection or of all |
//! | [`Sender`] | messages, pings and closes to [bytes](Sender::pending), and what to do with the [`Transport`] |
//! | [`Config`] | every limit, with its default |
//! | [`deflate`] | compressed messages (permessage-deflate, [RFC 7692]) |
//! | [`frame`] | a frame codec, usable alone |
//! | [`http`] | the headers of a handshake, and what can be wrong with its head |
//! | [`Uri`] | `ws://` and `wss://` addresses |
//! | [`Vec<u8>`](alloc::vec::Vec) or [`FixedStorage`] | where what must be kept is kept |
//!
//! # Loops for other worlds
//!
//! **Non-blocking sockets** (mio, epoll): the same inner `while`. Be interested in writing while
//! [`tx.is_empty()`](Sender::is_empty) is false, and pass what `write` returns to [`tx.consume`](Sender::consume). Reading
//! never waits for writing. Over TLS be interested in writing until `flush` has succeeded, too.
//!
//! **Async, one task**: `select!` between reading and writing. This loop runs over any stream, TLS too, in either role:
//!
//! ```
//! # use std::error::Error;
//! use tokio::{
//!     io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ErrorKind},
//!     select,
//! };
//! use websocket_proto::{Connection, Input, ReadBuffer, Role, Sender, Transport};
//!
//! async fn echo<R: Role>(
//!     stream: impl AsyncRead + AsyncWrite,
//!     connection: Connection<R, Vec<u8>, Vec<u8>>,
//!     early: Input<'_>,                                           // bytes that were read behind the handshake
//! ) -> Result<(), Box<dyn Error>> {
//!     let (mut reader, mut writer) = io::split(stream);
//!     let Connection { receiver: mut rx, sender: mut tx } = connection;
//!     let (mut buffer, mut input, mut unflushed) = (ReadBuffer::new(vec![0; 32 * 1024]), early, false);
//!     loop {
//!         while let Some(event) = rx.next_message(&mut input, &mut tx) {
//!             if let Some(message) = event.message() { tx.send(message)? }
//!         }
//!         unflushed |= !tx.is_empty();
//!         if tx.transport() == Transport::CloseNow && !unflushed { break Ok(rx.end_of_input()?) }
//!         input = Input::default();                               // the last one still borrows the buffer
//!         select! {
//!             read = reader.read(buffer.room_for(&mut rx)) => match read {
//!                 Ok(n) if n > 0 => input = buffer.received(n),
//!                 Err(error) if rx.end_of_input().is_err() => break Err(error.into()),
//!                 _ => {                                          // after a Close any end is a clean one
//!                     write(&mut writer, &mut tx).await?;         // a peer may have ended only its half
//!                     break Ok(rx.end_of_input()?)
//!                 }
//!             },
//!             written = write(&mut writer, &mut tx), if unflushed => { written?; unflushed = false }
//!         }
//!     }
//! }
//!
//! /// May be dropped while it waits: what the stream has taken is consumed, and flushing can be repeated.
//! async fn write<R: Role>(stream: &mut (impl AsyncWrite + Unpin), tx: &mut Sender<R, Vec<u8>>) -> io::Result<()> {
//!     while !tx.is_empty() {
//!         match stream.write(tx.pending()).await? {
//!             0 => return Err(ErrorKind::WriteZero.into()),
//!             n => tx.consume(n),
//!         }
//!     }
//!     stream.flush().await
//! }
//! # use websocket_proto::{Config, server};
//! # let (mut client, stream) = io::duplex(1 << 16);
//! # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
//! #     \x81\x85\0\0\0\0hello".to_vec();
//! # let mut early = Input::new(&mut request);
//! # let mut handshake = server::Handshake::new(Config::new());
//! # assert!(handshake.read(&mut early));
//! # let connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! #     client.write_all(b"\x88\x80\0\0\0\0").await?;
//! #     echo(stream, connection, early).await?;
//! #     let mut received = Vec::new();
//! #     client.read_to_end(&mut received).await?;
//! #     assert!(received.ends_with(b"\r\n\r\n\x81\x05hello\x88\x00"));
//! #     Ok::<_, Box<dyn Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn Error>>(())
//! ```
//!
//! A server that only answers adds `if tx.backlog() < 64 << 10` to its read, so that it doesn't read from a client that
//! doesn't read either. Where a socket can say that it is ready, as tokio's do, wait for that and read without waiting:
//! then one buffer serves all connections of a thread, and nothing is borrowed across an `await`. The example
//! `echo_tokio` is a whole server.
//!
//! **A handshake in a function of its own**, or under a timeout: see [`Input`].
//!
//! **Two tasks**: the reader passes a closure for the [`Replies`]. It locks a sender that both share, and which the
//! writer doesn't hold while it waits for the socket: lock, copy what is pending, unlock, write, lock,
//! [`consume`](Sender::consume), and flush when nothing is pending. Or it sends them through a channel to the writer,
//! which gives them to [`tx.reply`](Sender::reply); a channel can fill up, and then of the [pongs](Reply::is_pong) only
//! the newest must arrive, every other reply must. When a read finds the stream's end, the writer may be asleep with
//! nothing to write: tell it with [`tx.transport_lost()`](Sender::transport_lost), where the writer's whole loop is
//! shown.
//!
//! **Vectored writes**: [`tx.frame(message)`](Sender::frame) lends header and payload without a copy.
//!
//! **Larger than memory**: [`rx.next_chunk`](Receiver::next_chunk) gives chunks as they arrive,
//! [`tx.send_binary_fragment`](Sender::send_binary_fragment) sends a message piece by piece.
//!
//! **Without an allocator**: the same loops over [`FixedStorage`], whose page has a chapter on it: the whole loop, and how large the arrays should be.
//!
//! **A loop that closes by itself** must expect messages that cross its Close on the way, and not answer them: ask
//! [`tx.is_open()`](Sender::is_open) before sending, or let [`SendError::Closing`] pass.
//!
//! # Streams
//!
//! The protocol has nothing to flush, and cuts in its bytes don't matter to it. The stream has its own habits:
//!
//! | a stream may | so the loop |
//! |-|-|
//! | keep what it took until it is flushed: TLS, a `BufWriter` | flushes when nothing is pending, before it waits |
//! | take a part | writes until [`tx.is_empty()`](Sender::is_empty) |
//! | take nothing and say so: `Ok(0)` | ends with an error, or it would never end; `write_all` does so |
//! | be interrupted by a signal | tries again; `write_all` does so, `read` doesn't |
//! | end in the middle of a handshake | asks the handshake: `into_request` and `into_response` say what is missing |
//! | end | asks [`rx.end_of_input()`](Receiver::end_of_input) whether there was a Close |
//! | end with an error: `UnexpectedEof`, for want of a `close_notify` | asks the same; after a Close the end is clean |
//!
//! A loop that forgets to flush works until a peer reads slowly. Then the end of a message stays in the buffer of the
//! TLS library, up to 64 KiB in that of rustls, while both sides wait for each other.
//!
//! A server that got a Close is told to [close](Transport::CloseNow) and need not read on. A client
//! [waits](Transport::AwaitEnd) for the server to end the stream, and many servers do so without a `close_notify`. That
//! costs nothing: the Close has said that no message is missing. A blocking client reads with this:
//!
//! ```
//! use std::io::{self, ErrorKind, Read};
//! use websocket_proto::{Receiver, Role};
//!
//! /// Reads as the socket does; but after a Close an error is the end as well: 0.
//! fn read<R: Role>(socket: &mut impl Read, buf: &mut [u8], rx: &Receiver<R, Vec<u8>>) -> io::Result<usize> {
//!     loop {
//!         match socket.read(buf) {
//!             Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!             Err(_) if rx.end_of_input().is_ok() => return Ok(0),
//!             result => return result,
//!         }
//!     }
//! }
//! ```
//!
//! # Time
//!
//! The library has no clock. A loop on the open internet wants four timers, all of them in the examples `echo_tokio` and `chat`:
//!
//! | from | until | then | usual |
//! |-|-|-|-|
//! | the connection | the handshake is done | drop it | 10 s |
//! | the last byte that came | another comes | [`ping`](Sender::ping); after as long again, drop it | 30 s |
//! | [`transport`](Sender::transport) is not `Open` any more | it is `CloseNow`, or the stream ends | drop it | 10 s |
//! | we have shut down our half of the stream | the peer ends its own | drop it | 2 s |
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |-|-|-|
//! | `std` | yes | [`SystemRandom`], `IoSlice`s from a [`VectoredFrame`], the widest vectors that the machine has, and code that is only there to be fast; implies `alloc` |
//! | `alloc` | yes | `Vec<u8>` as a store |
//! | `deflate` | yes | the module [`deflate`], on `zlib-rs`; implies `std`. Nothing is compressed unless a [`Config`] says so |
//! | `sha1` | no | handshakes with the processor's own instructions for SHA-1, where it has them; implies `alloc` |
//!
//! Without any of them the crate needs only `core`. Features add, and change nothing for code that does not use them.
//!
//! [RFC 6455]: https://www.rfc-editor.org/rfc/rfc6455
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692

#![no_std]
#![forbid(unsafe_code)]
#![warn(unnameable_types, unreachable_pub)]
#![warn(clippy::alloc_instead_of_core, clippy::std_instead_of_alloc, clippy::std_instead_of_core)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation is written for all features; without one, links to what it adds lead nowhere.
#![cfg_attr(not(all(feature = "std", feature = "deflate")), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// Whether common cases have code of their own, which is only there to be fast. Without `std` size matters more.
const SHORTCUTS: bool = cfg!(feature = "std");

#[cfg(feature = "deflate")]
mod boxed;
mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod frame;
mod handshake;
mod input;
mod receive;
mod send;
mod storage;
mod text;

#[cfg(feature = "std")]
pub use connection::ClientConnection;
#[cfg(feature = "alloc")]
pub use connection::ServerConnection;
pub use connection::{Client, Config, Connection, OwnedReply, Randomness, Replies, Reply, Role, Server, Transport};
#[cfg(feature = "std")]
pub use connection::{NoRandomness, SystemRandom};
pub use frame::CloseCode;
pub use handshake::{Uri, UriError, client, http, server};
pub use input::{Input, ReadBuffer};
pub use receive::{Chunk, ChunkEvent, Event, Failure, Kind, Message, Receiver, UncleanEnd};
pub use send::{SendCloseError, SendError, Sender, VectoredFrame};
pub use storage::{FixedStorage, Storage};
