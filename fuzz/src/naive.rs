//! A second implementation of RFC 6455 §5 and RFC 7692 §6.2. It works on all bytes at once, in the plainest way: slow,
//! but short enough to verify by reading.

use std::{ops::Range, str};

use websocket_proto::Kind;

use crate::{End, Seen, inflate};

/// The limits for the peer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub frame: u64,
    pub message: u64,
    pub fragments: u32,
}

/// How the peer may compress.
#[derive(Clone, Copy, Debug)]
pub struct Compression {
    /// How many bytes of earlier messages the peer may refer to, if any.
    pub window: usize,
    pub takeover: bool,
}

/// The expected outcome for some bytes.
#[derive(Debug)]
pub struct Decoded {
    pub seen: Vec<Seen>,
    /// The received part of an incomplete message; of a text, only whole code points.
    pub open: Option<(Kind, Vec<u8>)>,
    /// How many payload bytes of the last data frame are missing.
    pub remaining: u64,
    /// Where the first byte that proves a violation is. For compressed data only the frame is known.
    pub failed_at: Option<Range<usize>>,
    pub end: End,
}

/// Decodes the bytes that a client or a server sent.
pub fn decode(wire: &[u8], from_client: bool, limits: Limits, compression: Option<Compression>) -> Decoded {
    let mut decoder = Decoder {
        wire,
        at: 0,
        from_client,
        limits,
        compression,
        history: Vec::new(),
        open: None,
        seen: Vec::new(),
        remaining: 0,
    };
    let (end, failed_at) = loop {
        match decoder.frame() {
            Ok(Some(())) if matches!(decoder.seen.last(), Some(Seen::Close { .. })) => break (End::Closed, None),
            Ok(Some(())) => {}
            Ok(None) if decoder.at == wire.len() && decoder.open.is_none() => break (End::BetweenMessages, None),
            Ok(None) => break (End::InsideMessage, None),
            Err(Violation { code, at }) => {
                decoder.seen.push(Seen::Failed(code));
                break (End::Failed, Some(at));
            }
        }
    };
    let open = decoder.open.map(|mut message| {
        if message.kind == Kind::Text {
            let whole = str::from_utf8(&message.bytes).map_or_else(|error| error.valid_up_to(), str::len);
            message.bytes.truncate(whole);
        }
        (message.kind, message.bytes)
    });
    let open = open.filter(|(_, bytes)| !bytes.is_empty());
    Decoded { seen: decoder.seen, open, remaining: decoder.remaining, failed_at, end }
}

/// The frames that a sender sent: first byte and payload. All must be whole and valid; the first frame of a message may
/// have bits that an extension claimed.
pub fn frames(wire: &[u8], from_client: bool, claimed: u8) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = wire;
    while let [first, second, ..] = rest {
        let (short, masked) = (second & 0x7F, second & 0x80 != 0);
        let extra = extra_length_bytes(short);
        let header = 2 + extra + if masked { 4 } else { 0 };
        let len = length(short, &rest[2..2 + extra]);
        let (opcode, is_control) = (first & 0x0F, first & 0x08 != 0);
        assert_eq!(first & 0x70 & !if matches!(opcode, 1 | 2) { claimed } else { 0 }, 0, "reserved bits");
        assert!(matches!(opcode, 0..=2 | 8..=10), "opcode {opcode}");
        assert!(!is_control || first & 0x80 != 0 && len <= 125, "control frame of {len} bytes");
        assert_eq!(masked, from_client, "the role decides who masks");
        assert!(len >= least(extra), "length {len} in {extra} bytes");
        let end = header + len as usize;
        frames.push((*first, unmasked(&rest[header..end], &rest[2 + extra..header])));
        rest = &rest[end..];
    }
    assert!(rest.is_empty(), "half a header");
    frames
}

struct Decoder<'w> {
    wire: &'w [u8],
    at: usize,
    from_client: bool,
    limits: Limits,
    compression: Option<Compression>,
    /// The content of compressed messages, as far as later ones may refer to it.
    history: Vec<u8>,
    open: Option<Message>,
    seen: Vec<Seen>,
    remaining: u64,
}

struct Message {
    kind: Kind,
    bytes: Vec<u8>,
    /// Its payload up to now, if it is compressed.
    packed: Option<Vec<u8>>,
    announced: u64,
    frames: u32,
}

struct Violation {
    code: u16,
    at: Range<usize>,
}

