//! The four ends, each in a thread of its own.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use rustls::{ClientConfig, ServerConfig};
use tls_echo::{blocking_client, blocking_server, tokio_client, tokio_server};
use tokio::{net::TcpSocket, runtime, sync};
use tokio_rustls::TlsAcceptor;
use websocket_proto::{Message, Outcome, OwnedMessage, Uri, time::Patience};

/// Far longer than anything takes that is not expected to fail.
pub const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Blocking,
    Tokio,
}

pub const ENDS: [End; 2] = [End::Blocking, End::Tokio];

/// A server of one connection.
pub struct Server {
    pub address: SocketAddr,
    ended: mpsc::Receiver<io::Result<Outcome>>,
    /// Tells the server on tokio to end.
    pub stop: sync::watch::Sender<()>,
}

impl Server {
    pub fn start(end: End, config: Arc<ServerConfig>, patience: Patience) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").unwrap(), end, config, patience)
    }

    /// Its socket takes less than a record of TLS.
    pub fn start_with_small_buffers(end: End, config: Arc<ServerConfig>, patience: Patience) -> Self {
        let listener = on_tokio(async {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_send_buffer_size(4 << 10).unwrap();
            socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
            socket.listen(1).unwrap().into_std().unwrap()
        });
        listener.set_nonblocking(false).unwrap();
        Self::start_on(listener, end, config, patience)
    }

    fn start_on(listener: TcpListener, end: End, config: Arc<ServerConfig>, patience: Patience) -> Self {
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = sync::watch::channel(());
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || {
            let socket = listener.accept().unwrap().0;
            sender.send(match end {
                End::Blocking => blocking_server::serve(socket, config, patience),
                End::Tokio => on_tokio(async {
                    tokio_server::serve(into_tokio(socket), TlsAcceptor::from(config), patience, stopping).await
                }),
            })
        });
        Self { address, ended, stop }
    }

    /// How its connection has ended.
    pub fn ended(&self) -> io::Result<Outcome> {
        self.ended.recv_timeout(LIMIT).expect("the server does not end")
    }
}

/// How a connection of a client has ended, and what it has received.
pub type Ended = (io::Result<Outcome>, Vec<OwnedMessage>);

/// Sends these messages to the server of this name and address, and closes after as many answers.
pub fn send(
    end: End,
    address: SocketAddr,
    name: &str,
    config: Arc<ClientConfig>,
    patience: Patience,
    messages: Vec<OwnedMessage>,
) -> Ended {
    let uri = format!("wss://{name}:{}/", address.port());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let socket = TcpStream::connect(address).unwrap();
        let (uri, mut received) = (Uri::parse(&uri).unwrap(), Vec::new());
        let outcome = match end {
            End::Blocking => {
                let on_answer = |message: Message<'_>| received.push(message.into());
                blocking_client::run(socket, uri, config, patience, messages, on_answer)
            }
            End::Tokio => on_tokio(async {
                let (count, (outgoing, queue)) = (messages.len(), sync::mpsc::channel(messages.len()));
                messages.into_iter().for_each(|message| outgoing.try_send(message).unwrap());
                let mut outgoing = Some(outgoing);
                let on_message = |message: Message<'_>| {
                    received.push(message.into());
                    if received.len() == count {
                        outgoing = None;
                    }
                };
                tokio_client::run(into_tokio(socket), uri, config, patience, queue, on_message).await
            }),
        };
        sender.send((outcome, received))
    });
    ended.recv_timeout(LIMIT).expect("the client does not end")
}

pub fn on_tokio<T>(future: impl Future<Output = T>) -> T {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn into_tokio(socket: TcpStream) -> tokio::net::TcpStream {
    socket.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(socket).unwrap()
}
