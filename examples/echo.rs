//! An echo server for test suites: one thread a connection, every message back as it came.
//!
//! The path of the address asks for something else:
//!
//! | path | what happens |
//! |-|-|
//! | `/` | echo |
//! | `/status/NNN` | the handshake is refused with this HTTP status |
//! | `/close/CODE/REASON` | accepted, and closed at once |
//! | `/fragment/N` | echo in fragments of N bytes |
//! | `/ping/TEXT` | a ping first, then echo |

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use websocket_proto::{
    Config, Connection, Event, Input, SendError, Sender, Server, Transport,
    deflate::{Deflate, WindowBits},
    frame::CloseCode,
    server,
};

const USAGE: &str = "usage: echo [--listen ADDR:PORT] [--max-frame BYTES] [--max-message BYTES] [--max-fragments N]
            [--no-deflate] [--window BITS] [--no-takeover] [--threshold BYTES]";

/// How long a peer may take over its handshake, its answer to a Close, or a read of what we send.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much may wait for the socket while there are messages to answer: what one read brings may be a thousand times as much
/// when it is decompressed.
const BACKLOG: usize = 64 << 10;

fn main() -> ExitCode {
    let (listen, config) = match arguments() {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("echo: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let listener = match TcpListener::bind(&listen) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("echo: cannot listen on {listen}: {error}");
            return ExitCode::FAILURE;
        }
    };
    match listener.local_addr() {
        Ok(address) => println!("listening on ws://{address}/"),
        Err(_) => println!("listening on ws://{listen}/"),
    }
    for socket in listener.incoming() {
        let Ok(socket) = socket else { continue };
        thread::spawn(move || {
            if let Err(error) = serve(&socket, config) {
                eprintln!("echo: {error}");
            }
            linger(&socket);
        });
    }
    ExitCode::SUCCESS
}

fn arguments() -> Result<(String, Config), String> {
    let mut listen = String::from("127.0.0.1:9002");
    // Between messages a connection keeps some memory: it is used at full speed or not at all.
    let mut config = Config::new().keep(1 << 20);
    let (mut compress, mut deflate) = (true, Deflate::new());
    let mut arguments = env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{flag} without a value"));
        let mut number = || value()?.parse::<u32>().map_err(|_| format!("{flag} wants a number"));
        match flag.as_str() {
            "--listen" => listen = value()?,
            "--max-frame" => config = config.max_frame(number()?.into()),
            "--max-message" => {
                let max = number()?;
                // An echo waits for the socket whole, with what waits already; in small fragments it is larger.
                config = config.max_message(max.into()).high_water(2 * max as usize + (1 << 20));
            }
            "--max-fragments" => config = config.max_fragments(number()?),
            "--no-deflate" => compress = false,
            "--window" => {
                let bits = u8::try_from(number()?).ok().and_then(WindowBits::new).ok_or("--window wants 8 to 15")?;
                deflate = deflate.send_window(bits).receive_window(bits);
            }
            "--no-takeover" => deflate = deflate.send_takeover(false).receive_takeover(false),
            "--threshold" => deflate = deflate.threshold(number()? as usize),
            _ => return Err(format!("no such option: {flag}")),
        }
    }
    Ok((listen, if compress { config.deflate(deflate) } else { config }))
}

/// What the path asks for.
enum Manner {
    Echo,
    Refuse(u16),
    Close(CloseCode, String),
    Fragments(usize),
    Ping(String),
}