impl Decoder<'_> {
    /// Moves behind the next frame; `None` if the bytes end inside it.
    fn frame(&mut self) -> Result<Option<()>, Violation> {
        let rest = &self.wire[self.at..];
        let fail = |code, index| Err(Violation { code, at: self.at + index..self.at + index + 1 });

        let Some(first) = rest.first() else { return Ok(None) };
        let (fin, rsv, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0F);
        let possible = match opcode {
            0 => self.open.is_some(),
            1 | 2 => self.open.is_none(),
            8..=10 => fin,
            _ => false,
        };
        let is_compressed = match &self.open {
            Some(message) if opcode == 0 => message.packed.is_some(),
            _ => rsv == 0x40 && matches!(opcode, 1 | 2) && self.compression.is_some(),
        };
        if !possible || rsv != 0 && (opcode == 0 || !is_compressed) {
            return fail(1002, 0);
        }
        if opcode == 0 && self.open.as_ref().is_some_and(|message| message.frames == self.limits.fragments) {
            return fail(1008, 0);
        }

        let Some(second) = rest.get(1) else { return Ok(None) };
        let (short, masked) = (second & 0x7F, second & 0x80 != 0);
        if masked != self.from_client || opcode >= 8 && short > 125 || opcode == 8 && short == 1 {
            return fail(1002, 1);
        }

        let extra = extra_length_bytes(short);
        if extra == 8 && rest.get(2).is_some_and(|byte| byte & 0x80 != 0) {
            return fail(1002, 2);
        }
        let Some(long) = rest.get(2..2 + extra) else { return Ok(None) };
        let len = length(short, long);
        if len < least(extra) {
            return fail(1002, 1 + extra);
        }
        let before = self.open.as_ref().map_or(0, |message| message.announced);
        if opcode < 8 && (len > self.limits.frame || !is_compressed && before + len > self.limits.message) {
            return fail(1009, 1 + extra);
        }

        let header = 2 + extra + if masked { 4 } else { 0 };
        let Some(key) = rest.get(2 + extra..header) else { return Ok(None) };
        let available = ((rest.len() - header) as u64).min(len) as usize;
        let is_whole = available as u64 == len;
        let payload = unmasked(&rest[header..header + available], key);

        match opcode {
            0..=2 => {
                let message = self.open.get_or_insert(Message {
                    kind: if opcode == 1 { Kind::Text } else { Kind::Binary },
                    bytes: Vec::new(),
                    packed: is_compressed.then(Vec::new),
                    announced: 0,
                    frames: 0,
                });
                let offset = message.bytes.len();
                message.announced += len;
                message.frames += 1;
                let is_complete = fin && is_whole;
                let inflated = match (&mut message.packed, self.compression) {
                    (Some(packed), Some(compression)) => {
                        packed.extend(payload);
                        let inflate = if is_complete { inflate::message } else { inflate::part };
                        let limit = self.limits.message as usize;
                        let inflated = inflate(packed, &self.history, inflate::MAX_REACH, limit);
                        message.bytes = inflated.bytes;
                        if is_complete {
                            let kept = if compression.takeover { compression.window } else { 0 };
                            self.history = inflated.history;
                            self.history.drain(..self.history.len().saturating_sub(kept));
                        }
                        Some(inflated.end)
                    }
                    _ => {
                        message.bytes.extend(payload);
                        None
                    }
                };
                let ends_well = is_complete && matches!(inflated, None | Some(inflate::End::Whole));
                let bad = first_bad_byte(&message.bytes, ends_well).filter(|_| message.kind == Kind::Text);
                let code = match (bad, inflated) {
                    (Some(bad), None) => return fail(1007, header + bad - offset),
                    (Some(_), _) | (_, Some(inflate::End::Wrong)) => 1007,
                    (_, Some(inflate::End::TooLong)) => 1009,
                    (_, Some(inflate::End::Open)) if is_complete => 1007,
                    _ => 0,
                };
                if code > 0 {
                    return Err(Violation { code, at: self.at..self.at + header + available });
                }
                if is_complete {
                    self.seen.extend(self.open.take().map(|message| Seen::Message(message.kind, message.bytes)));
                }
            }
            8 => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                if code.is_some_and(|code| !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)) {
                    return fail(1002, header + 1);
                }
                let reason = payload.get(2..).unwrap_or_default();
                if let Some(bad) = first_bad_byte(reason, is_whole) {
                    return fail(1007, header + 2 + bad);
                }
                if is_whole {
                    let reason = str::from_utf8(reason).unwrap().to_owned();
                    self.seen.push(Seen::Close { code, reason, message_cut_short: self.open.is_some() });
                }
            }
            9 if is_whole => self.seen.push(Seen::Ping(payload)),
            10 if is_whole => self.seen.push(Seen::Pong(payload)),
            _ => {}
        }
        if !is_whole {
            self.remaining = if opcode < 8 { len - available as u64 } else { 0 };
            return Ok(None);
        }
        self.at += header + available;
        Ok(Some(()))
    }
}

fn extra_length_bytes(short: u8) -> usize {
    match short {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

fn length(short: u8, long: &[u8]) -> u64 {
    if long.is_empty() { short.into() } else { long.iter().fold(0, |len, byte| len << 8 | u64::from(*byte)) }
}

/// The shortest payload whose length needs this many extra bytes.
fn least(extra: usize) -> u64 {
    match extra {
        2 => 126,
        8 => 0x1_0000,
        _ => 0,
    }
}

fn unmasked(payload: &[u8], key: &[u8]) -> Vec<u8> {
    payload.iter().enumerate().map(|(index, byte)| byte ^ key.get(index % 4).unwrap_or(&0)).collect()
}

/// The index of the byte that proves that this is not UTF-8; the last one, if only the end is missing.
fn first_bad_byte(bytes: &[u8], is_complete: bool) -> Option<usize> {
    let error = str::from_utf8(bytes).err()?;
    let start = error.valid_up_to();
    let proof = |end: &usize| str::from_utf8(&bytes[start..=*end]).is_err_and(|error| error.error_len().is_some());
    (start..bytes.len()).find(proof).or(is_complete.then(|| bytes.len() - 1))
}
