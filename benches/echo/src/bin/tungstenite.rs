//! tungstenite on mio: default configuration. It reads until the socket is empty, and flushes once after the answers.

use std::io;

use mio::{Events, Interest, Poll, Token, net::TcpListener, net::TcpStream};
use tungstenite::{HandshakeError, ServerHandshake, WebSocket, handshake::MidHandshake};
use tungstenite::{error::Error, handshake::server::NoCallback};

const LISTENER: Token = Token(usize::MAX);

enum Peer {
    New(TcpStream),
    Handshake(MidHandshake<ServerHandshake<TcpStream, NoCallback>>),
    Open(WebSocket<TcpStream>),
}

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(echo_bench::address())?;
    echo_bench::announce(listener.local_addr()?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut peers: Vec<Option<Peer>> = Vec::new();
    let mut free = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        let mut acceptable = false;
        for event in &events {
            let Token(id) = event.token();
            if event.token() == LISTENER {
                acceptable = true;
                continue;
            }
            let is_open = match &mut peers[id] {
                Some(Peer::Open(socket)) => echo(socket),
                peer => {
                    *peer = peer.take().and_then(shake_hands);
                    peer.is_some()
                }
            };
            if !is_open {
                peers[id] = None;
                free.push(id);
            }
        }
        if acceptable {
            accept(&poll, &listener, &mut peers, &mut free)?;
        }
    }
}

fn accept(poll: &Poll, listener: &TcpListener, peers: &mut Vec<Option<Peer>>, free: &mut Vec<usize>) -> io::Result<()> {
    while let Ok((mut socket, _)) = listener.accept() {
        socket.set_nodelay(true)?;
        let id = free.pop().unwrap_or(peers.len());
        poll.registry().register(&mut socket, Token(id), Interest::READABLE | Interest::WRITABLE)?;
        if id == peers.len() {
            peers.push(None);
        }
        peers[id] = Some(Peer::New(socket));
    }
    Ok(())
}

/// `None` if the peer is gone.
fn shake_hands(peer: Peer) -> Option<Peer> {
    let accepted = match peer {
        Peer::New(socket) => tungstenite::accept(socket),
        Peer::Handshake(handshake) => handshake.handshake(),
        Peer::Open(_) => return Some(peer),
    };
    match accepted {
        Ok(mut socket) => echo(&mut socket).then_some(Peer::Open(socket)),
        Err(HandshakeError::Interrupted(handshake)) => Some(Peer::Handshake(handshake)),
        Err(HandshakeError::Failure(_)) => None,
    }
}

/// Echoes all messages that are there. Returns whether the connection is still open.
fn echo(socket: &mut WebSocket<TcpStream>) -> bool {
    let would_block = |error: &Error| matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock);
    let ended = loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => match socket.write(message) {
                Ok(()) => {}
                // The echo is in the buffer all the same.
                Err(error) if would_block(&error) => {}
                Err(_) => return false,
            },
            Ok(_) => {}
            Err(error) => break !would_block(&error),
        }
    };
    match socket.flush() {
        Err(error) if !would_block(&error) => false,
        _ => !ended,
    }
}
