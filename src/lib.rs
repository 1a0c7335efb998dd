//! The WebSocket protocol ([RFC 6455]) as pure state machines: bytes in, events and bytes out.
//!
//! This crate opens no socket, reads no clock and starts no thread. It turns the bytes that you read into messages, and
//! the messages that you send into bytes to write. So it fits blocking sockets, an event loop, any async runtime and
//! firmware, and all of it can be tested without a network.
//!
//! A connection is two values: the [`Receiver`] and the [`Sender`]. While the receiver lends a message, the sender is
//! free. So an echo server copies each message once, into its output:
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
//!         if tx.transport() == Transport::CloseNow { break rx.end_of_input()? }   // Err: it broke the protocol
//!         let n = socket.read(buffer.room_for(&mut rx))?;         // a long message goes directly to its store
//!         if n == 0 { break rx.end_of_input()? }                  // Err: it left without a Close
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
//! 1. **All input is used.** There is no count of used bytes to track and nothing to present again, so one read buffer
//!    can serve ten thousand connections.
//! 2. **Cuts don't matter.** The same bytes give the same messages, replies and failure, wherever reads cut them.
//! 3. **Failures are found early**: at the first byte that proves the fault. All messages before that byte are returned
//!    first. A failure is an [event](Event::Failed), because the Close frame that explains it must still be written.
//! 4. **Replies are bounded.** The receiver passes Pongs and Closes directly to the sender. The protocol has nothing to
//!    flush, but the [stream](#streams) may have. Each Ping is answered with a Pong. If 4 KiB of Pongs wait because the
//!    peer does not read, only its newest Ping is answered.
//! 5. **An announced length buys nothing.** Memory grows with the bytes received, up to the limits of the [`Config`].
//! 6. **A loop in use allocates nothing, and an idle connection costs next to nothing.** Once it is warm, a loop with
//!    the defaults allocates nothing for messages of up to 1 MiB. An idle connection keeps at most 1 KiB for the next
//!    message it sends, or nothing if you [choose](Config::keep) so.
//! 7. **A panic is this crate's bug**, never the peer's input. No code here can break memory safety.
//!
//! # Where things are
//!
//! | | |
//! |-|-|
//! | [`server`], [`client`] | the opening handshake, the way to a [`Connection`]: over HTTP/1.1 in bytes, or from the [request](server::Request::from_parts) and [response](client::Offer) of an HTTP library, also over [HTTP/2 and HTTP/3](server::Request::from_header_list) |
//! | [`proxy`] | a client's way through a proxy: `CONNECT`, SOCKS5 |
//! | [`Receiver`] | [`Input`] to [`Event`]s (whole messages) or [`ChunkEvent`]s (as they are received) |
//! | [`ReadBuffer`] | what sockets are read into, for one connection or for all |
//! | [`Sender`] | messages, Pings and Closes to [bytes](Sender::pending), and what to do with the [`Transport`] |
//! | [`Config`] | every limit, with its default |
//! | [`time`] | deadlines, keepalive and reconnection, as data |
//! | [`Outcome`], [`Traffic`] | how a connection ended, and how much has passed |
//! | [`deflate`] | compressed messages (permessage-deflate, [RFC 7692]) |
//! | [`frame`] | a frame codec, usable alone |
//! | [`head`] | the headers of a handshake, and what can be wrong with its head |
//! | [`Error`] | any error of the crate, for functions that end with `?` |
//! | [`Uri`] | `ws://` and `wss://` addresses |
//! | [`Vec<u8>`](alloc::vec::Vec) or [`FixedStorage`] | where bytes are stored that must outlive a read |
//! | [`guide`] | pages about what a program on the open internet must do: [pages and WebSockets on one port](guide::pages_and_websockets), [over HTTP/2](guide::over_http2), [with hyper](guide::with_hyper), [with axum](guide::with_axum), [from somebody else's handshake](guide::other_handshakes), [TLS](guide::tls), [through a proxy](guide::through_a_proxy), [behind a proxy](guide::behind_a_proxy), [two tasks](guide::two_tasks), [on io_uring](guide::on_io_uring), [with embassy](guide::with_embassy), [survive a dead peer](guide::survive_a_dead_peer), [close properly](guide::close_properly), [come back](guide::come_back) |
//!
//! # Example: a client
//!
//! ```no_run
//! use std::{error::Error, io::{Read, Write}, net::TcpStream};
//! use websocket_proto::{CloseCode, Config, Connection, Event, ReadBuffer, SystemRandom, Transport, Uri, client};
//!
//! /// The socket is connected to the host and the port of the address.
//! fn ask<S: Read + Write>(mut socket: S, uri: Uri<'_>, question: &str) -> Result<String, Box<dyn Error>> {
//!     let mut buffer = ReadBuffer::new([0; 32 * 1024]);
//!     let mut handshake = client::Handshake::new(Config::new(), &client::Request::new(uri), SystemRandom::new()?)?;
//!     socket.write_all(handshake.pending())?;
//!     socket.flush()?;
//!     let mut input = loop {
//!         let n = socket.read(buffer.room())?;
//!         let mut input = buffer.received(n);
//!         if handshake.read(&mut input) || n == 0 { break input }
//!     };
//!     let Connection { receiver: mut rx, sender: mut tx } = handshake.into_response()?.upgrade()?;
//!
//!     let mut answer = String::new();
//!     tx.send_text(question)?;
//!     loop {
//!         while let Some(event) = rx.next_message(&mut input, &mut tx) {
//!             if let Event::Text(text) = event && tx.is_open() {
//!                 answer = text.to_owned();
//!                 tx.close(CloseCode::NORMAL, "")?;               // the answer to it ends the loop
//!             }
//!         }
//!         while !tx.is_empty() { socket.write_all(tx.pending())?; tx.consume(tx.pending().len()) }
//!         socket.flush()?;
//!         if tx.transport() == Transport::CloseNow { rx.end_of_input()?; break }
//!         input = match socket.read(buffer.room_for(&mut rx)) {
//!             Ok(n @ 1..) => buffer.received(n),
//!             Err(error) if rx.end_of_input().is_err() => return Err(error.into()),
//!             _ => { rx.end_of_input()?; break }                  // the server ends the stream; after a Close, anyhow
//!         };
//!     }
//!     Ok(answer)
//! }
//!
//! fn main() -> Result<(), Box<dyn Error>> {
//!     let uri = Uri::parse("ws://127.0.0.1:9002/")?;
//!     let socket = TcpStream::connect((uri.host(), uri.port()))?;
//!     println!("{}", ask(socket, uri, "hello")?);
//!     Ok(())
//! }
//! ```
//!
//! # Example: an event loop
//!
//! With mio, epoll or kqueue the same buffer serves all connections. Reading never waits for writing.
//!
//! ```
//! use std::{error::Error, io::{self, ErrorKind, Read, Write}};
//! use websocket_proto::{Connection, ReadBuffer, ServerConnection, Transport};
//!
//! /// The socket is ready. Returns whether to go on; be interested in writing while `!sender.is_empty()`.
//! fn ready<S: Read + Write>(
//!     socket: &mut S,
//!     connection: &mut ServerConnection,
//!     buffer: &mut ReadBuffer<Vec<u8>>,
//! ) -> Result<bool, Box<dyn Error>> {
//!     let Connection { receiver: rx, sender: tx } = connection;
//!     loop {
//!         while !tx.is_empty() && let Some(n) = unless_it_would_block(socket.write(tx.pending()))? {
//!             if n == 0 { return Err(io::Error::from(ErrorKind::WriteZero).into()) }
//!             tx.consume(n);
//!         }
//!         if tx.transport() == Transport::CloseNow { return Ok(false) }
//!         if tx.backlog() >= 64 << 10 { return Ok(true) }         // it reads more slowly than it sends
//!         let Some(n) = unless_it_would_block(socket.read(buffer.room_for(rx)))? else { return Ok(true) };
//!         if n == 0 { rx.end_of_input()?; return Ok(!tx.is_empty()) }         // a peer may have ended only its half
//!         let mut input = buffer.received(n);
//!         while let Some(event) = rx.next_message(&mut input, tx) {
//!             if let Some(message) = event.message() { tx.send(message)? }
//!         }
//!     }
//! }
//!
//! fn unless_it_would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
//!     match result {
//!         Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
//!         result => result.map(Some),
//!     }
//! }
//! # struct Script<'a>(&'a [u8], Vec<u8>);
//! # impl Read for Script<'_> {
//! #     fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
//! #         if self.0.is_empty() { Err(ErrorKind::WouldBlock.into()) } else { self.0.read(buf) }
//! #     }
//! # }
//! # impl Write for Script<'_> {
//! #     fn write(&mut self, buf: &[u8]) -> io::Result<usize> { self.1.write(buf) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # use websocket_proto::{Config, Input, server};
//! # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".to_vec();
//! # let mut handshake = server::Handshake::new(Config::new());
//! # assert!(handshake.read(&mut Input::new(&mut request.clone())));
//! # let mut connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
//! # let mut buffer = ReadBuffer::new(vec![0; 1000]);
//! # let mut socket = Script(b"\x81\x85\0\0\0\0hello", Vec::new());
//! # assert!(ready(&mut socket, &mut connection, &mut buffer)?);
//! # assert!(socket.1.ends_with(b"\r\n\r\n\x81\x05hello"));
//! # socket.0 = b"\x88\x80\0\0\0\0";
//! # assert!(!ready(&mut socket, &mut connection, &mut buffer)?);
//! # // As much as can be read at once, from a client that ends its half of the stream.
//! # let mut connection = { let mut handshake = server::Handshake::new(Config::new());
//! #     assert!(handshake.read(&mut Input::new(&mut request)));
//! #     handshake.into_request()?.upgrade()?.accept(&server::Accept::new())? };
//! # connection.sender.consume(usize::MAX);
//! # let message = [&b"\x82\xFE\xFF\xFF\0\0\0\0"[..], &[7; 0xFFFF]].concat();
//! # let wire = [message.repeat(50), b"\x88\x80\0\0\0\0".to_vec()].concat();
//! # let mut socket = Script(&wire, Vec::new());
//! # assert!(!ready(&mut socket, &mut connection, &mut buffer)?);
//! # assert_eq!(socket.1.len(), 50 * (4 + 0xFFFF) + 2);
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! Over TLS be interested in writing until `flush` has succeeded, too. The example `echo_mio` is a whole server.
//!
//! # Example: async, in one task
//!
//! A `select!` between reading and writing. This loop runs over any stream, TLS too, in either role:
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
//!             read = reader.read(buffer.room_for(&mut rx)), if tx.backlog() < 64 << 10 => match read {
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
//! The read waits while the backlog is large, so that a client which reads slowly is not served faster than it reads.
//! Only one end may do so, usually the server: if both ends waited, neither would read again.
//! The sockets of tokio say when they are ready: wait with `readable`, then read with `try_read`. Then one buffer
//! serves all connections of a thread, and nothing is borrowed across an `await`. The example `echo_tokio` is a whole
//! server. The page of [`Input`] shows how to read a handshake in its own function, and what a timeout needs.
//!
//! # Example: two tasks
//!
//! One task reads and another writes. The reader passes a closure as the [`Replies`]. There are two ways:
//!
//! - Both tasks share the sender, and the closure locks it. The page of [`Replies`] has the reader, and that of
//!   [`transport_lost`](Sender::transport_lost) has the writer, which holds no lock while it waits for the socket.
//! - The writer owns the sender, and the closure sends replies to it through a channel:
//!
//! ```
//! use std::{error::Error, io::Write, sync::mpsc};
//! use websocket_proto::{Input, OwnedReply, Receiver, Reply, Sender, Server, Transport};
//!
//! enum ToWriter {
//!     Reply(OwnedReply),
//!     Text(String),
//!     Lost,                                                       // the reader has found the end of the stream
//! }
//!
//! fn received(mut input: Input<'_>, rx: &mut Receiver<Server, Vec<u8>>, writer: &mpsc::SyncSender<ToWriter>) {
//!     // While the channel is full this waits, and so does a peer that sends Pings without reading the Pongs.
//!     let mut replies = |reply: Reply<'_>| _ = writer.send(ToWriter::Reply(reply.to_owned()));
//!     while let Some(event) = rx.next_message(&mut input, &mut replies) {
//!         println!("{event:?}");
//!     }
//! }
//!
//! fn write(
//!     mut socket: impl Write,
//!     tx: &mut Sender<Server, Vec<u8>>,
//!     reader: &mpsc::Receiver<ToWriter>,
//! ) -> Result<(), Box<dyn Error>> {
//!     for what in reader {
//!         match what {
//!             ToWriter::Reply(reply) => tx.reply(&reply),
//!             ToWriter::Text(text) if tx.is_open() => tx.send_text(&text)?,
//!             ToWriter::Text(_) => {}
//!             ToWriter::Lost => tx.transport_lost(),              // drops what is pending: nobody would read it
//!         }
//!         while !tx.is_empty() { socket.write_all(tx.pending())?; tx.consume(tx.pending().len()) }
//!         socket.flush()?;
//!         if tx.transport() == Transport::CloseNow { break }
//!     }
//!     Ok(())
//! }
//! # use websocket_proto::{Config, server};
//! # let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
//! #     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x89\x80\0\0\0\0".to_vec();
//! # let mut early = Input::new(&mut request);
//! # let mut handshake = server::Handshake::new(Config::new());
//! # assert!(handshake.read(&mut early));
//! # let mut connection = handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?;
//! # let (writer, reader) = mpsc::sync_channel(9);
//! # received(early, &mut connection.receiver, &writer);
//! # writer.send(ToWriter::Text("hi".into()))?;
//! # writer.send(ToWriter::Lost)?;
//! # let mut socket = Vec::new();
//! # write(&mut socket, &mut connection.sender, &reader)?;
//! # assert!(socket.ends_with(b"\r\n\r\n\x8a\0\x81\x02hi"));
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! [`next_owned`](Receiver::next_owned) returns events that borrow nothing, for a task that handles them.
//!
//! # Example: vectored writes
//!
//! From about 4 KiB a server saves time if it doesn't copy a message into its output:
//!
//! ```
//! use std::{error::Error, io::Write};
//! use websocket_proto::{Sender, Server};
//!
//! fn send(tx: &mut Sender<Server, Vec<u8>>, message: &[u8], socket: &mut impl Write) -> Result<(), Box<dyn Error>> {
//!     let frame = tx.vectored_frame(message)?;
//!     let written = socket.write_vectored(&frame.slices())?;      // what was pending, the header, the message
//!     frame.sent(written);                                        // what the socket did not take is pending now
//!     Ok(())
//! }
//! ```
//!
//! # Example: messages larger than memory
//!
//! [`next_chunk`](Receiver::next_chunk) returns a message in chunks while it is received, and has an example.
//! [`begin_frame`](Sender::begin_frame) sends one in pieces if its length is known, and
//! [`send_binary_fragment`](Sender::send_binary_fragment) if not.
//!
//! # Example: without an allocator
//!
//! The same loops run over [`FixedStorage`]. Its page has a whole one, and says how large the arrays should be.
//!
//! # Example: a loop that closes by itself
//!
//! Messages of the peer may cross our Close on the way. Don't answer them: ask [`is_open`](Sender::is_open) first, or
//! treat [`SendError::Closing`] as no error.
//!
//! ```
//! use websocket_proto::{Event, SendError, Sender, Server, CloseCode};
//!
//! fn answer(event: Event<'_>, tx: &mut Sender<Server, Vec<u8>>) -> Result<(), Box<dyn std::error::Error>> {
//!     match event {
//!         Event::Text("bye") if tx.is_open() => tx.close(CloseCode::NORMAL, "")?,
//!         Event::Text(text)  if tx.is_open() => tx.send_text(text)?,
//!         _ => {}
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # Streams
//!
//! The protocol has nothing to flush, and does not care where its bytes are cut. The stream below it may:
//!
//! | the stream may | so the loop |
//! |-|-|
//! | keep what it took until it is flushed: TLS, a `BufWriter` | flushes when nothing is pending, before it waits |
//! | take a part | writes until [`tx.is_empty()`](Sender::is_empty) |
//! | take nothing and say so: `Ok(0)` | ends with an error, or it would never end; `write_all` does so |
//! | be interrupted by a signal | tries again; `write_all` does so, `read` doesn't |
//! | end in the middle of a handshake | asks the handshake: `into_request` and `into_response` say what is missing |
//! | end | asks [`rx.end_of_input()`](Receiver::end_of_input) whether there was a Close |
//! | refuse a write with an error | drops what is pending ([`transport_lost`](Sender::transport_lost)), and reads to the end: a Close that says why may have arrived |
//! | end with an error, such as `UnexpectedEof` if TLS ends without a `close_notify` | asks `rx.end_of_input()` as well: after a Close the end is clean |
//!
//! A loop that forgets to flush works until a peer reads slowly. Then the end of a message stays in the buffer of the
//! TLS library, up to 64 KiB in that of rustls, while both sides wait for each other.
//!
//! After a Close and its answer, a server [closes](Transport::CloseNow) the stream. A TCP socket that is closed while
//! bytes arrive resets the connection, and the peer may lose our Close: so shut down writing first, and read to the
//! end. A client [waits](Transport::AwaitEnd) until the server ends the stream, and many servers do so without a
//! `close_notify`. No message is lost then, because a Close is the last frame of a peer. A blocking client reads with
//! this:
//!
//! ```
//! use std::io::{self, ErrorKind, Read};
//! use websocket_proto::{ReadBuffer, Receiver, Role};
//!
//! /// Reads as the socket does; but after a Close an error is the end as well: 0.
//! fn read<R: Role>(
//!     socket: &mut impl Read,
//!     buffer: &mut ReadBuffer<Vec<u8>>,
//!     rx: &mut Receiver<R, Vec<u8>>,
//! ) -> io::Result<usize> {
//!     loop {
//!         match socket.read(buffer.room_for(rx)) {
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
//! The crate reads no clock, but it knows the deadlines. A loop tells a [`Watch`](time::Watch) what it reads and
//! writes, and asks it how long to wait:
//!
//! ```
//! use std::{io::{self, ErrorKind, Read, Write}, net::TcpStream, time::Duration};
//! use websocket_proto::{Connection, Input, ReadBuffer, ServerConnection, time::Watch};
//!
//! /// Returns the next input, or an error of the kind `TimedOut` if the client is dead.
//! fn read<'b>(
//!     socket: &mut TcpStream,
//!     connection: &mut ServerConnection,
//!     buffer: &'b mut ReadBuffer<Vec<u8>>,
//!     watch: &mut Watch,
//!     now: impl Fn() -> Duration,                                 // since any origin
//! ) -> io::Result<Input<'b>> {
//!     let Connection { receiver: rx, sender: tx } = connection;
//!     loop {
//!         let wait = watch.check(tx, now())?;                     // sends a Ping when the client was silent for long
//!         while !tx.is_empty() { socket.write_all(tx.pending())?; tx.consume(tx.pending().len()) }
//!         socket.set_read_timeout(wait)?;
//!         match socket.read(buffer.room_for(rx)) {
//!             Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
//!             n => {
//!                 let n = n?;
//!                 watch.heard(now());
//!                 return Ok(buffer.received(n));
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! The module [`time`] has the async loop, and a client that connects again. How a connection ended is its [`Outcome`],
//! and [`Traffic`] counts what has passed. Three pages of the [`guide`] say why, and what else there is to do.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |-|-|-|
//! | `std` | yes | [`SystemRandom`], `IoSlice`s from a [`VectoredFrame`], the widest vectors that the machine has, and code that is only there to be fast; implies `alloc` |
//! | `alloc` | yes | `Vec<u8>` as a store |
//! | `deflate` | yes | the module [`deflate`], on `zlib-rs`; implies `std`. Nothing is compressed unless a [`Config`] says so |
//! | `http` | no | [requests](server::Request::from_http) and [responses](client::Offer::http_response) as the types of the crate `http`, for hyper and axum; implies `std` |
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
#![cfg_attr(not(all(feature = "std", feature = "deflate", feature = "http")), allow(rustdoc::broken_intra_doc_links))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// What a program on the open internet must do beside the protocol, with code.
#[cfg(any(doc, all(doctest, feature = "std")))]
pub mod guide {
    #[doc = include_str!("../docs/behind-a-proxy.md")]
    pub mod behind_a_proxy {}
    #[doc = include_str!("../docs/close-properly.md")]
    pub mod close_properly {}
    #[doc = include_str!("../docs/come-back.md")]
    pub mod come_back {}
    #[doc = include_str!("../docs/other-handshakes.md")]
    pub mod other_handshakes {}
    #[doc = include_str!("../docs/over-http2.md")]
    pub mod over_http2 {}
    #[doc = include_str!("../docs/pages-and-websockets.md")]
    pub mod pages_and_websockets {}
    #[doc = include_str!("../docs/survive-a-dead-peer.md")]
    pub mod survive_a_dead_peer {}
    #[doc = include_str!("../docs/through-a-proxy.md")]
    pub mod through_a_proxy {}
    // Their code is compiled in the examples, which have what it needs.
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/on-io-uring.md")]
    pub mod on_io_uring {}
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/tls.md")]
    pub mod tls {}
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/two-tasks.md")]
    pub mod two_tasks {}
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/with-axum.md")]
    pub mod with_axum {}
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/with-embassy.md")]
    pub mod with_embassy {}
    #[cfg(not(doctest))]
    #[doc = include_str!("../docs/with-hyper.md")]
    pub mod with_hyper {}
}

