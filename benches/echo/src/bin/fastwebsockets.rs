//! fastwebsockets on tokio: its own echo example, without hyper between it and the socket.

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket};

fn main() -> std::io::Result<()> {
    echo_bench::serve(async |mut socket| {
        if echo_bench::handshake(&mut socket).await.is_err() {
            return;
        }
        let mut socket = FragmentCollector::new(WebSocket::after_handshake(socket, Role::Server));
        while let Ok(frame) = socket.read_frame().await {
            let is_message = matches!(frame.opcode, OpCode::Text | OpCode::Binary);
            let is_end = frame.opcode == OpCode::Close;
            if is_end || is_message && socket.write_frame(frame).await.is_err() {
                break;
            }
        }
    })
}
