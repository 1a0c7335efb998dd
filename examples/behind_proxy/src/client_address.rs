//! Who the client is, when its connection comes through proxies. What they say is believed only if they are known: a
//! client can write the same headers.

use std::{
    net::{IpAddr, SocketAddr},
    str,
};

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};
use websocket_proto::head::Headers;

/// Version 1 has at most 107 bytes. Version 2 may have the names of a TLS certificate behind the addresses.
const LONGEST_HEADER: usize = 2048;

/// Reads the header of the PROXY protocol, and returns the client's address. It is `None` if the proxy itself connects,
/// as for a health check, or if the stream ends before its first byte.
///
/// `received` begins empty. In the end it has the bytes behind the header, which belong to the request.
///
/// # Errors
///
/// A text that says what is wrong.
pub async fn proxy_header(
    stream: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
) -> Result<Option<IpAddr>, &'static str> {
    loop {
        match ProxyHeader::parse(received, ParseConfig::default()) {
            Ok((header, len)) => {
                let client = header.proxied_address().map(|addresses| addresses.source.ip().to_canonical());
                received.drain(..len);
                return Ok(client);
            }
            Err(Error::BufferTooShort) if received.len() < LONGEST_HEADER => {}
            Err(Error::BufferTooShort) => return Err("the PROXY header is too long"),
            Err(_) => return Err("no valid PROXY header"),
        }
        // A lost connection counts as the end.
        match (stream.read_buf(received).await.unwrap_or(0), received.is_empty()) {
            (0, true) => return Ok(None),
            (0, false) => return Err("the PROXY header is incomplete"),
            _ => {}
        }
    }
}

/// The client's address, if `peer` has sent a request with these headers.
///
/// Each proxy adds the address of its own peer at the end of `X-Forwarded-For`. So the list is read from its end, for
/// as long as the one who has written the entry is trusted. What is before that may be invented.
pub fn forwarded(peer: IpAddr, headers: &Headers<'_>, trusted: &[IpAddr]) -> IpAddr {
    let entries: Vec<_> = headers.tokens("X-Forwarded-For").collect();
    let mut client = peer;
    for entry in entries.into_iter().rev() {
        if !trusted.contains(&client) {
            break;
        }
        // A proxy may hide its peer ("unknown"). Then no more is known than that proxy.
        let Some(address) = address(entry) else { break };
        client = address;
    }
    client
}

/// An entry of `X-Forwarded-For`. Some proxies add the port, some put IPv6 in brackets.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let entry = str::from_utf8(entry).ok()?;
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address| address.to_canonical())
}
