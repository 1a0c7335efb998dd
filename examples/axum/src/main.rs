//! `cargo run --release -p axum_server` serves a page and WebSockets on 127.0.0.1:9007, until Ctrl-C or SIGTERM.

use std::io;

use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:9007").await?;
    println!("http://{0}/ and ws://{0}/echo", listener.local_addr()?);
    // It ends as well if there are no signals to wait for.
    axum_server::serve(listener, async { signals::stop().await.unwrap_or_default() }).await
}
