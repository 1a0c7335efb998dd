//! wtx on tokio: default buffers, and payloads lent where possible. It buffers no output, so each message is a write.

use wtx::{
    collection::Vector,
    web_socket::{OpCode, WebSocketAcceptor, WebSocketPayloadOrigin},
};

fn main() -> std::io::Result<()> {
    echo_bench::serve(async |socket| {
        let Ok(mut socket) = WebSocketAcceptor::default().accept(socket).await else { return };
        let mut buffer = Vector::new();
        let (mut common, mut reader, mut writer) = socket.split_mut();
        while let Ok(mut frame) = reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await {
            let is_message = matches!(frame.op_code(), OpCode::Text | OpCode::Binary);
            let is_end = frame.op_code() == OpCode::Close;
            if is_end || is_message && writer.write_frame(&mut common, &mut frame).await.is_err() {
                break;
            }
        }
    })
}
