//! tokio-websockets: default configuration. It flushes before it reads. So the server first takes all messages that are
//! there, and then answers them by one flush.

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio_websockets::{Config, Limits, ServerBuilder};

fn main() -> std::io::Result<()> {
    echo_bench::serve(async |socket| {
        let builder = ServerBuilder::new().config(Config::default().frame_size(usize::MAX)).limits(Limits::unlimited());
        let Ok((_, mut socket)) = builder.accept(socket).await else { return };
        let mut messages = Vec::new();
        while let Some(Ok(message)) = socket.next().await {
            messages.push(message);
            while let Some(Some(Ok(message))) = socket.next().now_or_never() {
                messages.push(message);
            }
            for message in messages.drain(..) {
                if (message.is_text() || message.is_binary()) && socket.feed(message).await.is_err() {
                    return;
                }
            }
            if socket.flush().await.is_err() {
                return;
            }
        }
    })
}
