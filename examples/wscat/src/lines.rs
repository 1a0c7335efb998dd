//! stdin: every line is a message or a command. What a connection has not written is kept for the next one.
//!
//! | thread | what it does here |
//! |-|-|
//! | stdin | reads lines; can't be woken, so it serves all connections |
//! | lines | sends them, for one connection |

use std::{
    collections::VecDeque,
    error::Error,
    fs::File,
    io::{self, BufRead, ErrorKind, IsTerminal, Read},
    str,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
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
/ping [TEXT]              send a ping, and show how long its pong takes
/pong [TEXT]              send a pong that nobody asked for
/close [CODE [REASON]]    close the connection, as the end of stdin does
/help                     show this
//TEXT                    send a text message that begins with one slash";

/// A line came to nothing.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Whether a line came to nothing.
pub(crate) fn have_failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

enum Item {
    Line(Vec<u8>),
    End,
    /// The connection may be over.
    Wake,
}

/// stdin, for one connection after the other.
pub(crate) struct Stdin {
    items: SyncSender<Item>,
    lines: Mutex<Lines>,
}

struct Lines {
    items: Receiver<Item>,
    /// Lines that were read, but that no connection has sent.
    unsent: VecDeque<Vec<u8>>,
    /// Lines that the connection has queued, each with the number of bytes that its socket took when it took the line.
    queued: VecDeque<(u64, Vec<u8>)>,
    /// The connection.
    link: Option<Arc<Link>>,
    at_end: bool,
}

impl Stdin {
    /// Begins to read, one line ahead.
    pub(crate) fn read() -> Self {
        let (sender, items) = sync_channel(1);
        let this = Self {
            items: sender.clone(),
            lines: Mutex::new(Lines {
                items,
                unsent: VecDeque::new(),
                queued: VecDeque::new(),
                link: None,
                at_end: false,
            }),
        };
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let item = match stdin.read_until(b'\n', &mut line) {
                    Ok(0) => Item::End,
                    Ok(_) => Item::Line(line),
                    Err(error) => {
                        screen::error(&format_args!("cannot read stdin: {error}"));
                        FAILED.store(true, Ordering::Relaxed);
                        Item::End
                    }
                };
                let is_end = matches!(item, Item::End);
                if sender.send(item).is_err() || is_end {
                    break;
                }
            }
        });
        this
    }

    /// Sends lines until the connection ends, and a Close at the end of stdin. It begins with the lines that the
    /// connection before has not written. That must be over, and its writer must have ended.
    pub(crate) fn send(&self, link: Arc<Link>, wait: Duration) {
        // The thread of the connection before may still have it.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.keep_unsent();
        lines.link = Some(Arc::clone(&link));
        lines.send(&link, wait);
    }

    /// Wakes the thread that sends lines, after its connection has ended.
    pub(crate) fn wake(&self) {
        // If the channel is full, the thread is not waiting for it.
        let _ = self.items.try_send(Item::Wake);
    }
}

impl Lines {
    fn send(&mut self, link: &Link, wait: Duration) {
        // At a terminal the user sees the error, and tries again. A script sees it only in the exit code.
        let scripted = !io::stdin().is_terminal();
        while let Some(line) = self.next(link) {
            match send_line(link, &line) {
                Ok(()) => self.queued.push_back((link.queued(), line)),
                // The receiver knows why.
                Err(error) if matches!(error.downcast_ref(), Some(NotSent::Closing)) => {
                    self.unsent.push_front(line);
                    return;
                }
                Err(error) => {
                    screen::error(&error);
                    if scripted {
                        FAILED.store(true, Ordering::Relaxed);
                    }
                }
            }
            self.forget(link.written());
        }
        let deadline = Instant::now() + wait;
        while !link.is_over() && self.items.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        // Fails if the connection is closing already.
        let _ = link.close(Some((CloseCode::NORMAL, "")));
    }

    /// The next line; `None` at the end of stdin, or of the connection.
    fn next(&mut self, link: &Link) -> Option<Vec<u8>> {
        loop {
            if link.is_over() {
                return None;
            }
            if let Some(line) = self.unsent.pop_front() {
                return Some(line);
            }
            if self.at_end {
                return None;
            }
            match self.items.recv() {
                Ok(Item::Line(line)) => self.unsent.push_back(line),
                Ok(Item::Wake) => {}
                Ok(Item::End) | Err(_) => self.at_end = true,
            }
        }
    }

    /// Forgets the lines that are whole in the first `written` bytes.
    fn forget(&mut self, written: u64) {
        while self.queued.front().is_some_and(|(end, _)| *end <= written) {
            self.queued.pop_front();
        }
    }

    fn keep_unsent(&mut self) {
        let Some(link) = self.link.take() else { return };
        self.forget(link.written());
        while let Some((_, line)) = self.queued.pop_back() {
            self.unsent.push_front(line);
        }
    }
}

fn send_line(link: &Link, line: &[u8]) -> Result<(), Box<dyn Error>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = str::from_utf8(line).map_err(|error| format!("not sent: a line that is not text ({error})"))?;
    match Command::parse(line)? {
        Command::Text(text) => link.send(|sender| sender.send_text(text))?,
        Command::Binary(bytes) => link.send(|sender| sender.send_binary(&bytes))?,
        Command::File(path) => send_file(link, path)?,
        Command::Ping(text) => link.ping(text.as_bytes())?,
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
                FAILED.store(true, Ordering::Relaxed);
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
