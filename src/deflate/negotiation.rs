use alloc::string::String;
use core::{fmt, fmt::Write as _, mem};

use super::{Config, WindowBits};
use crate::{
    handshake::{
        EXTENSIONS,
        extensions::{self, Extension, extensions},
    },
    head::Headers,
    storage::OutOfMemory,
};

pub(crate) const NAME: &str = "permessage-deflate";

/// The parameters on which client and server have agreed, from the view of one end (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Agreement {
    /// The window for messages that this end sends.
    pub send_window: WindowBits,
    /// The window for messages that this end receives.
    pub receive_window: WindowBits,
    /// Whether a message that this end sends may refer to earlier ones.
    pub send_takeover: bool,
    /// Whether a message that this end receives may refer to earlier ones.
    pub receive_takeover: bool,
}

/// The parameters of one offer or answer (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, Default)]
struct Terms {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<WindowBits>,
    /// `None` if the parameter is absent, `Some(None)` if it has no value.
    client_bits: Option<Option<WindowBits>>,
}

impl Terms {
    /// `None` if a parameter is unknown, occurs twice, or has an invalid value. Then "A server MUST decline an
    /// extension negotiation offer for this extension", and a client must fail (RFC 7692 §7.1).
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

/// Writes the value of a `Sec-WebSocket-Extensions` header.
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

/// Returns one item for each extension of a request or response, in their order. `None` stands for another extension,
/// or for invalid parameters.
fn terms<'h>(headers: &Headers<'h>) -> impl Iterator<Item = Option<Terms>> + use<'h> {
    headers.all(EXTENSIONS).flat_map(extensions).map(|extension| {
        Some(extension).filter(|extension| extension.name == NAME.as_bytes()).as_ref().and_then(Terms::parse)
    })
}

/// Accepts the first offer of a client that the server can accept, in the client's order.
pub(crate) fn accept(wanted: &Config, request: &Headers<'_>) -> Option<Accepted> {
    let (agreement, answer) = terms(request).flatten().find_map(|offer| {
        let mut agreement = wanted.agreement();
        agreement.send_takeover &= !offer.server_no_takeover;
        agreement.receive_takeover &= !offer.client_no_takeover;
        agreement.send_window = agreement.send_window.min(offer.server_bits.unwrap_or(WindowBits::MAX));
        // A client that does not offer this parameter must not be asked for a smaller window (RFC 7692 §7.1.2.2).
        agreement.receive_window = match offer.client_bits {
            Some(bits) => agreement.receive_window.min(bits.unwrap_or(WindowBits::MAX)),
            None => WindowBits::MAX,
        };
        let answer = Terms {
            server_no_takeover: !agreement.send_takeover,
            client_no_takeover: !agreement.receive_takeover,
            // "A server accepts an extension negotiation offer with this parameter by including the
            // server_max_window_bits parameter in the response" (RFC 7692 §7.1.2.1), even if the value is 15.
            server_bits: below_max(agreement.send_window).or(offer.server_bits.map(|_| agreement.send_window)),
            client_bits: below_max(agreement.receive_window).map(Some),
        };
        (agreement.receive_window <= wanted.receive_window_limit).then_some((agreement, answer))
    })?;
    // If there is no memory for the answer, the connection is not compressed.
    text(format_args!("{answer}")).ok().map(|answer| Accepted { agreement, answer })
}

/// An offer that a server has accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) agreement: Agreement,
    /// The value of `Sec-WebSocket-Extensions` in the response.
    pub(crate) answer: String,
}

/// Returns the client's offers: one with the wanted window and, if a larger window is allowed, one with the largest.
pub(crate) fn offer(wanted: &Config) -> Result<String, OutOfMemory> {
    match offers(wanted) {
        (offer, Some(fallback)) => text(format_args!("{offer}, {fallback}")),
        (offer, None) => text(format_args!("{offer}")),
    }
}

fn offers(wanted: &Config) -> (Terms, Option<Terms>) {
    let terms = |server_bits: WindowBits| Terms {
        server_no_takeover: !wanted.receive_takeover,
        client_no_takeover: !wanted.send_takeover,
        server_bits: below_max(server_bits),
        client_bits: Some(below_max(wanted.send_window)),
    };
    let fallback = Some(wanted.receive_window_limit).filter(|limit| *limit > wanted.receive_window);
    (terms(wanted.receive_window), fallback.map(terms))
}

/// Checks that the server's answer is one to the client's offer. `None` if the server has not answered.
pub(crate) fn check_answer(wanted: &Config, response: &Headers<'_>) -> Option<Result<Agreement, NotOffered>> {
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
            // In an answer this parameter must have a value, which must not be larger than the value in the offer
            // (RFC 7692 §7.1.2.2).
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

/// The length of the longest offer or answer, in bytes.
const MAX_TERMS_LEN: usize = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
    server_max_window_bits=15; client_max_window_bits=15"
    .len();

/// Writes a text that is at most as long as two offers. [`ToString`](alloc::string::ToString) aborts if memory is out;
/// this returns an error.
fn text(text: fmt::Arguments<'_>) -> Result<String, OutOfMemory> {
    let mut string = String::new();
    let most = 2 * MAX_TERMS_LEN + ", ".len();
    string.try_reserve_exact(most).map_err(|_| OutOfMemory)?;
    string.write_fmt(text).map_err(|_| OutOfMemory)?;
    debug_assert!(string.len() <= most, "the text fits into the memory that was requested");
    Ok(string)
}

/// The answer of the server is not one to the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotOffered;
