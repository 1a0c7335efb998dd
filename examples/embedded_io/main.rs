//! Both ends without an allocator, over the traits that drivers of embedded machines have in place of sockets: the server on
//! [`embedded_io`], which blocks, the client on [`embedded_io_async`]. Nothing in `server.rs`, `client.rs` and `room.rs` needs `std`.
//!
//! Here they run on the host, over TCP:
//!
//! ```sh
//! cargo run --example embedded_io                                 # with each other
//! cargo run --example embedded_io -- ws://127.0.0.1:9001/         # the client, with another echo server
//! ```

mod client;
mod host;
mod room;
mod server;

use std::{env, error::Error, net::TcpListener, process::ExitCode, thread};

use embedded_io_adapters::std::FromStd;
use room::Room;
use websocket_proto::{SystemRandom, Uri};

const QUESTIONS: [&str; 3] = ["Is there anybody?", "κόσμε 🦀", "Somebody who repeats what I say?"];

fn main() -> ExitCode {
    let outcome = match env::args().nth(1) {
        Some(address) => ask(&address),
        None => ask_ourselves(),
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

fn ask_ourselves() -> Result<Vec<String>, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("ws://{}/", listener.local_addr()?);
    let server = thread::spawn(move || -> Result<(), String> {
        let (socket, _) = listener.accept().map_err(|error| error.to_string())?;
        server::serve(&mut FromStd::new(socket), &mut Room::new()).map_err(|error| error.to_string())
    });
    let answers = ask(&address)?;
    server.join().map_err(|_| "the server panicked")??;
    Ok(answers)
}

fn ask(address: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let uri = Uri::parse(address)?;
    let mut socket = host::Polled::connect(uri.host(), uri.port())?;
    let mut answers = Vec::new();
    let random = SystemRandom::new()?;
    host::block_on(client::ask(&mut socket, &mut Room::new(), uri, random, &QUESTIONS, |answer| {
        answers.push(answer.to_owned());
    }))?;
    Ok(answers)
}

#[test]
fn every_question_is_repeated() {
    assert_eq!(ask_ourselves().unwrap(), QUESTIONS);
}
