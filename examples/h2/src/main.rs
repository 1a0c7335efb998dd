//! `cargo run --release -p h2_server` serves a page and WebSockets over HTTP/2 in clear text.

use arguments::Arguments;
use tokio::net::TcpListener;

const HELP: &str = "\
A page and WebSockets as streams of HTTP/2 in clear text (prior knowledge).

Usage: h2_server [OPTIONS]

  --listen ADDR:PORT   where to listen; port 0 is any free one (127.0.0.1:9006)
  --help               show this
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let mut listen = String::from("127.0.0.1:9006");
    let mut arguments = Arguments::new(HELP);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--listen" => listen = arguments.value("ADDR:PORT"),
            _ => arguments.unknown(),
        }
    }
    let listener = TcpListener::bind(listen).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    h2_server::serve(listener, |outcome| eprintln!("{outcome}")).await;
    Ok(())
}
