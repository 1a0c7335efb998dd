//! The client for the Autobahn Testsuite's fuzzing server: it runs all cases, one connection each, and echoes.
//!
//! `autobahn_client --url ws://127.0.0.1:9001 --agent NAME`; see `tests/autobahn/run`.

use std::{
    error::Error,
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    time::Duration,
};

use arguments::Arguments;
use websocket_proto::{Config, Connection, Event, Input, SystemRandom, Transport, Uri, client, deflate};

const HELP: &str = "\
The client that the fuzzing server of the Autobahn Testsuite tests.

Usage: autobahn_client [--url URL] [--agent NAME]

  --url URL     the address of the fuzzing server (ws://127.0.0.1:9001)
  --agent NAME  what the client is called in the reports (websocket-proto)
  --help        show this
";

/// The suite's largest messages have 16 MiB, its most fragmented one 65 536 fragments. With compression, every message
/// is compressed.
const CONFIG: Config = Config::new()
    .max_frame(64 << 20)
    .max_message(64 << 20)
    .max_fragments(1 << 20)
    .high_water(128 << 20)
    .deflate(deflate::Config::new().threshold(0));

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::new(HELP);
    let (mut url, mut agent) = (String::from("ws://127.0.0.1:9001"), String::from("websocket-proto"));
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--url" => url = arguments.value("a URL"),
            "--agent" => agent = arguments.value("a name"),
            _ => arguments.unknown(),
        }
    }
    let count: u32 = echo(&format!("{url}/getCaseCount"))?.ok_or("no case count")?.parse()?;
    for case in 1..=count {
        // A case may end badly: some are made for that. The suite's report says whether it should.
        let _ = echo(&format!("{url}/runCase?case={case}&agent={agent}"));
    }
    // The suite may close this connection while it writes the reports. Only the reports matter.
    let _ = echo(&format!("{url}/updateReports?agent={agent}"));
    Ok(())
}

/// Connects, echoes until the end, and returns the last text message.
fn echo(address: &str) -> Result<Option<String>, Box<dyn Error>> {
    let uri = Uri::parse(address)?;
    let mut socket = TcpStream::connect((uri.host(), uri.port()))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut handshake = client::Handshake::new(CONFIG, &client::Request::new(uri), SystemRandom::new()?)?;
    socket.write_all(handshake.pending())?;
    handshake.consume(handshake.pending().len());

    let mut buf = vec![0; 64 << 10];
    let mut input = loop {
        let n = read(&mut socket, &mut buf)?;
        let mut input = Input::new(&mut buf[..n]);
        if handshake.read(&mut input) || n == 0 {
            break input;
        }
    };
    let Connection { receiver: mut rx, sender: mut tx } = handshake.into_response()?.upgrade()?;
    let mut last = None;
    loop {
        while let Some(event) = rx.next_message(&mut input, &mut tx) {
            match event {
                Event::Text(text) => {
                    last = Some(text.to_owned());
                    tx.send_text(text)?;
                }
                Event::Binary(data) => tx.send_binary(data)?,
                _ => {}
            }
        }
        match socket.write_all(tx.pending()) {
            // The suite closed the connection early: its last bytes may still be read.
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            result => result?,
        }
        tx.consume(usize::MAX);
        if tx.transport() == Transport::CloseNow {
            return Ok(last);
        }
        let n = read(&mut socket, &mut buf)?;
        if n == 0 {
            rx.end_of_input()?;
            return Ok(last);
        }
        input = Input::new(&mut buf[..n]);
    }
}

/// Reads once, and again after an interruption by a signal.
fn read(socket: &mut TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.read(buf) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
