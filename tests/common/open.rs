//! Connections in memory.

use super::store::{Store, store};
use websocket_proto::{Client, Config, Connection, Input, Server, Storage, Uri, client, server};

pub type Keys = fn() -> [u8; 4];

/// Predictable for tests, with four different bytes.
pub fn keys() -> [u8; 4] {
    [0x1B, 0x2C, 0x8D, 0xFE]
}

pub type ServerEnd<I = Store, O = Store> = Connection<Server, I, O>;
pub type ClientEnd<I = Store, O = Store> = Connection<Client<Keys>, I, O>;

/// Both ends of a connection after a real handshake, with nothing pending.
pub fn open(config: Config) -> (ServerEnd, ClientEnd) {
    open_between([config; 2], [(); 4].map(|()| store()))
}

/// The same over the given stores: the server's input and output, the client's input and output.
pub fn open_in<S: Storage>(config: Config, stores: [S; 4]) -> (ServerEnd<S, S>, ClientEnd<S, S>) {
    open_between([config; 2], stores)
}

/// The same with a configuration for the server and one for the client.
pub fn open_between<S: Storage>(configs: [Config; 2], stores: [S; 4]) -> (ServerEnd<S, S>, ClientEnd<S, S>) {
    let [server_in, server_out, client_in, client_out] = stores;
    let mut client = ask(configs[1], [client_in, client_out]);
    let mut server = accept(configs[0], [server_in, server_out], client.pending());
    client.consume(usize::MAX);
    let client = finish(client, server.sender.pending());
    server.sender.consume(usize::MAX);
    (server, client)
}

/// A recorded handshake. Each end opens again from the bytes that it received then. That takes half the time if a test
/// needs one end only.
pub struct Opening {
    configs: [Config; 2],
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Opening {
    /// The handshake of a server and a client with the same configuration.
    pub fn new(config: Config) -> Self {
        let client = ask(config, [store(), store()]);
        let request = client.pending().to_vec();
        let response = accept(config, [store(), store()], &request).sender.pending().to_vec();
        Self { configs: [config; 2], request, response }
    }

    /// The server, over its input and output.
    pub fn server<S: Storage>(&self, stores: [S; 2]) -> ServerEnd<S, S> {
        let mut server = accept(self.configs[0], stores, &self.request);
        server.sender.consume(usize::MAX);
        server
    }

    /// The client, over its input and output.
    pub fn client<S: Storage>(&self, stores: [S; 2]) -> ClientEnd<S, S> {
        let mut client = ask(self.configs[1], stores);
        client.consume(usize::MAX);
        finish(client, &self.response)
    }
}

fn ask<S: Storage>(config: Config, [input, output]: [S; 2]) -> client::Handshake<Keys, S, S> {
    let request = client::Request::new(Uri::parse("ws://example.com/").unwrap());
    client::Handshake::with_storage(config, &request, keys as Keys, input, output).unwrap()
}

fn accept<S: Storage>(config: Config, [input, output]: [S; 2], request: &[u8]) -> ServerEnd<S, S> {
    let mut server = server::Handshake::with_storage(config, input, output);
    assert!(server.read(&mut Input::new(&mut request.to_vec())));
    server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap()
}

fn finish<S: Storage>(mut client: client::Handshake<Keys, S, S>, response: &[u8]) -> ClientEnd<S, S> {
    assert!(client.read(&mut Input::new(&mut response.to_vec())));
    client.into_response().unwrap().upgrade().unwrap()
}

/// Frees the spare memory of this thread, so that only the memory of a connection is counted.
#[cfg(feature = "alloc")]
pub fn free_spare() {
    open(Config::new()).0.sender.release();
}
