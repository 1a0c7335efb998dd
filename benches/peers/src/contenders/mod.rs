//! The contenders. Each has a file with its configuration and the loop that its users would write.

mod cpp;
mod embedded_websocket;
mod fastwebsockets;
mod nexus_web;
mod sockudo_ws;
mod soketto;
mod tokio_websockets;
mod tungstenite;
mod web_socket;
mod websocket_proto;
mod websocket_sans_io;
mod wtx;
mod yawc;

use crate::{bare::Bare, contender::Contender, floor::Floor, walker::Walker};

/// Every library accepts messages of up to this length by default.
const USUAL: usize = 1 << 20;

/// The limit to set for messages of this length. `None` if the default is enough.
fn limit(len: usize) -> Option<usize> {
    (len > USUAL).then_some(256 << 20)
}

/// Our contender that the best of the others is compared with.
pub const DOCUMENTED: &str = websocket_proto::Documented::NAME;

/// All contenders, in the order of the tables.
pub fn all() -> Vec<Box<dyn Contender>> {
    let mut all: Vec<Box<dyn Contender>> = vec![
        Box::new(websocket_proto::Documented::new()),
        Box::new(websocket_proto::Tuned),
        Box::new(tungstenite::Tungstenite),
        Box::new(fastwebsockets::Fastwebsockets),
        Box::new(tokio_websockets::TokioWebsockets),
        Box::new(sockudo_ws::SockudoWs),
        Box::new(web_socket::WebSocketCrate),
        Box::new(yawc::Yawc),
        Box::new(wtx::Wtx),
        Box::new(soketto::Soketto),
        Box::new(nexus_web::NexusWeb),
        Box::new(embedded_websocket::EmbeddedWebsocket),
        Box::new(websocket_sans_io::WebsocketSansIo::new()),
    ];
    all.extend(cpp::all());
    all.push(Box::new(Walker));
    all.push(Box::new(Floor::new()));
    all.push(Box::new(Bare));
    all
}
