//! Before anything is measured, a contender must deliver exactly the right messages, and send frames that contain
//! exactly these. A contender that delivers text which is not UTF-8 is measured, but marked.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use zlib_rs::{Inflate, InflateFlush};

use crate::{
    cases::{Case, PING, Prepared, TAIL, Work},
    contender::{Contender, Kind, Role, Seen, Takeover, Turn},
    options::Options,
    run,
    socket::Feed,
};

/// The right answer to the key of the request.
const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The note for contenders that deliver text without checking all of it.
pub const BAD_TEXT: &str = "delivers text that is not UTF-8, where reads cut it";

/// Prints which contender fails in which case. Returns whether ours pass in all cases.
pub fn all(options: &Options) -> bool {
    let (mut right, mut wrong, mut ours_are_right) = (0, 0, true);
    for case in
        options.cases.iter().filter(|case| case.len <= 1 << 20 && !matches!(case.work, Work::Connections(1000..)))
    {
        let prepared = case.prepare();
        for contender in &options.contenders {
            let problem = match open_checked(&**contender, case, &prepared) {
                Ok(None) => continue,
                Ok(Some(_)) if delivers_bad_text(&**contender, case) => BAD_TEXT.to_owned(),
                Ok(Some(_)) => {
                    right += 1;
                    continue;
                }
                Err(problem) => problem,
            };
            println!("{}: {}: {problem}", case.full_name(), contender.name());
            wrong += 1;
            ours_are_right &= !contender.name().starts_with("websocket-proto");
        }
    }
    println!("{right} passed, {wrong} failed");
    ours_are_right
}

/// Opens connections for a case, and checks them. `Ok(None)`: the contender cannot do this work.
pub fn open_checked(contender: &dyn Contender, case: &Case, prepared: &Prepared) -> Result<Option<Vec<Turn>>, String> {
    let feed = &prepared.feed;
    feed.rewind();
    let attempt = || {
        let Some(mut turns) = run::open(contender, case, feed) else { return Ok(None) };
        if contender.knows_messages() || matches!(case.work, Work::Inflate(_)) {
            check(case, prepared, feed, &mut turns)?;
        }
        Ok(Some(turns))
    };
    let outcome = without_panic(attempt).and_then(|outcome| outcome);
    feed.rewind();
    feed.take_captured();
    feed.take_written();
    outcome
}

/// Whether the contender delivers a text of this case that has a wrong byte in its middle and is brought by two reads.
pub fn delivers_bad_text(contender: &dyn Contender, case: &Case) -> bool {
    let Work::Receive(role) = case.work else { return false };
    if case.kind() != Kind::Text || !contender.knows_messages() {
        return false;
    }
    let feed = case.bad_text(role);
    feed.grant(feed.message());
    let received = without_panic(|| {
        let mut seen = Seen::default();
        for turn in run::open(contender, case, &feed).iter_mut().flatten() {
            turn(&mut seen);
        }
        seen.messages
    });
    received.is_ok_and(|messages| messages > 0)
}

/// Turns a panic into an error with the panic's message.
fn without_panic<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // The table prints the message, so the panic must not.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let told = panic.downcast_ref::<String>().map(String::as_str);
        told.or_else(|| panic.downcast_ref().copied()).unwrap_or("it panicked").to_owned()
    });
    panic::set_hook(hook);
    outcome
}

