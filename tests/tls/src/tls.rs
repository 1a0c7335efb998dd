use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use websocket_proto::{Client, Config, Connection, Input, Server, SystemRandom, Uri, client, server};

/// A connection in the usual stores.
pub type Open<R> = Connection<R, Vec<u8>, Vec<u8>>;

/// For one message of several MB.
pub const CONFIG: Config = Config::new().max_frame(8 << 20).max_message(8 << 20).high_water(8 << 20);

pub fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Configurations of a server and of a client that trusts it.
pub fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let (server, pem) = certificate();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (server, Arc::new(client))
}

/// The configuration of a server that is `localhost`, and its certificate.
pub fn certificate() -> (Arc<ServerConfig>, String) {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let chain = vec![made.cert.der().clone()];
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    (Arc::new(server), made.cert.pem())
}

/// Two ends of a connection, after a handshake without a stream.
pub fn connected() -> (Open<Server>, Open<Client<SystemRandom>>) {
    let request = client::Request::new(Uri::parse("wss://localhost/").unwrap());
    let mut client = client::Handshake::new(CONFIG, &request, SystemRandom::new().unwrap()).unwrap();
    let mut server = server::Handshake::new(CONFIG);
    assert!(server.read(&mut Input::new(&mut client.pending().to_vec())));
    let mut server = server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    assert!(client.read(&mut Input::new(&mut server.sender.pending().to_vec())));
    server.sender.consume(server.sender.pending().len());
    (server, client.into_response().unwrap().upgrade().unwrap())
}
