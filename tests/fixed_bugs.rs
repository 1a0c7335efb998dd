//! The inputs of bugs that were fixed. A fix leaves its input in `tests/data`.
//!
//! A file `tests/data/*.stream` begins with lines like those of an HTTP head, which say what must happen:
//!
//! ```text
//! Bug: what was wrong, in one sentence
//! To: server                    or client: who receives the stream
//! Needs: deflate                a feature, if the stream needs one
//! Then: text "Hello"            an event, one line for each; see `line`
//! Then: failed with 1002: close code not allowed
//! ```
//!
//! Behind an empty line is the stream, byte for byte, from the first byte of the opening handshake. A client sends the
//! nonce of the example in RFC 6455 §1.3. Both roles receive each stream, in every cut and mode, over a store that
//! grows and over one that does not: what happens must be the same.

mod common;

use common::{
    Mode, Seen,
    cuts::{every_cut, pieces},
    feed, fixed,
    heads::{Http, NONCE},
    store, stores,
};
use std::{fs, path::Path};
use websocket_proto::{Config, Connection, Input, Role, Storage, Uri, client, server};

fn config() -> Config {
    #[cfg(feature = "deflate")]
    {
        Config::new().deflate(websocket_proto::deflate::Config::new())
    }
    #[cfg(not(feature = "deflate"))]
    {
        Config::new()
    }
}

/// A server's events, as lines.
fn to_server<S: Storage>([input, output]: [S; 2], stream: &[u8], cuts: &[usize], mode: Mode) -> Vec<String> {
    let mut handshake = server::Handshake::with_storage(config(), input, output);
    let used = read_head(stream, cuts, |input| handshake.read(input));
    match handshake.into_request().and_then(server::Request::upgrade) {
        Ok(upgrade) => {
            let mut connection = upgrade.accept(&server::Accept::new()).unwrap();
            connection.sender.consume(usize::MAX);
            events(connection, &stream[used..], used, cuts, mode)
        }
        Err(refusal) => {
            let mut response = store();
            refusal.response().write(&mut response).unwrap();
            let content = if Http::parse(response.as_slice()).body.is_empty() { "no content" } else { "content" };
            vec![format!("refused with {} and {content}: {refusal}", refusal.status())]
        }
    }
}

/// A client's events, as lines.
fn to_client<S: Storage>([input, output]: [S; 2], stream: &[u8], cuts: &[usize], mode: Mode) -> Vec<String> {
    let mut nonce = NONCE.chunks(4).cycle();
    let random = move || nonce.next().unwrap().try_into().unwrap();
    let request = client::Request::new(Uri::parse("ws://example.com/chat").unwrap());
    let mut handshake = client::Handshake::with_storage(config(), &request, random, input, output).unwrap();
    handshake.consume(usize::MAX);
    let used = read_head(stream, cuts, |input| handshake.read(input));
    match handshake.into_response().map(client::Response::upgrade) {
        Ok(Ok(connection)) => events(connection, &stream[used..], used, cuts, mode),
        Ok(Err(error)) => vec![format!("refused: {error}")],
        Err(error) => vec![format!("refused: {error}")],
    }
}

/// Feeds a handshake until it is complete. Returns how many bytes it used.
fn read_head(stream: &[u8], cuts: &[usize], mut read: impl FnMut(&mut Input<'_>) -> bool) -> usize {
    let mut used = 0;
    for piece in pieces(stream, cuts) {
        let mut piece = piece.to_vec();
        let mut input = Input::new(&mut piece);
        let whole = read(&mut input);
        used += input.remaining().len().abs_diff(piece.len());
        if whole {
            break;
        }
    }
    used
}

fn events<R: Role, I: Storage, O: Storage>(
    connection: Connection<R, I, O>,
    behind: &[u8],
    used: usize,
    cuts: &[usize],
    mode: Mode,
) -> Vec<String> {
    let cuts: Vec<_> = cuts.iter().filter(|cut| **cut > used).map(|cut| cut - used).collect();
    feed(connection, behind, cuts, mode).seen.iter().map(line).collect()
}

/// An event as a line of a file.
fn line(seen: &Seen) -> String {
    match seen {
        Seen::Text(text) if text.len() > 100 => format!("text of {} bytes", text.len()),
        Seen::Text(text) => format!("text {text:?}"),
        Seen::Binary(data) => format!("binary of {} bytes", data.len()),
        Seen::Ping(payload) => format!("ping \"{}\"", payload.escape_ascii()),
        Seen::Pong(payload) => format!("pong \"{}\"", payload.escape_ascii()),
        Seen::Close { code, reason, .. } => format!("close {code:?} {reason:?}"),
        Seen::Failed(failure) => format!("failed with {}: {}", failure.close_code().get(), failure.reason()),
    }
}

/// The events in one role, which are the same in every cut and mode and over both stores.
fn replay(label: &str, server: bool, stream: &[u8]) -> Vec<String> {
    let whole = to(server, stores(), stream, &[], Mode::Whole);
    for mode in Mode::ALL {
        for cuts in every_cut(stream.len()) {
            let fixed = [fixed(16 << 10), fixed(1 << 10)];
            assert_eq!(to(server, stores(), stream, &cuts, mode), whole, "{label}, {mode:?}, cut at {cuts:?}");
            assert_eq!(to(server, fixed, stream, &cuts, mode), whole, "{label}, {mode:?}, cut at {cuts:?}, fixed");
        }
    }
    whole
}

fn to<S: Storage>(server: bool, stores: [S; 2], stream: &[u8], cuts: &[usize], mode: Mode) -> Vec<String> {
    if server { to_server(stores, stream, cuts, mode) } else { to_client(stores, stream, cuts, mode) }
}

#[test]
fn bugs_stay_fixed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "stream") {
            continue;
        }
        let label = path.file_stem().unwrap().to_str().unwrap();
        let file = fs::read(&path).unwrap();
        let end = file.windows(2).position(|two| two == b"\n\n").unwrap_or_else(|| panic!("{label}: no empty line"));
        let (head, stream) = (str::from_utf8(&file[..end]).unwrap(), &file[end + 2..]);
        let values = |name: &str| -> Vec<&str> {
            head.lines()
                .filter_map(|line| line.split_once(": ").filter(|(of, _)| *of == name))
                .map(|(_, value)| value)
                .collect()
        };
        let server = match values("To")[..] {
            ["server"] => true,
            ["client"] => false,
            ref to => panic!("{label}: to {to:?}"),
        };
        let skip = match values("Needs")[..] {
            [] => false,
            ["deflate"] => !cfg!(feature = "deflate"),
            ref needs => panic!("{label}: needs {needs:?}"),
        };
        count += 1;
        if !skip {
            assert_eq!(replay(label, server, stream), values("Then"), "{label}: {:?}", values("Bug"));
            replay(label, !server, stream);
        }
    }
    assert!(count > 0, "there are none");
}
