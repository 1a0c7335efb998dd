use core::{fmt, mem, str};

use super::Pool;
use crate::{
    handshake::{
        EXTENSIONS,
        extensions::{self, Extension, extensions},
    },
    http::Headers,
};

pub(crate) const NAME: &str = "permessage-deflate";

/// What one side wants of compression, and what it allows the other.
///
/// | | default | |
/// |-|-|-|
/// | [`level`](Self::level) | 6 | 1 is fastest, 9 smallest |
/// | [`memory_level`](Self::memory_level) | 8 | 1 to 9: of the compressor's tables |
/// | [`threshold`](Self::threshold) | 64 bytes | shorter messages go uncompressed |
/// | [`send_window`](Self::send_window) | 15 | of the messages that we send |
/// | [`receive_window`](Self::receive_window) | 15 | of those that we receive: asked for, where it can be |
/// | [`receive_window_limit`](Self::receive_window_limit) | 15 | larger ones are declined |
/// | [`send_takeover`](Self::send_takeover) | yes | remember what was sent, for a better ratio |
/// | [`receive_takeover`](Self::receive_takeover) | yes | let the peer do so |
///
/// What a connection holds in memory follows from these: see [`Agreement`].
#[derive(Clone, Copy, Debug)]
pub struct Deflate {
    pub(crate) level: u8,
    pub(crate) memory_level: u8,
    pub(crate) threshold: usize,
    /// `None` for the shared one: a constant can't refer to what changes.
    pool: Option<&'static Pool>,
    send_window: WindowBits,
    receive_window: WindowBits,
    receive_window_limit: WindowBits,
    send_takeover: bool,
    receive_takeover: bool,
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflate {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            level: 6,
            memory_level: 8,
            threshold: 64,
            pool: None,
            send_window: WindowBits::MAX,
            receive_window: WindowBits::MAX,
            receive_window_limit: WindowBits::MAX,
            send_takeover: true,
            receive_takeover: true,
        }
    }

    /// The compression level, 1 to 9; others are taken for the nearest.
    pub const fn level(mut self, level: u8) -> Self {
        self.level = clamp(level);
        self
    }

    /// How much memory the compressor's tables may use, 1 to 9: about 2^(level + 9) bytes. Others are taken for the nearest.
    pub const fn memory_level(mut self, level: u8) -> Self {
        self.memory_level = clamp(level);
        self
    }

    /// Messages of fewer bytes are sent as they are. Of a message that is sent in fragments, the first counts.
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// The largest window to compress with; the peer may ask for less.
    pub const fn send_window(mut self, bits: WindowBits) -> Self {
        self.send_window = bits;
        self
    }

    /// The largest window that the peer is asked to compress with. A server can ask that only of clients that say that they
    /// understand.
    pub const fn receive_window(mut self, bits: WindowBits) -> Self {
        self.receive_window = bits;
        self
    }

    /// The largest window that the peer may compress with when it does not do what [`receive_window`](Self::receive_window)
    /// asks: else there is no compression.
    pub const fn receive_window_limit(mut self, bits: WindowBits) -> Self {
        self.receive_window_limit = bits;
        self
    }

    /// Whether to compress with what earlier messages had in common: better, and a window and tables for every connection.
    pub const fn send_takeover(mut self, allowed: bool) -> Self {
        self.send_takeover = allowed;
        self
    }

    /// Whether the peer may: better, and a window for every connection.
    pub const fn receive_takeover(mut self, allowed: bool) -> Self {
        self.receive_takeover = allowed;
        self
    }

    /// Where contexts that remember nothing are kept between messages, to be used by the next connection that needs one. By
    /// default all share [one](Pool::shared).
    pub const fn pool(mut self, pool: &'static Pool) -> Self {
        self.pool = Some(pool);
        self
    }

    pub(crate) fn pool_in_use(&self) -> &'static Pool {
        self.pool.unwrap_or(Pool::shared())
    }

    /// What there is when the peer has no wishes.
    fn agreement(&self) -> Agreement {
        Agreement {
            send_window: self.send_window,
            receive_window: self.receive_window,
            send_takeover: self.send_takeover,
            receive_takeover: self.receive_takeover,
        }
    }
}