impl Manner {
    fn of(path: &str) -> Option<Self> {
        let mut parts = path.splitn(4, '/').skip(1);
        let (verb, first, second) = (parts.next()?, parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        Some(match verb {
            "status" => Self::Refuse(first.parse().ok()?),
            "close" => Self::Close(CloseCode::new(first.parse().ok()?).ok()?, second.into()),
            "fragment" => Self::Fragments(first.parse().ok().filter(|size| *size > 0)?),
            "ping" => Self::Ping(first.into()),
            _ => Self::Echo,
        })
    }
}

fn serve(mut socket: &TcpStream, config: Config) -> Result<(), Box<dyn Error>> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut buf = vec![0; 64 << 10];
    let mut handshake = server::Handshake::new(config);
    let mut input = loop {
        let n = socket.read(&mut buf)?;
        let mut input = Input::new(&mut buf[..n]);
        if handshake.read(&mut input) || n == 0 {
            break input;
        }
    };
    let request = match handshake.into_request() {
        Ok(request) => request,
        Err(refusal) => return Ok(respond(socket, refusal.response())?),
    };
    let Some(manner) = Manner::of(request.path()) else {
        return Ok(respond(socket, server::Response::new(404))?);
    };
    if let Manner::Refuse(status) = manner {
        let body = format!("refused with {status}\n");
        return Ok(respond(
            socket,
            server::Response::new(status).headers(&[("X-Refused", "yes")]).body(body.as_bytes()),
        )?);
    }
    let upgrade = match request.upgrade() {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok(respond(socket, refusal.response())?),
    };
    let subprotocol = upgrade.subprotocols().next().map(String::from);
    let connection = upgrade.accept(&server::Accept::new().subprotocol(subprotocol.as_deref()))?;
    let Connection { receiver: mut rx, sender: mut tx } = connection;
    socket.set_read_timeout(None)?;

    match &manner {
        Manner::Close(code, reason) => tx.close(*code, reason)?,
        Manner::Ping(text) => tx.ping(text.as_bytes())?,
        _ => {}
    }
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            // Messages may cross our Close on the way; there is no answering them.
            match event {
                Event::Text(text) if tx.is_open() => send_text(&mut tx, text, &manner)?,
                Event::Binary(data) if tx.is_open() => send_binary(&mut tx, data, &manner)?,
                _ => {}
            }
            if tx.backlog() > BACKLOG {
                flush(socket, &mut tx)?;
            }
        }
        flush(socket, &mut tx)?;
        match tx.transport() {
            Transport::CloseNow => return Ok(rx.end_of_input()?),
            Transport::Open => {}
            Transport::Closing | Transport::AwaitEnd => socket.set_read_timeout(Some(PATIENCE))?,
        }
        let n = socket.read(&mut buf)?;
        if n == 0 {
            return Ok(rx.end_of_input()?);
        }
        input = Input::new(&mut buf[..n]);
    }
}

fn respond(mut socket: &TcpStream, response: server::Response<'_>) -> io::Result<()> {
    let mut out = Vec::new();
    response.write(&mut out).map_err(io::Error::other)?;
    socket.write_all(&out)
}

fn flush(mut socket: &TcpStream, tx: &mut Sender<Server, Vec<u8>>) -> io::Result<()> {
    while !tx.is_empty() {
        let written = socket.write(tx.pending())?;
        tx.consume(written);
    }
    Ok(())
}

fn send_text(tx: &mut Sender<Server, Vec<u8>>, mut text: &str, manner: &Manner) -> Result<(), SendError> {
    if let Manner::Fragments(size) = manner {
        while text.len() > *size {
            // A fragment of text may end inside a code point, but a `str` can't.
            let cut = (1..=*size).rev().find(|cut| text.is_char_boundary(*cut));
            let (fragment, rest) = text.split_at(cut.unwrap_or_else(|| text.chars().next().map_or(1, char::len_utf8)));
            tx.send_text_fragment(fragment, false)?;
            text = rest;
        }
        return tx.send_text_fragment(text, true);
    }
    tx.send_text(text)
}

fn send_binary(tx: &mut Sender<Server, Vec<u8>>, mut data: &[u8], manner: &Manner) -> Result<(), SendError> {
    if let Manner::Fragments(size) = manner {
        while data.len() > *size {
            let (fragment, rest) = data.split_at(*size);
            tx.send_binary_fragment(fragment, false)?;
            data = rest;
        }
        return tx.send_binary_fragment(data, true);
    }
    tx.send_binary(data)
}

/// Ends the connection so that what was written last arrives: a socket that is closed with unread bytes in it is reset, and the
/// reset overtakes the Close frame.
fn linger(mut socket: &TcpStream) {
    let deadline = Instant::now() + Duration::from_secs(2);
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.set_read_timeout(Some(Duration::from_millis(500)));
    let mut buf = [0; 4096];
    while Instant::now() < deadline && matches!(socket.read(&mut buf), Ok(1..)) {}
}
