//! The shortcuts say what the long way says, at the same byte.

use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use crate::{
    Client, Config, Connection, FixedStorage, Input, Receiver, Replies, Reply, Role, Sender, Server, Storage, Uri,
    client,
    frame::{CloseCode, Header, MaskingKey, Opcode},
    server,
};

/// What a peer sends.
#[derive(Clone, Debug)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
    TextFragment(String, bool),
    BinaryFragment(Vec<u8>, bool),
    /// This many fragments of a message that goes on.
    Fragments(usize),
    /// So many zeros: compressed, they are short enough to be fed to a decompressor at once, and come out in pieces.
    Zeros(usize),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close,
    /// A frame that may break any rule.
    Frame(u8, Option<[u8; 4]>, Vec<u8>),
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![4 => 0..20_usize, 2 => 100..140_usize, 1 => 500..3000_usize];
    len.prop_flat_map(|len| prop::collection::vec(any::<u8>(), len))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{0,30}", "[a-z ]{100,600}", "[aé世🦀]{0,60}"]
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        4 => text().prop_map(Sent::Text),
        4 => payload().prop_map(Sent::Binary),
        4 => (text(), any::<bool>()).prop_map(|(text, last)| Sent::TextFragment(text, last)),
        4 => (payload(), any::<bool>()).prop_map(|(bytes, last)| Sent::BinaryFragment(bytes, last)),
        2 => (1..7_usize).prop_map(Sent::Fragments),
        2 => (10_000..50_000_usize).prop_map(Sent::Zeros),
        2 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Sent::Ping),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Sent::Pong),
        1 => Just(Sent::Close),
        1 => (any::<u8>(), any::<Option<[u8; 4]>>(), payload())
            .prop_map(|(first, key, bytes)| Sent::Frame(first, key, bytes)),
    ]
}

/// Puts as much on the wire as the protocol lets an endpoint send.
fn send<R: Role>(sender: &mut Sender<R, Vec<u8>>, sent: &[Sent], wire: &mut Vec<u8>) {
    for sent in sent {
        // What may not come next is not sent: that is for `Frame`.
        _ = match sent {
            Sent::Text(text) => sender.send_text(text).is_ok(),
            Sent::Binary(bytes) => sender.send_binary(bytes).is_ok(),
            Sent::TextFragment(text, last) => sender.send_text_fragment(text, *last).is_ok(),
            Sent::BinaryFragment(bytes, last) => sender.send_binary_fragment(bytes, *last).is_ok(),
            Sent::Fragments(count) => (0..*count).all(|_| sender.send_binary_fragment(b"more", false).is_ok()),
            Sent::Zeros(len) => sender.send_binary(&vec![0; *len]).is_ok(),
            Sent::Ping(payload) => sender.send_ping(payload).is_ok(),
            Sent::Pong(payload) => sender.send_pong(payload).is_ok(),
            Sent::Close => sender.close(CloseCode::NORMAL, "done").is_ok(),
            Sent::Frame(first, key, payload) => {
                let header = Header::new(Opcode::Binary, key.map(MaskingKey), payload.len() as u64).encode();
                wire.push(*first);
                wire.extend(header.as_slice().iter().skip(1));
                wire.extend(payload);
                true
            }
        };
        wire.extend(sender.pending());
        sender.consume(usize::MAX);
    }
}

/// Everything that a receiver says about the wire, and after how many of its bytes.
fn told<R: Role, S: Storage>(
    mut receiver: Receiver<R, S>,
    wire: &[u8],
    cuts: &[usize],
    is_whole: bool,
    takes_the_long_way: bool,
) -> Vec<(usize, String)> {
    receiver.frames.takes_the_long_way = takes_the_long_way;
    let mut told = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([wire.len()]) {
        let mut read = wire[start..end].to_vec();
        let mut input = Input::new(&mut read);
        loop {
            let mut replies = Vec::new();
            let mut reply = |reply: Reply<'_>| replies.push((end, format!("{reply:?}: {:?}", reply.payload)));
            let event = if is_whole {
                receiver.next_message(&mut input, &mut reply as &mut dyn Replies).map(|event| format!("{event:?}"))
            } else {
                receiver.next_chunk(&mut input, &mut reply as &mut dyn Replies).map(|event| format!("{event:?}"))
            };
            told.append(&mut replies);
            let Some(event) = event else { break };
            told.push((end, event));
        }
        assert!(input.is_empty(), "all input is used");
        start = end;
    }
    told.push((wire.len(), format!("{:?}", receiver.end_of_input())));
    told
}

fn keys() -> [u8; 4] {
    [0x1B, 0x2C, 0x8D, 0xFE]
}

type Pair<S> = (Connection<Client<fn() -> [u8; 4]>, S, Vec<u8>>, Connection<Server, S, Vec<u8>>);

fn connect<S: Storage>(config: Config, store: impl Fn() -> S) -> Pair<S> {
    let request = client::Request::new(Uri::parse("ws://h").unwrap());
    let mut client =
        client::Handshake::with_storage(config, &request, keys as fn() -> [u8; 4], store(), Vec::new()).unwrap();
    let mut server = server::Handshake::with_storage(config, store(), Vec::new());
    assert!(server.read(&mut Input::new(&mut client.pending().to_vec())));
    let mut server = server.into_request().unwrap().upgrade().unwrap().accept(&server::Accept::new()).unwrap();
    assert!(client.read(&mut Input::new(&mut server.sender.pending().to_vec())));
    let mut client = client.into_response().unwrap().upgrade().unwrap();
    server.sender.consume(usize::MAX);
    client.sender.consume(usize::MAX);
    (client, server)
}

fn config(deflate: bool) -> Config {
    let config = Config::new().max_message(45_000).max_frame(40_000).max_fragments(4);
    #[cfg(feature = "deflate")]
    if deflate {
        return config.deflate(crate::deflate::Config::new().threshold(0));
    }
    _ = deflate;
    config
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn they_say_what_the_long_way_says_at_the_same_byte(
        sent in prop::collection::vec(sent(), 1..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        damage in prop::option::weighted(0.2, (any::<prop::sample::Index>(), 1..=255_u8)),
        deflate: bool,
        is_whole: bool,
        is_fixed: bool,
        to_server: bool,
    ) {
        let config = config(deflate);
        let (mut client, mut server) = connect(config, Vec::new);
        let mut wire = Vec::new();
        if to_server { send(&mut client.sender, &sent, &mut wire) } else { send(&mut server.sender, &sent, &mut wire) }
        if let Some((index, bits)) = damage.filter(|_| !wire.is_empty()) {
            let index = index.index(wire.len());
            wire[index] ^= bits;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.sort_unstable();

        let ways = [false, true].map(|long| {
            if is_fixed {
                let (client, server) = connect(config, || FixedStorage::new(Box::from([0; 44_000])));
                if to_server {
                    told(server.receiver, &wire, &cuts, is_whole, long)
                } else {
                    told(client.receiver, &wire, &cuts, is_whole, long)
                }
            } else {
                let (client, server) = connect(config, Vec::new);
                if to_server {
                    told(server.receiver, &wire, &cuts, is_whole, long)
                } else {
                    told(client.receiver, &wire, &cuts, is_whole, long)
                }
            }
        });
        let [short, long] = ways;
        prop_assert_eq!(short, long);
    }
}
