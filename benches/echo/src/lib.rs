//! The parts that the peers' echo servers share: the port, the runtime, and a handshake for libraries that have none.

use std::{
    env,
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime, task,
};
use tungstenite::handshake::derive_accept_key;

/// The address to listen on: `--port` is the only option of every server.
///
/// # Panics
///
/// If it is missing.
pub fn address() -> SocketAddr {
    let mut arguments = env::args().skip_while(|argument| argument != "--port").skip(1);
    let port = arguments.next().and_then(|port| port.parse().ok()).expect("--port PORT");
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Tells the harness where the server is.
pub fn announce(address: SocketAddr) {
    println!("listening on ws://{address}/");
}

/// Accepts connections for ever, on a runtime of one thread, with a task for each connection. Both are made as in the
/// peers' own examples.
///
/// # Errors
///
/// When the address can't be listened on.
pub fn serve<F: Future<Output = ()> + Send + 'static>(echo: impl Fn(TcpStream) -> F) -> io::Result<()> {
    serve_on(runtime::Builder::new_current_thread().enable_io(), echo)
}

/// The same for a library that sets timers.
///
/// # Errors
///
/// When the address can't be listened on.
pub fn serve_with_timers<F: Future<Output = ()> + Send + 'static>(echo: impl Fn(TcpStream) -> F) -> io::Result<()> {
    serve_on(runtime::Builder::new_current_thread().enable_all(), echo)
}

fn serve_on<F: Future<Output = ()> + Send + 'static>(
    runtime: &mut runtime::Builder,
    echo: impl Fn(TcpStream) -> F,
) -> io::Result<()> {
    runtime.build()?.block_on(async {
        let listener = TcpListener::bind(address()).await?;
        announce(listener.local_addr()?);
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(task::unconstrained(echo(socket)));
        }
    })
}

/// Makes the opening handshake, for a library that begins after it. It trusts the client, which is ours.
///
/// # Errors
///
/// If there is no request.
pub async fn handshake(socket: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    socket.write_all(response.as_bytes()).await
}
