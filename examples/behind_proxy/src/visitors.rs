//! The answer to each visitor: to a health check, to a client that wants a WebSocket, and to one that is wrong here.

use websocket_proto::{
    Outcome, ServerConnection,
    head::HeadError,
    server::{Accept, Refusal, Request, Response},
};

/// How a visit ends that opens no WebSocket.
#[derive(Debug)]
pub struct Farewell {
    /// Nothing if nothing was asked.
    pub response: Option<Response<'static>>,
    /// What the log says. Health checks come each second, so a good one is not worth a line.
    pub log: Option<Outcome>,
}

/// Opens a WebSocket at `/`, for clients without an origin and for pages of these `origins`; without any origins, for
/// all pages. Answers health checks, and refuses all else.
///
/// # Errors
///
/// The answer to a request that is not for a WebSocket, or not a good one.
pub fn answer(
    asked: Result<Request<Vec<u8>, Vec<u8>>, Refusal>,
    origins: &[String],
) -> Result<ServerConnection, Farewell> {
    let request = match asked {
        Ok(request) => request,
        // A check that only connects, or a port scanner that has found what it looked for.
        Err(Refusal::Head(HeadError::Incomplete { seen: 0 })) => return Err(Farewell { response: None, log: None }),
        Err(refusal) => return Err(refused(refusal)),
    };
    let head_only = request.method() == "HEAD";
    let (response, log) = match (request.method(), request.path()) {
        ("GET" | "HEAD", "/healthz") => (Response::new(200).body(b"ok\n"), None),
        // The check that haproxy sends by default. It is HTTP/1.0 without a `Host`.
        ("OPTIONS", "/" | "*") => (Response::new(200).headers(&[("Allow", "GET")]), None),
        (_, "/") => return open(request, origins),
        _ => (Response::new(404).body(b"nothing here\n"), Some(Outcome::refused(404))),
    };
    Err(Farewell { response: Some(response.head_only(head_only)), log })
}

fn open(request: Request<Vec<u8>, Vec<u8>>, origins: &[String]) -> Result<ServerConnection, Farewell> {
    let upgrade = request.upgrade().map_err(refused)?;
    if !origins.is_empty() {
        upgrade.check_origin(origins).map_err(refused)?;
    }
    upgrade
        .accept(&Accept::new())
        .map_err(|error| Farewell { response: Some(Response::new(503)), log: Some(error.into()) })
}

fn refused(refusal: Refusal) -> Farewell {
    Farewell { response: Some(refusal.response()), log: Some(refusal.into()) }
}
