//! WebSockets as streams of one HTTP/2 connection, with hyper. Each stream blocks, as a socket does.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
    upgrade::Upgraded,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    runtime::{self, Runtime},
    task::JoinHandle,
    time,
};
use websocket_proto::{
    Config, SystemRandom, Uri,
    client::{self, Offer},
};

use crate::{LIMIT, Opened, Outcome, Stream, refusal};

/// How a stream ends after both Closes.
#[derive(Clone, Copy)]
pub enum Ending {
    /// The server sends END_STREAM, then we do.
    Server,
    /// We send END_STREAM, then the server does.
    Client,
    /// We reset the stream.
    Reset,
}

/// An HTTP/2 connection to a server that takes extended CONNECT.
pub struct Connection {
    runtime: Arc<Runtime>,
    sender: SendRequest<Empty<Bytes>>,
    task: JoinHandle<hyper::Result<()>>,
    ending: Ending,
    resets: Arc<Mutex<Vec<u32>>>,
}

impl Connection {
    /// Connects, and waits until the server allows extended CONNECT.
    pub fn new(url: &str, ending: Ending) -> Outcome<Self> {
        let uri = Uri::parse(url)?;
        let runtime = Arc::new(runtime::Builder::new_current_thread().enable_all().build()?);
        let resets = Arc::default();
        let (sender, mut connection) = by_deadline(&runtime, async {
            let socket = TcpStream::connect((uri.host(), uri.port())).await?;
            let resets = Arc::clone(&resets);
            let socket = Watched { socket, header: Vec::new(), payload: 0, ended: HashSet::new(), resets };
            http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.map_err(io::Error::other)
        })?;
        let begin = Instant::now();
        while !connection.is_extended_connect_protocol_enabled() {
            let ended = runtime.block_on(async { time::timeout(Duration::from_millis(10), &mut connection).await });
            if let Ok(ended) = ended {
                return Err(format!("the server ended the connection: {ended:?}").into());
            }
            if begin.elapsed() > LIMIT {
                return Err("the server did not send SETTINGS_ENABLE_CONNECT_PROTOCOL = 1".into());
            }
        }
        let task = runtime.spawn(connection);
        Ok(Self { runtime, sender, task, ending, resets })
    }

    /// Opens a WebSocket.
    pub fn open(&mut self, config: Config, request: &client::Request<'_>) -> Outcome<Opened> {
        let offer = Offer::extended_connect(config, request, SystemRandom::new()?)?;
        let mut request = offer.http_request()?.map(|()| Empty::new());
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        by_deadline(&self.runtime, async {
            let http = self.sender.send_request(request).await?;
            let response = offer.http_response(&http)?;
            if response.status() != 200 {
                let body = http.into_body().collect().await?.to_bytes();
                return Err(refusal(&response, &body));
            }
            let stream = TokioIo::new(hyper::upgrade::on(http).await?);
            let stream = Box::new(Http2Stream { runtime: self.runtime.clone(), stream, ending: self.ending });
            Ok(Opened { response, stream, input: Vec::new() })
        })
    }

    /// Waits until all streams have ended, and then ends the connection.
    pub fn finish(self) -> Outcome {
        let Self { runtime, sender, task, resets, .. } = self;
        drop(sender);
        by_deadline(&runtime, async { task.await.map_err(io::Error::other) })??;
        let resets = resets.lock().expect("not poisoned");
        if resets.is_empty() { Ok(()) } else { Err(format!("the server reset the streams {resets:?}").into()) }
    }
}

struct Http2Stream {
    runtime: Arc<Runtime>,
    stream: TokioIo<Upgraded>,
    ending: Ending,
}

impl Read for Http2Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        by_deadline(&self.runtime, self.stream.read(buf))
    }
}

impl Write for Http2Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        by_deadline(&self.runtime, self.stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        by_deadline(&self.runtime, self.stream.flush())
    }
}

impl Stream for Http2Stream {
    /// Sends END_STREAM.
    fn end(&mut self) -> io::Result<()> {
        match by_deadline(&self.runtime, self.stream.shutdown()) {
            // Some gateways end a stream and reset it at once, whether we have ended it or not. `Watched` sees a reset
            // that comes too early.
            Err(error) if error.kind() != io::ErrorKind::TimedOut => Ok(()),
            ended => ended,
        }
    }

    fn ending(&self) -> Ending {
        self.ending
    }
}

fn by_deadline<T, E: From<io::Error>>(runtime: &Runtime, io: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("nothing for {} s", LIMIT.as_secs()));
    runtime.block_on(async { time::timeout(LIMIT, io).await }).unwrap_or_else(|_| Err(late().into()))
}

/// A socket that looks at the frames of the server. hyper reports a stream that was reset with CANCEL as one that has
/// ended.
struct Watched {
    socket: TcpStream,
    /// The header of a frame, as far as it was received, and how many bytes of payload follow it.
    header: Vec<u8>,
    payload: usize,
    ended: HashSet<u32>,
    /// The streams that were reset before they had ended.
    resets: Arc<Mutex<Vec<u32>>>,
}

impl Watched {
    fn look(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (skipped, rest) = bytes.split_at(self.payload.min(bytes.len()));
            self.payload -= skipped.len();
            let (header, rest) = rest.split_at((9 - self.header.len()).min(rest.len()));
            self.header.extend(header);
            bytes = rest;
            // RFC 9113 §4.1
            if let Ok([a, b, c, kind, flags, id @ ..]) = <[u8; 9]>::try_from(&self.header[..]) {
                let id = u32::from_be_bytes(id);
                self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
                self.header.clear();
                match kind {
                    // DATA and HEADERS, with END_STREAM
                    0 | 1 if flags & 1 != 0 => _ = self.ended.insert(id),
                    // RST_STREAM
                    3 if !self.ended.contains(&id) => self.resets.lock().expect("not poisoned").push(id),
                    _ => {}
                }
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.socket).poll_read(context, buf);
        self.look(&buf.filled()[before..]);
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
