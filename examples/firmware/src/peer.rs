//! The same firmware with another library: embedded-websocket, used as in its examples.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::{convert::Infallible, ffi::CStr};

use board::{Uart, host, stack};
use cortex_m_rt::entry;
use embedded_websocket::framer::{FramerError, Stream};

struct Room {
    /// It must hold the whole head of the handshake.
    read: [u8; INPUT],
    write: [u8; 512],
    frame: [u8; INPUT],
}

const INPUT: usize = if cfg!(feature = "server") { 1024 } else { 512 };

#[entry]
fn main() -> ! {
    static mut ROOM: Room = Room { read: [0; INPUT], write: [0; 512], frame: [0; INPUT] };
    let well = run(ROOM);
    host::report(c"stack", stack::deepest());
    host::exit(well)
}

#[allow(unused_variables)]
fn run(room: &mut Room) -> bool {
    #[cfg(feature = "client")]
    match client(&mut Line(Uart::first()), room) {
        Ok(()) => host::say(c"client: ok\n"),
        Err(reason) => {
            host::say(c"client: ");
            host::say(reason);
            host::say(c"\n");
            return false;
        }
    }
    #[cfg(feature = "server")]
    match server(&mut Line(Uart::second()), room) {
        Ok(()) => host::say(c"server: ok\n"),
        Err(reason) => {
            host::say(c"server: ");
            host::say(reason);
            host::say(c"\n");
            return false;
        }
    }
    true
}

struct Line(Uart);

impl Stream<Infallible> for Line {
    /// Reads until the line is silent for a while: the framer fails when a read ends inside a frame's header.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let mut count = self.0.read(buf);
        let mut silence = 0;
        while silence < 100_000 && count < buf.len() {
            silence += 1;
            if self.0.has_input() {
                count += self.0.read(&mut buf[count..]);
                silence = 0;
            }
        }
        Ok(count)
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.write_all(bytes);
        Ok(())
    }
}

fn reason(error: FramerError<Infallible>) -> &'static CStr {
    match error {
        FramerError::Io(_) => c"input or output",
        FramerError::FrameTooLarge(_) => c"frame too large",
        FramerError::Utf8(_) => c"not UTF-8",
        FramerError::HttpHeader(_) => c"not HTTP",
        FramerError::WebSocket(_) => c"not WebSocket",
    }
}

#[cfg(feature = "client")]
fn client(line: &mut Line, room: &mut Room) -> Result<(), &'static CStr> {
    use embedded_websocket::{
        WebSocketClient, WebSocketCloseStatusCode, WebSocketOptions,
        WebSocketSendMessageType::{Ping, Text},
        framer::{Framer, ReadResult},
    };

    enum Step {
        Hello,
        Fragments,
        Pong,
        Close,
    }

    const HELLO: &str = "hello from a Cortex-M";
    const FRAGMENTS: [&str; 3] = ["in three ", "fragments, ", "cut anywhere: κόσμε 🦀"];
    const TOGETHER: &str = "in three fragments, cut anywhere: κόσμε 🦀";

    let mut websocket = WebSocketClient::new_client(Random(board::XorShift::new(host::seconds())));
    let options = WebSocketOptions {
        path: "/echo",
        host: "server.test",
        origin: "http://server.test",
        sub_protocols: Some(&["echo"]),
        additional_headers: None,
    };
    let state = size_of_val(&websocket);
    let mut cursor = 0;
    let mut framer = Framer::new(&mut room.read, &mut cursor, &mut room.write, &mut websocket);
    if framer.connect(line, &options).map_err(reason)?.as_deref() != Some("echo") {
        return Err(c"the server does not speak our subprotocol");
    }
    host::report(c"client state", state + size_of_val(&framer));

    let mut step = Step::Hello;
    framer.write(line, Text, true, HELLO.as_bytes()).map_err(reason)?;
    loop {
        match (&step, framer.read(line, &mut room.frame).map_err(reason)?) {
            (Step::Hello, ReadResult::Text(HELLO)) => {
                let [first, second, third] = FRAGMENTS;
                framer.write(line, Text, false, first.as_bytes()).map_err(reason)?;
                framer.write(line, Text, false, second.as_bytes()).map_err(reason)?;
                framer.write(line, Text, true, third.as_bytes()).map_err(reason)?;
                step = Step::Fragments;
            }
            (Step::Fragments, ReadResult::Text(TOGETHER)) => {
                framer.write(line, Ping, true, b"still there?").map_err(reason)?;
                step = Step::Pong;
            }
            (Step::Pong, ReadResult::Pong(b"still there?")) => {
                framer.close(line, WebSocketCloseStatusCode::NormalClosure, Some("that was all")).map_err(reason)?;
                step = Step::Close;
            }
            (Step::Close, ReadResult::Closed) => return Ok(()),
            (_, ReadResult::Closed) => return Err(c"the server closed"),
            _ => return Err(c"not what was awaited"),
        }
    }
}

#[cfg(feature = "client")]
struct Random(board::XorShift);

#[cfg(feature = "client")]
impl rand_core::RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        self.0.next()
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_u32(self)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

#[cfg(feature = "server")]
fn server(line: &mut Line, room: &mut Room) -> Result<(), &'static CStr> {
    use embedded_websocket::{
        WebSocketSendMessageType::{Binary, Text},
        WebSocketServer,
        framer::{Framer, ReadResult},
    };

    let mut cursor = 0;
    let Some(context) = read_head(line, &mut room.read, &mut cursor)? else {
        line.write_all(b"HTTP/1.1 400 \r\nConnection: close\r\n\r\n").unwrap_or_default();
        return Err(c"the request was refused");
    };
    let mut websocket = WebSocketServer::new_server();
    let state = size_of_val(&websocket);
    // The framer's `accept` can't choose a subprotocol.
    let subprotocol = context.sec_websocket_protocol_list.iter().find(|name| *name == "echo");
    let len = websocket
        .server_accept(&context.sec_websocket_key, subprotocol, &mut room.write)
        .map_err(|_| c"the acceptance can't be sent")?;
    line.write_all(&room.write[..len]).unwrap_or_default();
    let mut framer = Framer::new(&mut room.read, &mut cursor, &mut room.write, &mut websocket);
    host::report(c"server state", state + size_of_val(&framer));
    loop {
        match framer.read(line, &mut room.frame).map_err(reason)? {
            ReadResult::Text(text) => framer.write(line, Text, true, text.as_bytes()).map_err(reason)?,
            ReadResult::Binary(data) => framer.write(line, Binary, true, data).map_err(reason)?,
            ReadResult::Pong(_) => {}
            ReadResult::Closed => return Ok(()),
        }
    }
}

#[cfg(feature = "server")]
fn read_head(
    line: &mut Line,
    buf: &mut [u8],
    cursor: &mut usize,
) -> Result<Option<embedded_websocket::WebSocketContext>, &'static CStr> {
    loop {
        if *cursor == buf.len() {
            return Ok(None);
        }
        let Ok(count) = line.read(&mut buf[*cursor..]);
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&buf[..*cursor + count]) {
            Ok(httparse::Status::Complete(len)) => {
                *cursor += count - len;
                let headers = request.headers.iter().map(|header| (header.name, header.value));
                return embedded_websocket::read_http_header(headers).map_err(|_| c"not WebSocket");
            }
            Ok(httparse::Status::Partial) => *cursor += count,
            Err(_) => return Err(c"not HTTP"),
        }
    }
}
