//! Who is trusted, and what is said of others.

use std::{fs, io, sync::Arc};

use rustls::{ClientConfig, ServerConfig};
use tls_echo::trust;
use websocket_proto::{Outcome, OwnedMessage, time::Patience};

use crate::{
    certificates::Authority,
    ends::{ENDS, Server, send},
    peer,
};

type Ended = io::Result<Outcome>;

/// One message between each client and each server. Returns what each said in the end.
fn each(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str, check: impl Fn(Ended, Ended)) {
    for (a, b) in ENDS.iter().flat_map(|a| ENDS.map(|b| (*a, b))) {
        eprintln!("{b:?} client, {a:?} server");
        let server = Server::start(a, server.clone(), Patience::new());
        let hello = OwnedMessage::from(String::from("hello"));
        let (outcome, echoes) = send(b, server.address, name, client.clone(), Patience::new(), vec![hello.clone()]);
        assert_eq!(echoes, vec![hello; usize::from(outcome.is_ok())]);
        check(outcome, server.ended());
    }
}

/// Both ends have not opened a WebSocket, and say why.
fn each_fails(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str, said: [&str; 2]) {
    each(server, client, name, |client, server| {
        for (end, said) in [client, server].into_iter().zip(said) {
            let error = end.expect_err("it was open").to_string();
            assert!(error.contains(said), "{error}");
        }
    });
}

#[test]
fn a_server_that_is_not_the_right_one_is_not_talked_to() {
    let (authority, other) = (Authority::new(), Authority::new());
    let client = trust::client(authority.roots(), None).unwrap();
    for (identity, name, said) in [
        (authority.server("example.com"), "localhost", ["not valid for name \"localhost\"", "BadCertificate"]),
        (authority.server("localhost"), "127.0.0.1", ["not valid for name \"127.0.0.1\"", "BadCertificate"]),
        (authority.expired_server(), "localhost", ["certificate expired", "CertificateExpired"]),
        (authority.server_that_may_certify(), "localhost", ["CaUsedAsEndEntity", "CertificateUnknown"]),
        (other.server("localhost"), "localhost", ["UnknownIssuer", "UnknownCA"]),
        (authority.client(), "ann", ["does not allow extended key usage for server", "UnsupportedCertificate"]),
    ] {
        each_fails(&trust::server(identity, None).unwrap(), &client, name, said);
    }
}

#[test]
fn a_server_that_wants_to_know_its_clients_takes_no_others() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = trust::server(authority.server("localhost"), Some(authority.roots())).unwrap();
    let client = |identity| trust::client(authority.roots(), identity).unwrap();
    each(&server, &client(Some(authority.client())), "localhost", |client, server| {
        assert!(client.unwrap().is_clean() && server.unwrap().is_clean());
    });
    each_fails(&server, &client(None), "localhost", ["CertificateRequired", "peer sent no certificates"]);
    let stranger = client(Some(other.client()));
    each_fails(&server, &stranger, "localhost", ["UnknownCA", "invalid peer certificate: UnknownIssuer"]);
}

#[test]
fn both_ends_agree_on_http_1_1() {
    let authority = Authority::new();
    let (server, client) = authority.configs();
    for end in ENDS {
        let server = Server::start(end, server.clone(), Patience::new());
        let mut peer = peer::Client::connect(server.address, client.clone());
        peer.open();
        assert_eq!(peer.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    // HTTP/2 is not chosen, though this server prefers it.
    let both = with_protocols(&server, &[b"h2", b"http/1.1"]);
    each(&both, &client, "localhost", |client, server| {
        assert!(client.unwrap().is_clean() && server.unwrap().is_clean());
    });
    // A server that knows nothing of this, and a client.
    each(&with_protocols(&server, &[]), &client, "localhost", |client, _| assert!(client.unwrap().is_clean()));
    let mut plain = ClientConfig::clone(&client);
    plain.alpn_protocols.clear();
    each(&server, &Arc::new(plain), "localhost", |client, _| assert!(client.unwrap().is_clean()));
}

#[test]
fn a_peer_that_speaks_only_http_2_is_refused() {
    let authority = Authority::new();
    let (server, client) = authority.configs();
    let mut h2 = ClientConfig::clone(&client);
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let said = ["NoApplicationProtocol", "peer doesn't support any known protocol"];
    each_fails(&server, &Arc::new(h2), "localhost", said);
    each_fails(&with_protocols(&server, &[b"h2"]), &client, "localhost", said);
}

fn with_protocols(server: &ServerConfig, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let mut server = server.clone();
    server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(server)
}

#[test]
fn a_file_that_is_no_certificate_is_named() {
    let authority = Authority::new();
    let (certificate, missing) = (authority.file(), authority.file().with_file_name("missing.pem"));
    let wrong = authority.file().with_file_name("wrong.pem");
    fs::write(&wrong, "no PEM").unwrap();
    for error in [
        trust::private_roots(&missing).unwrap_err(),
        trust::private_roots(&wrong).unwrap_err(),
        trust::identity(&certificate, &missing).unwrap_err(),
        trust::identity(&certificate, &wrong).unwrap_err(),
        trust::identity(&wrong, &authority.key_file()).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("missing.pem: ") || error.contains("wrong.pem: "), "{error}");
    }
}

#[test]
fn the_system_trusts_somebody() {
    // A machine may have no certificates, but then it says so.
    match trust::system_roots() {
        Ok(roots) => assert!(!roots.is_empty()),
        Err(error) => eprintln!("{error}"),
    }
}