const fn clamp(level: u8) -> u8 {
    match level {
        0 => 1,
        1..=9 => level,
        _ => 9,
    }
}

/// The size of a window, 2^8 to 2^15 bytes: how far back a compressed message can refer (RFC 7692 §7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB.
    pub const MAX: Self = Self(15);

    /// From 8 to 15; `None` for every other number.
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// "a decimal integer value without leading zeroes between 8 to 15, inclusive" (§7.1.2)
    fn parse(mut digits: impl Iterator<Item = u8>) -> Option<Self> {
        let number = match (digits.next(), digits.next(), digits.next()) {
            (Some(digit @ b'8'..=b'9'), None, _) => digit - b'0',
            (Some(b'1'), Some(digit @ b'0'..=b'5'), None) => 10 + digit - b'0',
            _ => return None,
        };
        Self::new(number)
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What client and server have agreed on, as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The window of the messages that this side sends.
    pub send_window: WindowBits,
    /// The window of those that it receives.
    pub receive_window: WindowBits,
    /// Whether a message that this side sends may refer to earlier ones.
    pub send_takeover: bool,
    /// Whether one that it receives may.
    pub receive_takeover: bool,
}

/// The parameters of one offer or answer, as they stand there (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<WindowBits>,
    /// Named, and perhaps with a value.
    client_bits: Option<Option<WindowBits>>,
}

impl Terms {
    /// `None` when a parameter is unknown, there twice, or has a value that it can't have.
    fn parse(extension: &Extension<'_>) -> Option<Self> {
        let mut terms = Self::default();
        for (name, value) in extension.parameters.clone() {
            let bits = match value {
                Some(value) => Some(WindowBits::parse(value.bytes())?),
                None => None,
            };
            let repeated = match (name, bits) {
                (b"server_no_context_takeover", None) => mem::replace(&mut terms.server_no_takeover, true),
                (b"client_no_context_takeover", None) => mem::replace(&mut terms.client_no_takeover, true),
                (b"server_max_window_bits", Some(bits)) => terms.server_bits.replace(bits).is_some(),
                (b"client_max_window_bits", bits) => terms.client_bits.replace(bits).is_some(),
                _ => return None,
            };
            if repeated {
                return None;
            }
        }
        Some(terms)
    }

    fn write(self, out: &mut dyn FnMut(&[u8])) {
        out(NAME.as_bytes());
        for (name, present) in [
            (&b"; server_no_context_takeover"[..], self.server_no_takeover),
            (b"; client_no_context_takeover", self.client_no_takeover),
        ] {
            if present {
                out(name);
            }
        }
        if let Some(bits) = self.server_bits {
            out(b"; server_max_window_bits=");
            write_bits(out, bits);
        }
        if let Some(bits) = self.client_bits {
            out(b"; client_max_window_bits");
            if let Some(bits) = bits {
                out(b"=");
                write_bits(out, bits);
            }
        }
    }
}

fn write_bits(out: &mut dyn FnMut(&[u8]), WindowBits(bits): WindowBits) {
    if bits >= 10 {
        out(b"1");
    }
    out(&[b'0' + bits % 10]);
}

fn below_max(bits: WindowBits) -> Option<WindowBits> {
    Some(bits).filter(|bits| *bits < WindowBits::MAX)
}

/// The deflate offers among a request's extensions, in their order, or those of a response.
fn terms<'h>(headers: &Headers<'h>) -> impl Iterator<Item = Option<Terms>> + use<'h> {
    headers.all(EXTENSIONS).flat_map(extensions).map(|extension| {
        Some(extension).filter(|extension| extension.name == NAME.as_bytes()).as_ref().and_then(Terms::parse)
    })
}

