//! sockudo-ws on tokio: default configuration, and the echo loop that its README recommends.

use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{Config, Message, WebSocketStream};

fn main() -> std::io::Result<()> {
    echo_bench::serve_with_timers(async |mut socket| {
        if echo_bench::handshake(&mut socket).await.is_err() {
            return;
        }
        let mut socket = WebSocketStream::server(socket, Config::default());
        while let Some(Ok(message)) = socket.next().await {
            let is_message = matches!(message, Message::Text(_) | Message::Binary(_));
            let is_end = matches!(message, Message::Close(_));
            if is_end || is_message && socket.feed(message).await.is_err() {
                break;
            }
        }
    })
}
