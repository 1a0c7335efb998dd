//! Both ends without an allocator, over the traits that embedded drivers implement in place of sockets: the server on
//! [`embedded_io`], which blocks, the client on [`embedded_io_async`]. `server.rs`, `client.rs` and `room.rs` do not
//! need `std`.
//!
//! Here they run on the host, over TCP:
//!
//! ```sh
//! cargo run -p embedded_io                                 # with each other
//! cargo run -p embedded_io -- ws://127.0.0.1:9002/         # the client, with another echo server
//! ```

mod client;
mod host;
mod room;
mod server;

use std::{error::Error, net::TcpListener, process::ExitCode, thread, time::Duration};

use arguments::Arguments;
use embedded_io_adapters::std::FromStd;
use room::Room;
use websocket_proto::{SystemRandom, Uri};

const HELP: &str = "\
A client and a server without an allocator. The client asks three questions, and
prints what the server answers.

Usage: embedded_io [--patience SECONDS] [URL]

  URL                 an echo server to ask, such as ws://127.0.0.1:9002/; without
                      it, the example asks its own server
  --patience SECONDS  how long the whole conversation may take (10)
  --help              show this
";

const QUESTIONS: [&str; 3] = ["Is there anybody?", "κόσμε 🦀", "Somebody who repeats what I say?"];

fn main() -> ExitCode {
    let (mut address, mut patience) = (None, 10);
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--patience" => patience = arguments.value::<u32>("a number of seconds"),
            option if option.starts_with('-') => arguments.unknown(),
            _ => address = Some(argument),
        }
    }
    let limit = Duration::from_secs(patience.into());
    let outcome = match address {
        Some(address) => ask(&address, limit),
        None => ask_ourselves(limit),
    };
    match outcome {
        Ok(answers) => {
            answers.iter().for_each(|answer| println!("{answer}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("embedded_io: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask_ourselves(limit: Duration) -> Result<Vec<String>, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("ws://{}/", listener.local_addr()?);
    let server = thread::spawn(move || -> Result<(), String> {
        let (socket, _) = listener.accept().map_err(|error| error.to_string())?;
        let mut socket = FromStd::new(host::Timed::new(socket, limit));
        server::serve(&mut socket, &mut Room::new()).map_err(|error| error.to_string())
    });
    let answers = ask(&address, limit)?;
    server.join().map_err(|_| "the server panicked")??;
    Ok(answers)
}

fn ask(address: &str, limit: Duration) -> Result<Vec<String>, Box<dyn Error>> {
    let uri = Uri::parse(address)?;
    let mut socket = host::Polled::connect(uri.host(), uri.port())?;
    let mut answers = Vec::new();
    let random = SystemRandom::new()?;
    let mut room = Room::new();
    let conversation = client::ask(&mut socket, &mut room, uri, random, &QUESTIONS, |answer| {
        answers.push(answer.to_owned());
    });
    host::block_on(conversation, limit).ok_or("the conversation took too long")??;
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use std::{
        net::TcpStream,
        time::{Duration, Instant},
    };

    use embedded_io::ErrorKind;

    use super::*;
    use crate::room::Failed;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn every_question_is_repeated() {
        assert_eq!(ask_ourselves(LIMIT).unwrap(), QUESTIONS);
    }

    /// A transport where every second call is interrupted. It has one chunk to read.
    struct Flaky {
        chunk: &'static [u8],
        interrupt: bool,
        /// How many bytes a write takes at most.
        takes: usize,
        written: Vec<u8>,
        flushed: usize,
    }

    impl Flaky {
        fn new(chunk: &'static [u8], takes: usize) -> Self {
            Self { chunk, interrupt: true, takes, written: Vec::new(), flushed: 0 }
        }

        fn interrupt(&mut self) -> Result<(), ErrorKind> {
            let interrupt = self.interrupt;
            self.interrupt = !interrupt;
            if interrupt { Err(ErrorKind::Interrupted) } else { Ok(()) }
        }
    }

    impl embedded_io::ErrorType for Flaky {
        type Error = ErrorKind;
    }

    impl embedded_io::Read for Flaky {
        fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
            self.interrupt()?;
            let len = self.chunk.len().min(buf.len());
            let (read, rest) = self.chunk.split_at(len);
            buf[..len].copy_from_slice(read);
            self.chunk = rest;
            Ok(len)
        }
    }

    impl embedded_io::Write for Flaky {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            self.interrupt()?;
            let len = self.takes.min(bytes.len());
            self.written.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> Result<(), ErrorKind> {
            self.flushed = self.written.len();
            Ok(())
        }
    }

    impl embedded_io_async::Read for Flaky {
        async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
            embedded_io::Read::read(self, buf)
        }
    }

    impl embedded_io_async::Write for Flaky {
        async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
            embedded_io::Write::write(self, bytes)
        }

        async fn flush(&mut self) -> Result<(), ErrorKind> {
            embedded_io::Write::flush(self)
        }
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
        \x81\x82\0\0\0\0hi\x88\x80\0\0\0\0";

    fn ask(socket: &mut Flaky) -> Result<(), Failed<ErrorKind>> {
        let uri = Uri::parse("ws://a/").unwrap();
        let random = SystemRandom::new().unwrap();
        host::block_on(client::ask(socket, &mut Room::new(), uri, random, &QUESTIONS, |_| {}), LIMIT).unwrap()
    }

    #[test]
    fn an_interrupted_call_is_repeated_and_all_is_flushed() {
        let mut socket = Flaky::new(REQUEST, 3);
        server::serve(&mut socket, &mut Room::new()).unwrap();
        assert!(socket.written.ends_with(b"\r\n\r\n\x81\x02hi\x88\x00"), "{}", socket.written.escape_ascii());
        assert_eq!(socket.flushed, socket.written.len());

        let mut socket = Flaky::new(b"HTTP/1.1 404 Not Found\r\n\r\n", 3);
        assert!(matches!(ask(&mut socket), Err(Failed::Response(_))));
        assert!(socket.written.ends_with(b"\r\n\r\n"), "{}", socket.written.escape_ascii());
        assert_eq!(socket.flushed, socket.written.len());
    }

    #[test]
    fn a_transport_that_takes_nothing_is_lost() {
        let outcome = server::serve(&mut Flaky::new(REQUEST, 0), &mut Room::new());
        assert!(matches!(outcome, Err(Failed::Lost)), "{outcome:?}");
        let outcome = server::serve(&mut Flaky::new(b"no HTTP\r\n\r\n", 0), &mut Room::new());
        assert!(matches!(outcome, Err(Failed::Lost)), "{outcome:?}");
        let outcome = ask(&mut Flaky::new(b"", 0));
        assert!(matches!(outcome, Err(Failed::Lost)), "{outcome:?}");
    }

    /// A client that sends a byte now and then doesn't hold the server beyond its time limit.
    #[test]
    fn a_slow_client_runs_out_of_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = listener.accept().unwrap().0;
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                use std::io::Write;
                for byte in REQUEST.iter().take(30) {
                    let _ = (&client).write_all(&[*byte]);
                    thread::sleep(Duration::from_millis(100));
                }
            });
            let mut socket = FromStd::new(host::Timed::new(server, Duration::from_secs(1)));
            assert!(matches!(server::serve(&mut socket, &mut Room::new()), Err(Failed::Transport(_))));
            assert!(began.elapsed() < Duration::from_secs(2));
        });
    }
}
