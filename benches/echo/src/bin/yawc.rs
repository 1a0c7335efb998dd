//! yawc on tokio: default options, and the check of text, which is off by default. Answers are fed, and flushed when no
//! more messages are there.

use futures_util::{FutureExt, SinkExt, StreamExt};
use yawc::{OpCode, Options, Role, WebSocket};

fn main() -> std::io::Result<()> {
    echo_bench::serve(async |mut socket| {
        if echo_bench::handshake(&mut socket).await.is_err() {
            return;
        }
        let options = Options::default().with_utf8();
        let Ok(mut socket) = WebSocket::from_stream(socket, Role::Server, options) else { return };
        while let Some(mut frame) = socket.next().await {
            loop {
                let is_message = matches!(frame.opcode(), OpCode::Text | OpCode::Binary);
                if is_message && socket.feed(frame).await.is_err() {
                    return;
                }
                match socket.next().now_or_never() {
                    Some(Some(next)) => frame = next,
                    Some(None) => return,
                    None => break,
                }
            }
            if socket.flush().await.is_err() {
                return;
            }
        }
    })
}
