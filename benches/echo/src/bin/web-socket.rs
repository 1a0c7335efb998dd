//! web-socket on tokio, on a `BufReader`, because it reads header and payload separately. It delivers fragments one by
//! one, so messages are assembled here.

use tokio::io::BufReader;
use web_socket::{DataType, Event, Frame, MessageType, Stream, WebSocket};

fn main() -> std::io::Result<()> {
    echo_bench::serve(async |mut socket| {
        if echo_bench::handshake(&mut socket).await.is_err() {
            return;
        }
        let mut socket = WebSocket::server(BufReader::new(socket));
        let mut whole = Vec::new();
        while let Ok(event) = socket.recv().await {
            let sent = match event {
                Event::Data { ty: DataType::Complete(MessageType::Text), data } => match std::str::from_utf8(&data) {
                    Ok(text) => socket.send(text).await,
                    Err(_) => break,
                },
                Event::Data { ty: DataType::Complete(MessageType::Binary), data } => socket.send(&*data).await,
                Event::Data { ty: DataType::Stream(Stream::End(ty)), data } => {
                    whole.extend_from_slice(&data);
                    let data = std::mem::take(&mut whole);
                    socket.send_raw(Frame { fin: true, opcode: ty as u8, data: &data }).await
                }
                Event::Data { data, .. } => {
                    whole.extend_from_slice(&data);
                    Ok(())
                }
                Event::Ping(data) => socket.send_pong(data).await,
                Event::Pong(_) => Ok(()),
                Event::Error(_) | Event::Close { .. } => {
                    let _ = socket.close(()).await;
                    break;
                }
            };
            if sent.is_err() {
                break;
            }
        }
    })
}