/// Whether common cases have code of their own, which is only there to be fast. Without `std` size matters more.
const SHORTCUTS: bool = cfg!(feature = "std");

#[cfg(feature = "alloc")]
mod boxed;
mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
mod error;
pub mod frame;
mod handshake;
mod input;
mod receive;
mod send;
mod storage;
mod text;
pub mod time;

#[cfg(feature = "std")]
pub use connection::ClientConnection;
#[cfg(feature = "alloc")]
pub use connection::ServerConnection;
pub use connection::{
    Client, Closes, Config, Connection, Count, Ended, Outcome, OwnedReply, Randomness, Replies, Reply, Role, Server,
    Traffic, Transport,
};
#[cfg(feature = "std")]
pub use connection::{RandomnessError, SystemRandom};
pub use error::Error;
pub use frame::CloseCode;
pub use handshake::{Credentials, CredentialsError, Exchange, Uri, UriError, client, head, proxy, server};
pub use input::{Input, ReadBuffer};
pub use receive::{Chunk, ChunkEvent, Event, Failure, Kind, Message, Receiver, UncleanEnd};
#[cfg(feature = "alloc")]
pub use receive::{OwnedEvent, OwnedMessage};
pub use send::{SendError, Sender, VectoredFrame};
pub use storage::{FixedStorage, Storage};
