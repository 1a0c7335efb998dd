//! An echo server and a client on yawc; the contracts are in `../../README.md`.
//!
//! `rust-peer` serves; `rust-peer ws://127.0.0.1:PORT` is the client.

mod client;
mod server;

use std::{env, error::Error, process::ExitCode};

use yawc::Options;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How to switch compression: set by `run`, see `../../README.md`.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    Deflate,
    Limits,
}

fn mode() -> Mode {
    match env::var("INTEROP_MODE").as_deref() {
        Ok("deflate") => Mode::Deflate,
        Ok("limits") => Mode::Limits,
        _ => Mode::Plain,
    }
}

fn options() -> Options {
    let options = Options::default().with_limits(64 << 20, 128 << 20).with_utf8().with_no_delay();
    // yawc 0.5.0 never finishes the compression of an empty message behind another one.
    let deflate = options.clone().with_balanced_compression().with_compression_threshold(1);
    match mode() {
        Mode::Plain => options.without_compression(),
        Mode::Deflate => deflate,
        // Without this, yawc does not offer that the server may limit its window.
        Mode::Limits => deflate.with_client_max_window_bits(15),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match env::args().nth(1) {
        Some(url) => client::run(url.trim_end_matches('/')).await,
        None => server::run().await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            println!("complaint: {error}");
            ExitCode::from(2)
        }
    }
}
