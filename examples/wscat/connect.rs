//! From a URL to a connection: TCP, the handshake, and what can be learned when the server refuses.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    str,
    time::{Duration, Instant},
};

use websocket_proto::{Client, Config, Connection, Input, SystemRandom, Uri, client, deflate::Deflate, http::Headers};

use crate::{
    End, is_no_error,
    options::Options,
    screen::{self, Harmless},
};

/// How long an address may take to answer, and a server to complete the handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the body of a refusal is waited for.
const BODY_PATIENCE: Duration = Duration::from_secs(2);

/// How much of it is shown.
const BODY: usize = 4 << 10;

/// Between messages each half may keep as much memory as the largest fragment of a file needs.
const KEEP: usize = 1 << 20;

type Handshake = client::Handshake<SystemRandom, Vec<u8>, Vec<u8>>;

pub(crate) struct Connected {
    pub(crate) socket: TcpStream,
    pub(crate) connection: Connection<Client<SystemRandom>, Vec<u8>, Vec<u8>>,
    /// The first bytes of the connection, which came together with the response.
    pub(crate) early: Vec<u8>,
}

pub(crate) fn connect(options: &Options) -> Result<Connected, End> {
    let uri = Uri::parse(&options.url).map_err(usage)?;
    if uri.is_secure() {
        return Err(usage(
            "TLS is not built in: put a tunnel such as stunnel or socat in front, and use its ws:// address",
        ));
    }

    // The request borrows what it is made of, and is written in one piece when the handshake begins.
    let headers: Vec<_> = options.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let subprotocols: Vec<_> = options.subprotocols.iter().map(String::as_str).collect();
    let mut request = client::Request::new(uri).headers(&headers).subprotocols(&subprotocols);
    if let Some(origin) = &options.origin {
        request = request.origin(origin);
    }
    // Messages are never stored here, so they may have any length and come in any number of pieces.
    let mut config =
        Config::new().max_frame(u64::MAX).max_fragments(u32::MAX).max_message(options.max_message).keep(KEEP);
    if options.deflate {
        config = config.deflate(Deflate::new());
    }
    let random = SystemRandom::new().map_err(|error| End::Io(error.to_string()))?;
    let handshake = client::Handshake::new(config, &request, random).map_err(usage)?;

    let socket = open_socket(uri)?;
    shake_hands(socket, handshake)
}

fn usage(error: impl ToString) -> End {
    End::Usage(error.to_string())
}

/// Tries all addresses of the host.
fn open_socket(uri: Uri<'_>) -> Result<TcpStream, End> {
    let cannot = |error| End::Lost(format!("cannot connect to {}: {error}", uri.host_header()));
    let mut error = io::Error::new(ErrorKind::NotFound, "no address");
    for address in (uri.host(), uri.port()).to_socket_addrs().map_err(cannot)? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(socket) => {
                screen::note(&format_args!("connected to {address}"));
                return Ok(socket);
            }
            Err(why) => {
                screen::note(&format_args!("no connection to {address}: {why}"));
                error = why;
            }
        }
    }
    Err(cannot(error))
}

fn shake_hands(mut socket: TcpStream, mut handshake: Handshake) -> Result<Connected, End> {
    let lost = |error| End::Lost(format!("connection lost in the handshake: {error}"));
    // Small messages should leave at once.
    socket.set_nodelay(true).map_err(lost)?;
    socket.write_all(handshake.pending()).map_err(lost)?;

    let deadline = Instant::now() + PATIENCE;
    let mut buf = [0; 4096];
    let input = loop {
        let n = read_by(deadline, &mut socket, &mut buf).map_err(lost)?;
        let mut input = Input::new(&mut buf[..n]);
        // If the stream ends too early, `into_response` says so.
        if handshake.read(&mut input) || n == 0 {
            break input;
        }
    };
    let response = handshake.into_response().map_err(|error| End::Refused(format!("no WebSocket server: {error}")))?;

    if response.status() != 101 {
        screen::error(&format_args!("HTTP {}", response.status()));
        for header in response.headers() {
            screen::error(&header);
        }
        show_body(&mut socket, response.headers(), input.remaining());
    }
    if let Some(subprotocol) = response.subprotocol() {
        screen::note(&format_args!("subprotocol {}", Harmless(subprotocol.as_bytes())));
    }
    if let Some(extensions) = response.headers().get("Sec-WebSocket-Extensions") {
        screen::note(&format_args!("extension {}", Harmless(extensions)));
    }
    let redirect = response.headers().get("Location").filter(|_| matches!(response.status(), 300..400));
    let redirect = redirect.map(|location| format!(", and points to {}", Harmless(location))).unwrap_or_default();
    match response.upgrade() {
        Ok(connection) => Ok(Connected { socket, connection, early: input.remaining().to_vec() }),
        Err(error @ client::UpgradeError::Refused { .. }) => Err(End::Refused(format!("{error}{redirect}"))),
        Err(error) => Err(End::Refused(format!("not a valid handshake: {error}"))),
    }
}

/// Shows the beginning of a refusal's body, of which `body` has come already.
fn show_body(socket: &mut TcpStream, headers: Headers<'_>, body: &[u8]) {
    let announced = headers.get("Content-Length").and_then(|length| str::from_utf8(length).ok()?.parse().ok());
    let wanted = announced.unwrap_or(usize::MAX).min(BODY);
    let deadline = Instant::now() + BODY_PATIENCE;
    let mut body = body.to_vec();
    let mut buf = [0; BODY];
    while body.len() < wanted {
        match read_by(deadline, socket, &mut buf) {
            Ok(n @ 1..) => body.extend_from_slice(&buf[..n]),
            // What has come is better than nothing.
            Ok(_) | Err(_) => break,
        }
    }
    body.truncate(wanted);
    if body.is_empty() {
        return;
    }
    screen::error(&"");
    for line in body.strip_suffix(b"\n").unwrap_or(&body).split(|byte| *byte == b'\n') {
        screen::error(&Harmless(line.strip_suffix(b"\r").unwrap_or(line)));
    }
    if announced.is_none_or(|announced| announced > body.len()) && body.len() == BODY {
        screen::error(&"...");
    }
}

/// A read that fails when the deadline is over.
fn read_by(deadline: Instant, socket: &mut TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(ErrorKind::TimedOut, "no answer in time"));
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(buf) {
            Err(error) if is_no_error(&error) => {}
            result => return result,
        }
    }
}
