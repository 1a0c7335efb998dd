//! One thread reads and another writes: the writer must learn what the reader finds out.
#![cfg(feature = "std")]

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use websocket_proto::{
    Config, Connection, FixedStorage, Input, Receiver, Reply, SendError, Sender, Server, Storage, Transport,
    UncleanEnd, server,
};

type Tx = Sender<Server, Vec<u8>>;

/// A sender that both threads share.
struct Shared {
    sender: Mutex<Tx>,
    changed: Condvar,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Tx) -> T) -> T {
        let done = act(&mut self.sender.lock().unwrap());
        self.changed.notify_one();
        done
    }
}

/// Writes until everything is sent. Returns the state of the transport at the end.
fn write(mut socket: TcpStream, shared: &Shared) -> Transport {
    let mut copy = Vec::new();
    loop {
        let mut guard = shared.sender.lock().unwrap();
        guard.consume(copy.len());
        while guard.is_empty() {
            let transport = guard.transport();
            if transport == Transport::CloseNow {
                return transport;
            }
            guard = shared.changed.wait(guard).unwrap();
        }
        copy.clear();
        copy.extend_from_slice(guard.pending());
        drop(guard);
        // The reader notices a failed write, too.
        let _ = socket.write_all(&copy).and_then(|()| socket.flush());
    }
}

/// Reads and echoes until the stream ends, then tells the writer if it must know.
fn read(mut socket: TcpStream, mut rx: Receiver<Server, Vec<u8>>, shared: &Shared) -> Result<(), UncleanEnd> {
    let mut buf = [0; 4096];
    loop {
        let n = socket.read(&mut buf).unwrap_or(0);
        if n == 0 {
            shared.with(Sender::transport_lost);
            return rx.end_of_input();
        }
        let mut input = Input::new(&mut buf[..n]);
        while let Some(event) = rx.next_message(&mut input, &mut |reply: Reply<'_>| shared.with(|tx| tx.reply(reply))) {
            if let Some(message) = event.message() {
                let _ = shared.with(|tx| tx.send(message));
            }
        }
    }
}

/// Runs this client. Returns how reader and writer ended, and the error of a later message.
fn serve(client: impl FnOnce(TcpStream) + Send + 'static) -> (Result<(), UncleanEnd>, Transport, Option<SendError>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request).unwrap();
        let mut response = [0; 129];
        socket.read_exact(&mut response).unwrap();
        client(socket);
    });
    let (mut socket, _) = listener.accept().unwrap();
    let mut handshake = server::Handshake::new(Config::new());
    let mut byte = [0];
    while {
        socket.read_exact(&mut byte).unwrap();
        !handshake.read(&mut Input::new(&mut byte))
    } {}
    let connection = handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    let Connection { receiver, sender } = connection;
    let shared = Arc::new(Shared { sender: Mutex::new(sender), changed: Condvar::new() });

    let (told, outcome) = mpsc::channel();
    let (writer_socket, writer_shared) = (socket.try_clone().unwrap(), Arc::clone(&shared));
    thread::spawn(move || told.send(write(writer_socket, &writer_shared)));
    let end = read(socket, receiver, &shared);
    client.join().unwrap();
    let transport = outcome.recv_timeout(Duration::from_secs(10)).expect("the writer ends");
    let refused = shared.with(|tx| tx.send_text("too late")).err();
    (end, transport, refused)
}

#[test]
fn a_writer_ends_when_the_peer_is_gone() {
    let lost = (Err(UncleanEnd::WithoutClose), Transport::CloseNow, Some(SendError::TransportLost));
    // At once, after an echo, and in the middle of a message; by the end of the stream, and by a reset.
    assert_eq!(serve(drop), lost);
    assert_eq!(
        serve(|mut socket| {
            socket.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
            let mut echo = [0; 4];
            socket.read_exact(&mut echo).unwrap();
            assert_eq!(&echo, b"\x81\x02hi");
            socket.shutdown(Shutdown::Both).unwrap();
        }),
        lost
    );
    assert_eq!(
        serve(|mut socket| {
            socket.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
            // Closing a socket with unread bytes resets the connection.
            thread::sleep(Duration::from_millis(100));
        }),
        lost
    );
    let inside = (Err(UncleanEnd::InsideMessage), Transport::CloseNow, Some(SendError::TransportLost));
    assert_eq!(serve(|mut socket| socket.write_all(b"\x81\x85\0\0\0\0he").unwrap()), inside);
}

#[test]
fn a_writer_ends_when_both_have_closed() {
    let closed = serve(|mut socket| {
        socket.write_all(b"\x88\x80\0\0\0\0").unwrap();
        let mut answer = [0; 2];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"\x88\0");
    });
    assert_eq!(closed, (Ok(()), Transport::CloseNow, Some(SendError::TransportLost)));
}

/// Code of a user that is generic over the store compiles.
#[test]
fn the_halves_go_to_threads_whatever_the_store() {
    fn spawn<S: Storage + Send + 'static>(connection: Connection<Server, S, S>) -> Result<(), UncleanEnd> {
        let Connection { receiver, sender } = connection;
        let reader = thread::spawn(move || receiver.end_of_input());
        assert!(thread::spawn(move || sender.is_open()).join().unwrap());
        reader.join().unwrap()
    }
    fn open<S: Storage>(store: impl Fn() -> S) -> Connection<Server, S, S> {
        let mut request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            .to_vec();
        let mut handshake = server::Handshake::with_storage(Config::new(), store(), store());
        assert!(handshake.read(&mut Input::new(&mut request)));
        handshake.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap()
    }
    assert_eq!(spawn(open(Vec::new)), Err(UncleanEnd::WithoutClose));
    assert_eq!(spawn(open(|| FixedStorage::new([0; 1000]))), Err(UncleanEnd::WithoutClose));
}
