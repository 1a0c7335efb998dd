//! stdin: every line is a message or a command.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, ErrorKind, IsTerminal, Read},
    str, thread,
    time::Duration,
};

use websocket_proto::frame::CloseCode;

use crate::{
    link::{Link, NotSent},
    screen,
};

/// The length of a file's fragments. A server limits both their number and their length, so neither should be extreme.
const FRAGMENT: usize = 256 << 10;

pub(crate) const HELP: &str = "\
TEXT                      send a text message
/binary HEX               send a binary message, such as /binary 00 ff
/file PATH                send a file as one binary message
/ping [TEXT]              send a ping
/pong [TEXT]              send a pong that nobody asked for
/close [CODE [REASON]]    close the connection, as the end of stdin does
/help                     show this
//TEXT                    send a text message that begins with one slash";

/// Sends the lines of stdin, and a Close at its end.
pub(crate) fn send_lines(link: &Link, mut stdin: impl BufRead, wait: Duration) {
    // At a terminal the user sees the error, and tries again. A script sees it only in the exit code.
    let scripted = !io::stdin().is_terminal();
    let mut line = Vec::new();
    loop {
        line.clear();
        let sent = match stdin.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => send_line(link, &line),
            Err(error) => {
                screen::error(&format_args!("cannot read stdin: {error}"));
                link.line_failed();
                break;
            }
        };
        match sent {
            Ok(()) => {}
            // The receiver knows why.
            Err(error) if matches!(error.downcast_ref(), Some(NotSent::Closing)) => return,
            Err(error) => {
                screen::error(&error);
                if scripted {
                    link.line_failed();
                }
            }
        }
    }
    thread::sleep(wait);
    // Fails if the connection is closing already.
    let _ = link.close(Some((CloseCode::NORMAL, "")));
}

fn send_line(link: &Link, line: &[u8]) -> Result<(), Box<dyn Error>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = str::from_utf8(line).map_err(|error| format!("not sent: a line that is not text ({error})"))?;
    match Command::parse(line)? {
        Command::Text(text) => link.send(|sender| sender.send_text(text))?,
        Command::Binary(bytes) => link.send(|sender| sender.send_binary(&bytes))?,
        Command::File(path) => send_file(link, path)?,
        Command::Ping(text) => link.send(|sender| sender.send_ping(text.as_bytes()))?,
        Command::Pong(text) => link.send(|sender| sender.send_pong(text.as_bytes()))?,
        Command::Close(close) => link.close(close)?,
        Command::Help => HELP.lines().for_each(|line| screen::note(&line)),
    }
    Ok(())
}

/// Sends a file as one message, in fragments: the file may be larger than memory, and its length may be unknown.
fn send_file(link: &Link, path: &str) -> Result<(), Box<dyn Error>> {
    let cannot = |error: io::Error| format!("cannot read {path}: {error}");
    let mut file = File::open(path).map_err(cannot)?;
    let total = file.metadata().ok().filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
    let mut buf = vec![0; FRAGMENT];
    let mut sent = 0;
    loop {
        let n = match file.read(&mut buf) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if sent == 0 => return Err(cannot(error).into()),
            Err(error) => {
                // The message can't be withdrawn, and a last fragment would make it look whole. So the connection must
                // close.
                screen::sent();
                link.line_failed();
                screen::error(&cannot(error));
                link.close(Some((CloseCode::INTERNAL_ERROR, "message cut short")))?;
                return Ok(());
            }
        };
        // The end of the file is seen only after all bytes were read. So the last fragment is empty.
        let last = n == 0;
        if let Err(error) = link.send(|sender| sender.send_binary_fragment(&buf[..n], last)) {
            screen::sent();
            return Err(error.into());
        }
        sent += n as u64;
        screen::sending(sent, total);
        if last {
            screen::sent();
            screen::note(&format_args!("sent {path}, {sent} bytes"));
            return Ok(());
        }
    }
}

enum Command<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
    File(&'a str),
    Ping(&'a str),
    Pong(&'a str),
    Close(Option<(CloseCode, &'a str)>),
    Help,
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Result<Self, Box<dyn Error>> {
        let Some(command) = line.strip_prefix('/') else { return Ok(Self::Text(line)) };
        if command.starts_with('/') {
            return Ok(Self::Text(command));
        }
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        Ok(match name {
            "binary" => Self::Binary(parse_hex(rest)?),
            "file" if !rest.is_empty() => Self::File(rest),
            "ping" => Self::Ping(rest),
            "pong" => Self::Pong(rest),
            "close" if rest.is_empty() => Self::Close(None),
            "close" => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                let code: u16 = code.parse().map_err(|_| format!("not a close code: {code}"))?;
                Self::Close(Some((CloseCode::new(code)?, reason)))
            }
            "help" => Self::Help,
            "file" => return Err("/file needs a path".into()),
            _ => return Err(format!("no such command: /{name} (/help lists them, //{name} sends it as text)").into()),
        })
    }
}

/// Reads pairs of hexadecimal digits, with any spaces between them.
fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("not pairs of hexadecimal digits: {text}");
    let digits =
        text.chars().filter(|char| !char.is_whitespace()).map(|char| char.to_digit(16).map(|digit| digit as u8));
    let digits: Vec<u8> = digits.collect::<Option<_>>().ok_or_else(wrong)?;
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
