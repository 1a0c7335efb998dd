//! `cargo run --release -p hyper_server` serves a page and WebSockets on 127.0.0.1:9005.

use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:9005").await?;
    println!("http://{0}/ and ws://{0}/", listener.local_addr()?);
    hyper_server::serve(listener).await
}