fn check(case: &Case, prepared: &Prepared, feed: &Arc<Feed>, turns: &mut [Turn]) -> Result<(), String> {
    feed.capture();
    let received = run::run(turns, prepared, prepared.checked, Seen::checked());
    if feed.granted() > 0 {
        return Err(format!("{} bytes were not read", feed.granted()));
    }
    let sent = feed.take_captured();
    let seen = match case.work {
        Work::Receive(_) | Work::Inflate(_) | Work::Connections(_) => {
            if case.pings {
                let pongs = decode(&sent, false, None)?.1;
                if pongs == 0 {
                    return Err("no ping was answered".into());
                }
            }
            received
        }
        Work::Send(role, _) => decode(&sent, role == Role::Client, None)?.0,
        Work::Echo(_) => decode(&sent, false, None)?.0,
        Work::Deflate(takeover) => decode(&sent, false, Some(takeover))?.0,
        Work::Handshake => {
            let is_accepted = sent.starts_with(b"HTTP/1.1 101 ")
                && sent.ends_with(b"\r\n\r\n")
                && sent.windows(ACCEPT.len()).filter(|part| *part == ACCEPT).count() == prepared.checked;
            return if is_accepted { Ok(()) } else { Err("the response is wrong".into()) };
        }
    };
    let expected = case.expected(prepared.checked);
    if seen.same(&expected) {
        return Ok(());
    }
    let (seen, expected) = ((seen.messages, seen.bytes), (expected.messages, expected.bytes));
    Err(format!("wrong messages: {} with {} bytes, not {} with {}", seen.0, seen.1, expected.0, expected.1))
}

/// Decodes the messages, and counts the Pongs. It is as simple as possible.
fn decode(mut bytes: &[u8], masked: bool, deflate: Option<Takeover>) -> Result<(Seen, usize), String> {
    let (mut seen, mut pongs) = (Seen::checked(), 0);
    let mut message: Option<(u8, Vec<u8>)> = None;
    let mut inflate = Inflate::new(false, 15);
    while !bytes.is_empty() {
        let (first_byte, payload) = take_frame(&mut bytes, masked)?;
        match first_byte & 0x0F {
            0 => message.as_mut().ok_or("a continuation of nothing")?.1.extend(payload),
            1 | 2 => message = Some((first_byte, payload)),
            10 if payload == PING => pongs += 1,
            opcode => return Err(format!("opcode {opcode}, or a Pong with the wrong payload")),
        }
        if let (true, Some((first, payload))) = (first_byte & 0x80 != 0, message.as_ref()) {
            let kind = if first & 0x0F == 1 { Kind::Text } else { Kind::Binary };
            match deflate {
                Some(takeover) if first & 0x40 != 0 => {
                    seen.message(kind, &unpack(&mut inflate, payload, takeover)?);
                }
                Some(_) => return Err("a message is not compressed".into()),
                None => seen.message(kind, payload),
            }
            message = None;
        }
    }
    Ok((seen, pongs))
}

/// The first byte of the next frame, and its payload, unmasked.
pub fn take_frame(bytes: &mut &[u8], masked: bool) -> Result<(u8, Vec<u8>), String> {
    let (header, rest) = bytes.split_at_checked(2).ok_or("a header is cut")?;
    let (len, mut rest) = match header[1] & 0x7F {
        len @ ..126 => (usize::from(len), rest),
        code => {
            let (len, rest) = rest.split_at_checked(if code == 126 { 2 } else { 8 }).ok_or("a length is cut")?;
            (len.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
    };
    if (header[1] & 0x80 != 0) != masked {
        return Err("masked by a server, or not by a client".into());
    }
    let mut key = [0; 4];
    if masked {
        let (found, behind) = rest.split_first_chunk().ok_or("a key is cut")?;
        (key, rest) = (*found, behind);
    }
    let (payload, rest) = rest.split_at_checked(len).ok_or("a payload is cut")?;
    *bytes = rest;
    Ok((header[0], payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()))
}

fn unpack(inflate: &mut Inflate, payload: &[u8], Takeover(takeover): Takeover) -> Result<Vec<u8>, String> {
    let mut room = vec![0; 1 << 16];
    let before = inflate.total_out();
    let all = [payload, &TAIL].concat();
    inflate.decompress(&all, &mut room, InflateFlush::SyncFlush).map_err(|_| "a message cannot be decompressed")?;
    room.truncate((inflate.total_out() - before) as usize);
    if !takeover {
        inflate.reset(false);
    }
    Ok(room)
}
