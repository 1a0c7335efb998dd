//! The client in one stack with the example's server, and with servers that refuse, fall silent or vanish.

use std::{any::type_name, cell::Cell, future::Future, pin::Pin, rc::Rc, time::Duration};

use embassy_executor::Executor;
use embassy_futures::join::join;
use embassy_net::{Stack, tcp::TcpSocket};
use embassy_server::{
    client::{Readings, Target, run},
    host,
    server::serve,
};
use embassy_time::{Duration as Ticks, Timer, with_timeout};
use websocket_proto::{
    Message, Outcome, Uri, client,
    time::{Backoff, Patience, Retry},
};

const PORT: u16 = 80;

/// For a key of zeros, which the client's random numbers give it here.
const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

/// A process can have one stack, so the cases follow each other.
#[test]
fn all_cases() {
    let is_done = Rc::new(Cell::new(false));
    let done = is_done.clone();
    let executor = Box::leak(Box::new(Executor::new()));
    executor.run_until(
        |spawner| {
            let stack = host::stack::<4>(spawner);
            let cases = async move {
                stack.wait_config_up().await;
                cases(stack).await;
                done.set(true);
            };
            spawner.spawn(task(Box::pin(cases)).unwrap());
        },
        || is_done.get(),
    );
}

#[embassy_executor::task]
async fn task(future: Pin<Box<dyn Future<Output = ()>>>) {
    future.await;
}

async fn cases(stack: Stack<'static>) {
    ends(readings_are_echoed_until_the_client_closes(stack)).await;
    ends(the_first_message_may_arrive_with_the_response(stack)).await;
    ends(a_close_of_the_server_is_answered(stack)).await;
    ends(a_refusal_says_when_to_come_back(stack)).await;
    ends(nobody_listens(stack)).await;
    ends(a_server_that_does_not_respond_has_a_deadline(stack)).await;
    ends(a_silent_server_gets_a_ping_and_is_given_up(stack)).await;
    ends(a_reset_is_noticed(stack)).await;
}

async fn ends<F: Future<Output = ()>>(case: F) {
    let ended = with_timeout(Ticks::from_secs(5), case).await;
    ended.unwrap_or_else(|_| panic!("{} does not end", type_name::<F>()));
}

async fn readings_are_echoed_until_the_client_closes(stack: Stack<'static>) {
    let server = async {
        let (mut receive, mut send, mut input, mut output) = ([0; 256], [0; 256], [0; 512], [0; 1024]);
        let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
        serve(&mut socket, PORT, Patience::new(), &mut input, &mut output).await.unwrap()
    };
    let readings = Readings::new();
    let heard = Cell::new(0);
    readings.try_send(Some(0)).unwrap();
    let hear = |message: Message<'_>| {
        assert_eq!(message, Message::Binary(&u32::to_be_bytes(heard.get())));
        heard.set(heard.get() + 1);
        readings.try_send((heard.get() < 100).then_some(heard.get())).unwrap();
    };
    let (served, outcome) = join(server, connect(stack, Patience::new(), &readings, hear)).await;
    assert_eq!(heard.get(), 100);
    assert_eq!(served.to_string(), "closed by the peer: 1000 (normal closure)");
    assert_eq!(outcome.to_string(), "closed by us: 1000 (normal closure)");
}

async fn the_first_message_may_arrive_with_the_response(stack: Stack<'static>) {
    let answer = [ACCEPTED, b"\x81\x05hello\x88\x00"].concat();
    let mut heard = 0;
    let hear = |message: Message<'_>| {
        assert_eq!(message, Message::Text("hello"));
        heard += 1;
    };
    let server = raw_server(stack, async |socket| {
        write(socket, &answer).await;
        until_the_end(socket, true).await
    });
    let (said, outcome) = join(server, connect(stack, Patience::new(), &Readings::new(), hear)).await;
    assert_eq!(said, b"\x88\x80\0\0\0\0");
    assert_eq!((heard, outcome.to_string().as_str()), (1, "closed by the peer: 1005 (no code)"));
}

async fn a_close_of_the_server_is_answered(stack: Stack<'static>) {
    let server = raw_server(stack, async |socket| {
        write(socket, ACCEPTED).await;
        write(socket, b"\x88\x02\x03\xE9").await;
        until_the_end(socket, true).await
    });
    let (said, outcome) = join(server, connect(stack, Patience::new(), &Readings::new(), |_| {})).await;
    assert_eq!(said, b"\x88\x82\0\0\0\0\x03\xE9");
    assert_eq!(outcome.to_string(), "closed by the peer: 1001 (going away)");
    assert_eq!(outcome.retry(), Retry::Soon);
}

