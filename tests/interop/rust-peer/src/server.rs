use std::{convert::Infallible, process::ExitCode};

use bytes::Bytes;
use futures::SinkExt;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use yawc::{Frame, HttpWebSocket, OpCode, Options, UpgradeFut, WebSocket, WebSocketError, close::CloseCode};

use crate::{Mode, Outcome, mode};

type Answer = Response<Full<Bytes>>;

pub async fn run() -> Outcome<ExitCode> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer));
        tokio::spawn(connection.with_upgrades());
    }
}

/// The server's own limits. Without them yawc would ask for the smallest window.
fn options() -> Options {
    let bits = match mode() {
        Mode::Plain => return crate::options(),
        Mode::Deflate => 15,
        Mode::Limits => 9,
    };
    let options = crate::options().with_server_max_window_bits(bits).with_client_max_window_bits(bits);
    if bits == 15 { options } else { options.server_no_context_takeover().client_no_context_takeover() }
}

async fn answer(mut request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let mut options = options();
    match path.split('/').collect::<Vec<_>>()[1..] {
        ["status", status] => return Ok(refuse(status)),
        ["fragment", size] => options = options.with_max_fragment_size(size.parse().unwrap_or(1)),
        _ => {}
    }
    let Ok((response, upgrade)) = WebSocket::upgrade_with_options(&mut request, options) else {
        return Ok(refuse("400"));
    };
    let mut response = response.map(|_| Full::default());
    // Selects the first offered subprotocol.
    if let Some(offers) = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL) {
        let first = offers.to_str().ok().and_then(|offers| offers.split(',').next()?.parse().ok());
        response.headers_mut().extend(first.map(|first| (header::SEC_WEBSOCKET_PROTOCOL, first)));
    }
    tokio::spawn(serve(path, upgrade));
    Ok(response)
}

fn refuse(status: &str) -> Answer {
    let mut answer = Response::new(Full::from(format!("refused with {status}\n")));
    *answer.status_mut() = status.parse().unwrap_or(StatusCode::BAD_REQUEST);
    answer.headers_mut().insert("X-Refused", header::HeaderValue::from_static("yes"));
    answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    answer
}

async fn serve(path: String, upgrade: UpgradeFut) {
    let outcome = match upgrade.await {
        Ok(mut socket) => echo(&path, &mut socket).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = outcome {
        println!("complaint: {path}: {error}");
    }
}

async fn echo(path: &str, socket: &mut HttpWebSocket) -> Outcome {
    let mut ping = None;
    match path.split('/').collect::<Vec<_>>()[1..] {
        ["close", code, reason] => {
            socket.send(Frame::close(CloseCode::from(code.parse::<u16>()?), reason)).await?;
        }
        ["ping", text] => {
            ping = Some(text);
            socket.send(Frame::ping(text.to_owned())).await?;
        }
        _ => {}
    }
    let mut closed = false;
    loop {
        let frame = match socket.next_frame().await {
            Ok(frame) => frame,
            Err(WebSocketError::ConnectionClosed) if closed => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let (opcode, _, payload) = frame.into_parts();
        match opcode {
            OpCode::Text => socket.send(Frame::text(payload)).await?,
            OpCode::Binary => socket.send(Frame::binary(payload)).await?,
            OpCode::Pong if ping.is_some_and(|ping| payload == ping) => {
                socket.send(Frame::text(format!("ponged {}", ping.unwrap_or_default()))).await?;
            }
            OpCode::Close => closed = true,
            _ => {}
        }
    }
}
