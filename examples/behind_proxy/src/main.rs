//! An echo server behind a proxy. Each connection is one line in the log, with the address of the client:
//!
//! ```text
//! cargo run --release -p behind_proxy -- --trust 127.0.0.1 127.0.0.1:9009
//! ```

use std::{io, net::IpAddr, time::Duration};

use arguments::Arguments;
use behind_proxy::{Settings, serve};
use tokio::net::TcpListener;

const HELP: &str = "\
An echo server behind a proxy. The log has the addresses of the clients.

Usage: behind_proxy [OPTIONS] [ADDR:PORT]

  ADDR:PORT           where to listen; port 0 is any free one (127.0.0.1:9009)
  --trust ADDR        the address of a proxy, whose X-Forwarded-For is believed
                      (repeatable)
  --proxy-protocol    each connection begins with a header of the PROXY protocol,
                      version 1 or 2; only proxies that are trusted may connect
  --origin ORIGIN     a page that may open a WebSocket, as https://example.com
                      (repeatable); without it, all pages may
  --patience SECONDS  how long a client may take over its request (10)
  --help              show this

SIGTERM or Ctrl-C closes all connections with code 1001.
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut listen = String::from("127.0.0.1:9009");
    let mut settings =
        Settings { trusted: vec![], proxy_protocol: false, origins: vec![], opening: Duration::from_secs(10) };
    let mut arguments = Arguments::new(HELP);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--trust" => settings.trusted.push(arguments.value::<IpAddr>("an IP address").to_canonical()),
            "--proxy-protocol" => settings.proxy_protocol = true,
            "--origin" => settings.origins.push(arguments.value("an origin")),
            "--patience" => settings.opening = arguments.seconds().unwrap_or(Duration::MAX),
            option if option.starts_with('-') => arguments.unknown(),
            _ => listen = argument,
        }
    }
    if settings.proxy_protocol && settings.trusted.is_empty() {
        arguments.wrong("--proxy-protocol needs --trust: otherwise every client could say who it is");
    }

    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    // It ends as well if there are no signals to wait for.
    serve(listener, settings, async { signals::stop().await.unwrap_or_default() }).await;
    Ok(())
}
