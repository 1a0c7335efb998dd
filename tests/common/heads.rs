//! HTTP heads made by editing a valid one, and an HTTP parser that shares no code with the library.

use super::store::{Store, store, store_of};
use websocket_proto::{Config, Event, Input, Receiver, Role, Sender, Storage, server};

/// An empty store that is larger than any head.
pub fn head_store() -> Store {
    store_of(2 << 20)
}

/// A store that is not empty.
pub fn stale() -> Store {
    let mut store = store();
    server::Response::new(404).write(&mut store).unwrap();
    store
}

pub fn new_server(config: Config) -> server::Handshake<Store, Store> {
    #[cfg(feature = "alloc")]
    {
        server::Handshake::new(config)
    }
    #[cfg(not(feature = "alloc"))]
    {
        server::Handshake::with_storage(config, head_store(), head_store())
    }
}

/// The example of RFC 6455 §1.3: its nonce, the client's key, and the server's answer.
pub const NONCE: [u8; 16] = *b"the sample nonce";
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Nonce, key, answer. The first answer is from the RFC, the others were computed with Python's hashlib.
#[rustfmt::skip]
pub const KEYS: [([u8; 16], &str, &str); 5] = [
    (NONCE,                              KEY,                        ACCEPT),
    (*b"\xc7\x72\x49\x1c\xc6\xc3\x2f\x51\x33\x2e\x48\x7d\x18\x18\x57\x0f",
                                         "x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
    ([0; 16],                            "AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
    ([0xff; 16],                         "/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="),
    (*b"\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbf\xfb\xff\xbf\xfb",
                                         "+/+/+/+/+/+/+/+/+/+/+w==", "M0DUs3om0SqzerhOhYSMM7WQuBQ="),
];

/// A valid head. Each row of a table changes one thing.
pub struct Template(pub &'static str);

impl Template {
    pub fn whole(&self) -> Vec<u8> {
        self.0.into()
    }

    /// With another first line.
    pub fn line(&self, line: impl AsRef<[u8]>) -> Vec<u8> {
        let (_, headers) = self.0.split_once("\r\n").unwrap();
        [line.as_ref(), b"\r\n", headers.as_bytes()].concat()
    }

    /// With another line in place of the header of this name.
    pub fn swap(&self, name: &str, line: impl AsRef<[u8]>) -> Vec<u8> {
        let start = self.0.find(&format!("\r\n{name}:")).unwrap_or_else(|| panic!("no {name} to swap")) + 2;
        let len = self.0[start..].find("\r\n").unwrap();
        [&self.0.as_bytes()[..start], line.as_ref(), &self.0.as_bytes()[start + len..]].concat()
    }

    /// With another value of the header of this name.
    pub fn set(&self, name: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
        self.swap(name, [name.as_bytes(), b": ", value.as_ref()].concat())
    }

    /// Without the header of this name.
    pub fn without(&self, name: &str) -> Vec<u8> {
        let gap = self.swap(name, "\0gap");
        let start = gap.iter().position(|byte| *byte == 0).unwrap();
        [&gap[..start], &gap[start + "\0gap\r\n".len()..]].concat()
    }

    /// With further lines behind the last header.
    pub fn with(&self, lines: impl AsRef<[u8]>) -> Vec<u8> {
        let head = self.0.strip_suffix("\r\n").unwrap();
        [head.as_bytes(), lines.as_ref(), b"\r\n\r\n"].concat()
    }

    /// Padded to exactly `len` bytes by one more header.
    pub fn padded_to(&self, len: usize) -> Vec<u8> {
        let pad = len.checked_sub(self.with("Pad: ").len()).expect("the template is longer");
        self.with(format!("Pad: {}", "x".repeat(pad)))
    }

    /// With `count` headers.
    pub fn with_headers(&self, count: usize) -> Vec<u8> {
        let more = count.checked_sub(self.0.matches("\r\n").count() - 2).expect("the template has more");
        let lines: Vec<_> = (0..more).map(|index| format!("X-{index}: {index}")).collect();
        if lines.is_empty() { self.whole() } else { self.with(lines.join("\r\n")) }
    }
}

/// An HTTP head, and the bytes behind it.
#[derive(Debug, PartialEq)]
pub struct Http {
    pub first_line: String,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Http {
    /// Parses a head that the library wrote, in which every line is `name: value`. Panics otherwise.
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line");
        let head = core::str::from_utf8(&bytes[..end]).expect("text");
        let mut lines = head.split("\r\n");
        let first_line = lines.next().unwrap().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("not a header: {line:?}"));
            assert!(!value.contains(['\r', '\n', '\0']), "{line:?}");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { first_line, headers: lines.map(header).collect(), body: bytes[end + 4..].to_vec() }
    }

    /// The value of this header, which must not be repeated.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|header| header.0 == name.to_ascii_lowercase());
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        value.map(|header| header.1.as_str())
    }
}

/// All events of these inputs, as text; each input must be used up.
pub fn receive<'b, R: Role, I: Storage, O: Storage>(
    receiver: &mut Receiver<R, I>,
    sender: &mut Sender<R, O>,
    inputs: impl IntoIterator<Item = Input<'b>>,
) -> Vec<String> {
    let mut events = Vec::new();
    for mut input in inputs {
        while let Some(event) = receiver.next_message(&mut input, sender) {
            events.push(match event {
                Event::Text(text) => format!("text {text}"),
                Event::Failed(_) => "failed".into(),
                other => format!("{other:?}"),
            });
        }
        assert!(input.is_empty(), "the receiver leaves nothing");
    }
    events
}
