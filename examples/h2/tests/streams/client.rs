//! A client of frames.

use std::{future::poll_fn, net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use h2::{RecvStream, SendStream, client::SendRequest, ext::Protocol};
use http::Request;
use tokio::{
    net::TcpStream,
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};
use websocket_proto::{
    Config, Outcome, SystemRandom, Uri,
    client::{self, Offer},
};

use crate::wire::{Tap, Wire};

/// Long enough for a frame that should not be sent.
const MOMENT: Duration = Duration::from_millis(200);

/// Far longer than anything here takes, and shorter than any deadline of a server but the last.
const LONG: Duration = Duration::from_secs(8);

pub(crate) struct Client {
    pub(crate) requests: SendRequest<Bytes>,
    pub(crate) authority: String,
    pub(crate) wire: Wire,
    outcomes: Option<UnboundedReceiver<Outcome>>,
}

impl Client {
    /// Its windows are 64 KiB for a stream, and more for the connection than any test needs.
    pub(crate) async fn connect(address: SocketAddr, outcomes: Option<UnboundedReceiver<Outcome>>) -> Self {
        let wire = Wire::default();
        let socket = Tap { socket: TcpStream::connect(address).await.unwrap(), wire: wire.clone() };
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(64 << 10)
            .initial_connection_window_size(64 << 20)
            .data_frame_budget(usize::MAX / 2);
        let (requests, mut connection) = builder.handshake(socket).await.unwrap();
        let mut pings = connection.ping_pong().unwrap();
        tokio::spawn(connection);
        // The settings of a server are its first frame, so they are known when it has answered.
        pings.ping(h2::Ping::opaque()).await.unwrap();
        Self { requests, authority: address.to_string(), wire, outcomes }
    }

    /// The request of a WebSocket, whose `:protocol` and version can be changed.
    pub(crate) fn request(&self) -> (Offer<SystemRandom, Vec<u8>, Vec<u8>>, Request<()>) {
        let address = format!("ws://{}/", self.authority);
        let request = client::Request::new(Uri::parse(&address).unwrap()).subprotocols(&["chat", "echo"]);
        let offer = Offer::extended_connect(Config::new(), &request, SystemRandom::new().unwrap()).unwrap();
        let mut request = offer.http_request().unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        (offer, request)
    }

    pub(crate) async fn open(&mut self) -> Stream {
        self.open_if_enabled().await.expect("the server has not enabled extended CONNECT")
    }

    /// `None` if the server's settings do not allow extended CONNECT. Nothing is sent then.
    pub(crate) async fn open_if_enabled(&mut self) -> Option<Stream> {
        // The crate h2 sends the request in any case.
        if !self.requests.is_extended_connect_protocol_enabled() {
            return None;
        }
        let (offer, request) = self.request();
        let (response, outgoing) = self.requests.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        offer.http_response(&response).unwrap().upgrade().unwrap();
        let (incoming, received) = (response.into_body(), BytesMut::new());
        Some(Stream { outgoing, incoming, received, wire: self.wire.clone() })
    }

    /// Nothing is sent on this stream for a moment.
    pub(crate) async fn expect_silence_of_stream(&self, stream: u32) {
        sleep(MOMENT).await;
        assert_eq!(self.wire.sent(stream), [""; 0]);
    }

    /// The connection lives on: no stream has done it harm.
    pub(crate) async fn expect_page(&mut self) {
        let request = Request::get(format!("http://{}/", self.authority)).body(()).unwrap();
        let (response, _) = self.requests.send_request(request, true).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_ne!(response.into_body().data().await.unwrap().unwrap(), "");
    }

    /// The next WebSocket to end has ended so, where the server tells it.
    pub(crate) async fn expect_outcome(&mut self, (code, line): (u16, &str)) {
        if let Some(outcomes) = &mut self.outcomes {
            let outcome = timeout(LONG, outcomes.recv()).await.expect("it has not ended").unwrap();
            assert_eq!((outcome.code(), &outcome.to_string()[..]), (code, line));
        }
    }
}

pub(crate) struct Stream {
    pub(crate) outgoing: SendStream<Bytes>,
    pub(crate) incoming: RecvStream,
    /// What was received and not expected yet.
    received: BytesMut,
    pub(crate) wire: Wire,
}

impl Stream {
    pub(crate) fn send(&mut self, bytes: &'static [u8], end: bool) {
        self.outgoing.send_data(Bytes::from_static(bytes), end).unwrap();
    }

    /// Sends bytes as the peer's window allows. `false` if it takes none for a moment; the rest stays in `bytes`.
    pub(crate) async fn send_in_window(&mut self, bytes: &mut Bytes) -> bool {
        while !bytes.is_empty() {
            self.outgoing.reserve_capacity(bytes.len());
            if self.outgoing.capacity() == 0 {
                match timeout(MOMENT, poll_fn(|context| self.outgoing.poll_capacity(context))).await {
                    Err(_) => return false,
                    Ok(capacity) => _ = capacity.expect("reset").expect("lost"),
                }
            }
            let count = self.outgoing.capacity().min(bytes.len());
            self.outgoing.send_data(bytes.split_to(count), false).unwrap();
        }
        true
    }

    pub(crate) async fn receive(&mut self) -> Option<Result<Bytes, h2::Error>> {
        let data = timeout(LONG, self.incoming.data()).await.expect("nothing was received");
        if let Some(Ok(data)) = &data {
            self.incoming.flow_control().release_capacity(data.len()).unwrap();
        }
        data
    }

    /// Receives these bytes, in any number of frames.
    pub(crate) async fn expect_next(&mut self, bytes: &[u8]) {
        while self.received.len() < bytes.len() {
            let data = self.receive().await.expect("ended").expect("reset");
            self.received.extend(data);
        }
        let received = self.received.split_to(bytes.len());
        assert!(received == bytes, "{received:?}");
    }

    /// Receives these bytes, and nothing behind them.
    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        self.expect_next(bytes).await;
        assert_eq!(self.received, "");
    }

    pub(crate) async fn expect_end(&mut self) {
        while let Some(data) = self.receive().await {
            assert_eq!(data.expect("reset"), "");
        }
    }

    /// What the server has sent on this stream after the first frame, which has the headers of the response.
    pub(crate) fn frames(&self) -> Vec<String> {
        let frames = self.wire.received(self.outgoing.stream_id().as_u32());
        let (headers, frames) = frames.split_first().unwrap();
        assert_eq!(headers, "HEADERS");
        frames.to_vec()
    }

    /// Nothing more arrives on this stream for a moment.
    pub(crate) async fn expect_silence(&self) {
        let before = self.frames();
        sleep(MOMENT).await;
        assert_eq!(self.frames(), before);
    }
}