async fn a_refusal_says_when_to_come_back(stack: Stack<'static>) {
    let server = raw_server(stack, async |socket| {
        write(socket, b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy").await;
        until_the_end(socket, true).await
    });
    let (_, outcome) = join(server, connect(stack, Patience::new(), &Readings::new(), |_| {})).await;
    assert_eq!(outcome.to_string(), "refused with status 503");
    assert_eq!(outcome.retry(), Retry::After(Duration::from_secs(7)));
}

async fn nobody_listens(stack: Stack<'static>) {
    let outcome = connect(stack, Patience::new(), &Readings::new(), |_| {}).await;
    assert_eq!(outcome.to_string(), "not connected");
}

async fn a_server_that_does_not_respond_has_a_deadline(stack: Stack<'static>) {
    let patience = Patience::new().opening(Some(Duration::from_millis(200)));
    let server = raw_server(stack, async |socket| until_the_end(socket, false).await);
    let (_, outcome) = join(server, connect(stack, patience, &Readings::new(), |_| {})).await;
    assert_eq!(outcome.to_string(), "timed out in the opening handshake");
}

async fn a_silent_server_gets_a_ping_and_is_given_up(stack: Stack<'static>) {
    let limit = Some(Duration::from_millis(200));
    let server = raw_server(stack, async |socket| {
        write(socket, ACCEPTED).await;
        until_the_end(socket, false).await
    });
    let patience = Patience::new().silence(limit).answer(limit);
    let (said, outcome) = join(server, connect(stack, patience, &Readings::new(), |_| {})).await;
    assert_eq!(said, b"\x89\x84\0\0\0\0\0\0\0\x01");
    assert_eq!(outcome.to_string(), "timed out: no answer to a Ping");
}

async fn a_reset_is_noticed(stack: Stack<'static>) {
    let server = raw_server(stack, async |socket| {
        write(socket, ACCEPTED).await;
        socket.flush().await.unwrap();
        socket.abort();
        Vec::new()
    });
    let (_, outcome) = join(server, connect(stack, Patience::new(), &Readings::new(), |_| {})).await;
    assert_eq!(outcome.to_string(), "connection lost: the peer left without a closing handshake");
}

/// Runs a client to its end, in little memory and with a key of zeros.
async fn connect(
    stack: Stack<'static>,
    patience: Patience,
    readings: &Readings,
    hear: impl FnMut(Message<'_>),
) -> Outcome {
    let (mut receive, mut send, mut input, mut output) = ([0; 64], [0; 64], [0; 512], [0; 512]);
    let request = client::Request::new(Uri::parse("ws://device.test/readings").unwrap());
    let target = Target { address: (host::ADDRESS, PORT).into(), request, patience };
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    let memory = (&mut input[..], &mut output[..]);
    run(&mut socket, &target, || [0; 4], memory, &mut Backoff::new(), readings, hear).await
}

/// Accepts a connection and reads the request. Then `go` returns what the client says.
async fn raw_server(stack: Stack<'static>, go: impl AsyncFnOnce(&mut TcpSocket<'_>) -> Vec<u8>) -> Vec<u8> {
    let (mut receive, mut send) = ([0; 256], [0; 256]);
    let mut socket = TcpSocket::new(stack, &mut receive, &mut send);
    socket.accept(PORT).await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).await.unwrap(), 1);
        request.extend(byte);
    }
    assert!(request.starts_with(b"GET /readings HTTP/1.1\r\nHost: device.test\r\n"));
    let said = go(&mut socket).await;
    socket.flush().await.unwrap();
    // A socket that is dropped at once does not acknowledge the client's end.
    Timer::after_millis(20).await;
    said
}

async fn write(socket: &mut TcpSocket<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = socket.write(bytes).await.unwrap();
        bytes = &bytes[count..];
    }
}

/// Reads to the end of the stream or to a reset, after the server has ended its half, or not.
async fn until_the_end(socket: &mut TcpSocket<'_>, ends: bool) -> Vec<u8> {
    if ends {
        socket.close();
    }
    let (mut said, mut bytes) = (Vec::new(), [0; 64]);
    while let Ok(count @ 1..) = socket.read(&mut bytes).await {
        said.extend(&bytes[..count]);
    }
    said
}
