//! Measures how much to read at a time. A server receives binary messages over the loopback, as fast as they arrive, in
//! reads of several lengths.
//!
//! ```sh
//! cargo run --release --manifest-path benches/echo/Cargo.toml --example reads
//! ```
//!
//! For each MiB of messages it prints the receiver's CPU time, and the time that passes. The sender writes 256 KiB at a
//! time, and runs on the other CPU. Linux only.

use std::{
    error::Error,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Instant,
};

use websocket_proto::{
    Config, Connection, Event, Input, ReadBuffer, Server,
    frame::{Header, MaskingKey, Opcode},
    server,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const READS: [usize; 7] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10];
const MESSAGES: [usize; 4] = [125, 1 << 10, 16 << 10, 64 << 10];
const TOTAL: usize = 512 << 20;
const ROUNDS: usize = 5;

/// The receiver's CPU time and the time that passed in a run, in microseconds for each MiB.
type Times = [f64; 2];

fn main() -> Result<()> {
    println!(
        "microseconds for each MiB: the receiver's CPU time, and the time that passed; medians of {ROUNDS} rounds\n"
    );
    let columns = MESSAGES.map(|len| format!("{len} B"));
    println!("| a read brings at most | {} |\n|-|{}", columns.join(" | "), "-:|".repeat(MESSAGES.len()));
    let mut rows = vec![Vec::new(); READS.len() + 1];
    for len in MESSAGES {
        let mut rounds = vec![Vec::new(); rows.len()];
        // The first round only warms up.
        for round in 0..=ROUNDS {
            for (index, times) in rounds.iter_mut().enumerate() {
                let time = run(len, READS.get(index).copied())?;
                if round > 0 {
                    times.push(time);
                }
            }
        }
        for (row, times) in rows.iter_mut().zip(&rounds) {
            row.push(format!("{:.0}, {:.0}", median(times, 0), median(times, 1)));
        }
    }
    for (index, cells) in rows.iter().enumerate() {
        let name =
            READS.get(index).map_or("what a `ReadBuffer` offers".to_owned(), |read| format!("{} KiB", read >> 10));
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// Receives messages of length `len` in reads of length `read`, or of the length that a `ReadBuffer` offers.
fn run(len: usize, read: Option<usize>) -> Result<Times> {
    let mut frame =
        Header::new(Opcode::Binary, Some(MaskingKey([1, 2, 3, 4])), len as u64).encode().as_slice().to_vec();
    frame.resize(frame.len() + len, 7);
    let wire = frame.repeat((256 << 10) / frame.len() + 1);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sender = thread::spawn(move || -> std::io::Result<()> {
        let mut socket = TcpStream::connect(address)?;
        (0..TOTAL / wire.len()).try_for_each(|_| socket.write_all(&wire))
    });
    let (mut socket, _) = listener.accept()?;
    let Connection { receiver: mut rx, sender: mut tx } = open()?;
    let mut received = 0;
    let (start, cpu) = (Instant::now(), cpu_seconds()?);
    let mut count = |event: Event<'_>| match event {
        Event::Binary(bytes) => received += bytes.len(),
        event => panic!("{event:?}"),
    };
    match read {
        Some(read) => {
            let mut buffer = vec![0; read];
            loop {
                let n = socket.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                let mut input = Input::new(&mut buffer[..n]);
                while let Some(event) = rx.next_message(&mut input, &mut tx) {
                    count(event);
                }
            }
        }
        None => {
            let mut buffer = ReadBuffer::new(vec![0; 32 << 10]);
            loop {
                let n = socket.read(buffer.room_for(&mut rx))?;
                if n == 0 {
                    break;
                }
                let mut input = buffer.received(n);
                while let Some(event) = rx.next_message(&mut input, &mut tx) {
                    count(event);
                }
            }
        }
    }
    let seconds = [cpu_seconds()? - cpu, start.elapsed().as_secs_f64()];
    sender.join().expect("the sender doesn't panic")?;
    Ok(seconds.map(|seconds| seconds * 1e6 / (received as f64 / f64::from(1 << 20))))
}

fn open() -> Result<Connection<Server, Vec<u8>, Vec<u8>>> {
    let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    let mut handshake = server::Handshake::new(Config::new());
    assert!(handshake.read(&mut Input::new(&mut request)));
    Ok(handshake.into_request()?.upgrade()?.accept(&server::Accept::new())?)
}

fn cpu_seconds() -> Result<f64> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(schedstat.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e9)
}

fn median(times: &[Times], of: usize) -> f64 {
    let mut times: Vec<f64> = times.iter().map(|times| times[of]).collect();
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
