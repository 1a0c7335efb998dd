use alloc::string::String;
use core::{fmt, fmt::Write as _, mem};

use super::{Deflate, WindowBits};
use crate::{
    handshake::{
        EXTENSIONS,
        extensions::{self, Extension, extensions},
    },
    http::Headers,
    storage::OutOfMemory,
};

pub(crate) const NAME: &str = "permessage-deflate";

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
}

/// As they stand in `Sec-WebSocket-Extensions`.
impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_bits {
            Some(Some(bits)) => write!(f, "; client_max_window_bits={bits}"),
            Some(None) => f.write_str("; client_max_window_bits"),
            None => Ok(()),
        }
    }
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
    let (agreement, answer) = terms(request).flatten().find_map(|offer| {
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
        (agreement.receive_window <= wanted.receive_window_limit).then_some((agreement, answer))
    })?;
    // Without memory for the answer there is no agreement.
    text(format_args!("{answer}")).ok().map(|answer| Accepted { agreement, answer })
}

/// What a server has accepted, and how it says so: the value of the response's `Sec-WebSocket-Extensions`.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) agreement: Agreement,
    pub(crate) answer: String,
}

/// The client's offer: what it wants, and behind it, where that may be too much to ask, what it allows.
pub(crate) fn offer(wanted: &Deflate) -> Result<String, OutOfMemory> {
    match offers(wanted) {
        (offer, Some(fallback)) => text(format_args!("{offer}, {fallback}")),
        (offer, None) => text(format_args!("{offer}")),
    }
}

fn offers(wanted: &Deflate) -> (Terms, Option<Terms>) {
    let terms = |server_bits: WindowBits| Terms {
        server_no_takeover: !wanted.receive_takeover,
        client_no_takeover: !wanted.send_takeover,
        server_bits: below_max(server_bits),
        client_bits: Some(below_max(wanted.send_window)),
    };
    let fallback = Some(wanted.receive_window_limit).filter(|limit| *limit > wanted.receive_window);
    (terms(wanted.receive_window), fallback.map(terms))
}

/// The client's part: whether what the server has answered is what was offered. `None` if it has not answered.
pub(crate) fn check_answer(wanted: &Deflate, response: &Headers<'_>) -> Option<Result<Agreement, NotOffered>> {
    if !response.all(EXTENSIONS).all(extensions::is_list) {
        return Some(Err(NotOffered));
    }
    let mut answers = terms(response);
    let answer = answers.next()?;
    let (Some(answer), None) = (answer, answers.next()) else { return Some(Err(NotOffered)) };
    let (offer, fallback) = offers(wanted);
    let agreed = [Some(offer), fallback].into_iter().flatten().find_map(|offer| {
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

/// The most bytes of one offer or answer.
const LONGEST: usize = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
    server_max_window_bits=15; client_max_window_bits=15"
    .len();

/// A text of at most an offer and its fallback. [`ToString`](alloc::string::ToString) aborts when memory is out; this
/// returns an error.
fn text(text: fmt::Arguments<'_>) -> Result<String, OutOfMemory> {
    let mut string = String::new();
    string.try_reserve_exact(2 * LONGEST + ", ".len()).map_err(|_| OutOfMemory)?;
    string.write_fmt(text).map_err(|_| OutOfMemory)?;
    Ok(string)
}

/// The server has agreed on something that was not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOffered;
