//! soketto: on a `BufReader` and a `BufWriter`, as in its own hyper example. It checks no text, so its user does. Its
//! futures must not be dropped before they are ready, so it runs as a task.

use std::str;

use futures_util::io::{BufReader, BufWriter};
use soketto::{
    Data, Mode,
    connection::{Builder, Receiver, Sender},
    handshake::{Server, server::Response},
};

use crate::{
    contender::{Contender, Cycle, Kind, Receive, Role, Send, Turn, now, task},
    socket::Socket,
};

pub struct Soketto;

type Stream = BufReader<BufWriter<Socket>>;

impl Contender for Soketto {
    fn name(&self) -> &'static str {
        "soketto"
    }

    fn receive(&self, receive: Receive, socket: Socket) -> Option<Turn> {
        if receive.deflate.is_some() {
            return None;
        }
        // The sender must not be dropped: it holds half of the socket.
        let (_sender, mut receiver) = open(receive.role, socket);
        Some(task(async move |seen| {
            let _sender = &_sender;
            let mut message = Vec::new();
            loop {
                let kind = next(&mut receiver, &mut message).await;
                seen.borrow_mut().message(kind, &message);
            }
        }))
    }

    fn send(&self, send: Send, socket: Socket) -> Option<Turn> {
        if send.deflate.is_some() {
            return None;
        }
        let (mut sender, receiver) = open(send.role, socket);
        let mut payloads = Cycle::new(send.payloads);
        Some(Box::new(move |_| {
            let _receiver = &receiver;
            for _ in 0..send.flush {
                now(sender.send_binary(payloads.next())).unwrap().unwrap();
            }
            now(sender.flush()).unwrap().unwrap();
        }))
    }

    fn echo(&self, socket: Socket) -> Option<Turn> {
        let (mut sender, mut receiver) = open(Role::Server, socket);
        Some(task(async move |_| {
            let mut message = Vec::new();
            loop {
                match next(&mut receiver, &mut message).await {
                    Kind::Text => sender.send_text(str::from_utf8(&message).unwrap()).await.unwrap(),
                    Kind::Binary => sender.send_binary_mut(&mut message).await.unwrap(),
                }
                // It cannot tell whether more messages are there.
                sender.flush().await.unwrap();
            }
        }))
    }

    fn handshake(&self, socket: Socket) -> Option<Turn> {
        Some(Box::new(move |_| {
            let mut server = Server::new(socket.clone());
            let key = now(server.receive_request()).unwrap().unwrap().key();
            now(server.send_response(&Response::Accept { key, protocol: None })).unwrap().unwrap();
            server.into_builder().finish();
        }))
    }

    fn is_complete(&self) -> bool {
        true
    }
}

fn open(role: Role, socket: Socket) -> (Sender<Stream>, Receiver<Stream>) {
    let mode = match role {
        Role::Server => Mode::Server,
        Role::Client => Mode::Client,
    };
    Builder::new(BufReader::new(BufWriter::new(socket)), mode).finish()
}

async fn next(receiver: &mut Receiver<Stream>, message: &mut Vec<u8>) -> Kind {
    message.clear();
    match receiver.receive_data(message).await.unwrap() {
        Data::Text(_) => {
            simdutf8::basic::from_utf8(message).unwrap();
            Kind::Text
        }
        Data::Binary(_) => Kind::Binary,
    }
}
