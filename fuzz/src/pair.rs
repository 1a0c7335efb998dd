use websocket_proto::{Client, Config, Connection, Input, Randomness, Server, Storage, Uri, client, server};

/// Randomness that is the same in every run. It begins with the nonce of RFC 6455 §1.3, whose accept value is known.
#[derive(Debug, Default)]
pub struct Keys {
    drawn: u32,
}

impl Randomness for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        let index = self.drawn;
        self.drawn += 1;
        match b"the sample nonce".chunks_exact(4).nth(index as usize) {
            Some(part) => part.try_into().unwrap(),
            None => index.wrapping_mul(0x9E37_79B1).to_le_bytes(),
        }
    }
}

/// The two ends of a connection.
pub type Pair<S> = (Connection<Client<Keys>, S, S>, Connection<Server, S, S>);

/// Both ends of a connection, open and with nothing pending.
pub fn connect<S: Storage>(config: Config, store: impl Fn() -> S) -> Pair<S> {
    connect_as(config, config, store)
}

/// The same with different configurations.
pub fn connect_as<S: Storage>(client: Config, server: Config, store: impl Fn() -> S) -> Pair<S> {
    let request = client::Request::new(Uri::parse("ws://h").unwrap());
    let mut client = client::Handshake::with_storage(client, &request, Keys::default(), store(), store()).unwrap();
    let mut server = server::Handshake::with_storage(server, store(), store());

    assert!(server.read(&mut Input::new(&mut client.pending().to_vec())));
    let upgrade = server.into_request().unwrap().upgrade().unwrap();
    let mut server = upgrade.accept(&server::Accept::new()).unwrap();

    let mut response = server.sender.pending().to_vec();
    server.sender.consume(response.len());
    assert!(client.read(&mut Input::new(&mut response)));
    (client.into_response().unwrap().upgrade().unwrap(), server)
}
