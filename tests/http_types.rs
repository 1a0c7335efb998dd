//! The feature `http`: requests and responses as hyper and axum have them.
#![cfg(feature = "http")]

use http::{Method, Request, Response, Version};
use websocket_proto::{
    Config, Connection, Event, Input, Uri,
    client::{self, Offer},
    head::HeadError,
    server::{self, Accept, Refusal},
};

type Keys = fn() -> [u8; 4];

fn offer(is_http1: bool) -> Offer<Keys, Vec<u8>, Vec<u8>> {
    let request = client::Request::new(Uri::parse("wss://example.com:8443/chat?room=1").unwrap());
    let request = request.subprotocols(&["chat"]).headers(&[("cookie", "a=b")]);
    let keys: Keys = || [1, 2, 3, 4];
    let make = if is_http1 { Offer::http1 } else { Offer::extended_connect };
    make(Config::new(), &request, keys).unwrap()
}

/// Both ends by the types of `http` alone, over either version.
#[test]
fn both_ends() {
    for is_http1 in [true, false] {
        let offer = offer(is_http1);
        let mut request = offer.http_request().unwrap();
        if is_http1 {
            assert_eq!((request.method(), request.version()), (&Method::GET, Version::HTTP_11));
            assert_eq!(request.uri(), "/chat?room=1");
            assert_eq!(request.headers()["host"], "example.com:8443");
            // As a client of hyper may have it.
            *request.uri_mut() = "https://example.com:8443/chat?room=1".parse().unwrap();
        } else {
            assert_eq!((request.method(), request.version()), (&Method::CONNECT, Version::HTTP_2));
            assert_eq!(request.uri(), "https://example.com:8443/chat?room=1");
            assert!(!request.headers().contains_key("host") && !request.headers().contains_key("sec-websocket-key"));
        }
        assert_eq!(request.headers()["cookie"], "a=b");

        let protocol = (!is_http1).then_some("websocket");
        let request = server::Request::from_http(Config::new(), &request, protocol).unwrap();
        assert!(request.is_upgrade());
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.headers().get("host"), Some(&b"example.com:8443"[..]));
        let upgrade = request.upgrade().unwrap();
        let accept = Accept::new().subprotocol("chat").headers(&[("set-cookie", "c=d"), ("set-cookie", "e=f")]);
        let response = upgrade.http_response(&accept).unwrap();
        assert_eq!(response.status(), if is_http1 { 101 } else { 200 });
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(response.headers().contains_key("connection"), is_http1);

        let response = offer.http_response(&response).unwrap();
        assert_eq!(response.subprotocol(), Some("chat"));
        let (mut server, mut client) = (upgrade.into_connection().unwrap(), response.upgrade().unwrap());
        client.sender.send_text("hello").unwrap();
        let mut bytes = client.sender.pending().to_vec();
        let Connection { receiver, sender } = &mut server;
        assert_eq!(receiver.next_message(&mut Input::new(&mut bytes), sender), Some(Event::Text("hello")));
    }
}

#[test]
fn requests_for_pages_and_refusals() {
    let page = Request::get("https://example.com/").version(Version::HTTP_2).body(()).unwrap();
    let request = server::Request::from_http(Config::new(), &page, None).unwrap();
    assert!(!request.is_upgrade());
    let refusal = request.upgrade().unwrap_err();
    let response = refusal.response().to_http();
    assert_eq!((response.status().as_u16(), &response.headers()["allow"]), (405, &"CONNECT".parse().unwrap()));
    assert_eq!(*response.body(), b"A WebSocket is asked for with extended CONNECT.\n");

    let mut connect = offer(false).http_request().unwrap();
    let refused = |request: &Request<()>, protocol| {
        server::Request::from_http(Config::new(), request, protocol).and_then(server::Request::upgrade).err()
    };
    assert_eq!(refused(&connect, Some("connect-udp")), Some(Refusal::Protocol));
    assert_eq!(refused(&connect, None), Some(Refusal::NotConnect));
    connect.headers_mut().insert("sec-websocket-version", "12".parse().unwrap());
    let refusal = refused(&connect, Some("websocket")).unwrap();
    assert_eq!(refusal, Refusal::ConnectVersion { found: Some(12) });
    assert_eq!(refusal.response().to_http().headers()["sec-websocket-version"], "13");

    let old = Request::get("/").version(Version::HTTP_10).body(()).unwrap();
    assert_eq!(refused(&old, None), Some(Refusal::Head(HeadError::Version)));
    let get = Request::get("/").header("host", "h").body(()).unwrap();
    assert_eq!(refused(&get, None), Some(Refusal::NotAnUpgrade));
}

#[test]
fn responses_that_refuse() {
    let response = Response::builder().status(302).header("location", "/b").body("moved").unwrap();
    let response = offer(true).http_response(&response).unwrap();
    assert_eq!((response.status(), response.location()), (302, Some("/b")));
    assert!(response.upgrade().is_err());
    // A value of HTTP that is not ASCII is taken as it is.
    let value = http::HeaderValue::from_bytes(b"\xE4").unwrap();
    let response = Response::builder().status(200).header("x", value).body(()).unwrap();
    assert!(offer(false).http_response(&response).unwrap().upgrade().is_ok());
}

/// What the crate `http` does not take as a header is left out of a response, as is a status that is none.
#[test]
fn pages_of_the_caller() {
    let headers = [("content-type", "text/html"), ("a b", "c"), ("d", "e\r\nf: g")];
    let response = server::Response::new(404).headers(&headers).body(b"nothing here").to_http();
    assert_eq!((response.status().as_u16(), response.headers().len()), (404, 1));
    assert_eq!(*response.body(), b"nothing here");
}