/// The server's part: the first offer that it can accept, in the client's order.
pub(crate) fn accept(wanted: &Deflate, request: &Headers<'_>) -> Option<Accepted> {
    terms(request).flatten().find_map(|offer| {
        let mut agreement = wanted.agreement();
        agreement.send_takeover &= !offer.server_no_takeover;
        agreement.receive_takeover &= !offer.client_no_takeover;
        agreement.send_window = agreement.send_window.min(offer.server_bits.unwrap_or(WindowBits::MAX));
        // A client that doesn't name its window can't be asked to make it smaller (§7.1.2.2).
        agreement.receive_window = match offer.client_bits {
            Some(bits) => agreement.receive_window.min(bits.unwrap_or(WindowBits::MAX)),
            None => WindowBits::MAX,
        };
        let answer = Terms {
            server_no_takeover: !agreement.send_takeover,
            client_no_takeover: !agreement.receive_takeover,
            // "A server accepts an extension negotiation offer with this parameter by including the
            // server_max_window_bits parameter in the response" (§7.1.2.1), be it 15.
            server_bits: below_max(agreement.send_window).or(offer.server_bits.map(|_| agreement.send_window)),
            client_bits: below_max(agreement.receive_window).map(Some),
        };
        (agreement.receive_window <= wanted.receive_window_limit).then(|| Accepted::new(agreement, answer))
    })
}

/// What a server has accepted, and how it says so.
pub(crate) struct Accepted {
    pub(crate) agreement: Agreement,
    answer: [u8; Self::LONGEST],
    len: usize,
}

impl Accepted {
    const LONGEST: usize = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
        server_max_window_bits=15; client_max_window_bits=15"
        .len();

    fn new(agreement: Agreement, answer: Terms) -> Self {
        let mut accepted = Self { agreement, answer: [0; Self::LONGEST], len: 0 };
        answer.write(&mut |part| {
            let room = accepted.answer.get_mut(accepted.len..).unwrap_or_default();
            room.iter_mut().zip(part).for_each(|(room, byte)| *room = *byte);
            accepted.len += part.len();
        });
        accepted
    }

    /// The value of the response's `Sec-WebSocket-Extensions`.
    pub(crate) fn answer(&self) -> &str {
        str::from_utf8(self.answer.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.answer())
    }
}

/// The client's offer: what it wants, and behind it, where that may be too much to ask, what it allows.
pub(crate) fn write_offer(wanted: &Deflate, out: &mut dyn FnMut(&[u8])) {
    for (index, offer) in offers(wanted).into_iter().flatten().enumerate() {
        if index > 0 {
            out(b", ");
        }
        offer.write(out);
    }
}

fn offers(wanted: &Deflate) -> [Option<Terms>; 2] {
    let terms = |server_bits: WindowBits| Terms {
        server_no_takeover: !wanted.receive_takeover,
        client_no_takeover: !wanted.send_takeover,
        server_bits: below_max(server_bits),
        client_bits: Some(below_max(wanted.send_window)),
    };
    let fallback = Some(wanted.receive_window_limit).filter(|limit| *limit > wanted.receive_window);
    [Some(terms(wanted.receive_window)), fallback.map(terms)]
}

/// The client's part: whether what the server has answered is what was offered. `None` if it has not answered.
pub(crate) fn check_answer(wanted: &Deflate, response: &Headers<'_>) -> Option<Result<Agreement, NotOffered>> {
    if !response.all(EXTENSIONS).all(|value| extensions::count(value).is_some()) {
        return Some(Err(NotOffered));
    }
    let mut answers = terms(response);
    let answer = answers.next()?;
    let (Some(answer), None) = (answer, answers.next()) else { return Some(Err(NotOffered)) };
    let agreed = offers(wanted).into_iter().flatten().find_map(|offer| {
        let server_bits = answer.server_bits.unwrap_or(WindowBits::MAX);
        let client_bits = match (answer.client_bits, offer.client_bits) {
            (None, bits) => bits.flatten().unwrap_or(WindowBits::MAX),
            // In an answer it has a value, which is not larger than that of the offer (§7.1.2.2).
            (Some(Some(bits)), Some(limit)) if bits <= limit.unwrap_or(WindowBits::MAX) => bits,
            (Some(_), _) => return None,
        };
        let kept = (answer.server_no_takeover || !offer.server_no_takeover)
            && server_bits <= offer.server_bits.unwrap_or(WindowBits::MAX);
        kept.then_some(Agreement {
            send_window: client_bits,
            receive_window: server_bits,
            send_takeover: wanted.send_takeover && !answer.client_no_takeover,
            receive_takeover: !answer.server_no_takeover,
        })
    });
    Some(agreed.ok_or(NotOffered))
}

/// The server has agreed on something that was not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOffered;
