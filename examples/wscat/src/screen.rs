//! stderr: notices, errors, and below them a progress line while a large message is transferred.
//!
//! stdout may be the same terminal, and neither may write into the other's lines. So all output for a terminal goes
//! through this file.

use std::{
    fmt::{self, Display},
    io::{self, IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Smaller messages need no progress line.
const LARGE: u64 = 1 << 20;

const REDRAW: Duration = Duration::from_millis(100);

/// Clears the terminal's line after the cursor.
const CLEAR_TO_END: &str = "\x1b[K";

static SCREEN: Mutex<Screen> =
    Mutex::new(Screen { quiet: false, terminal: false, sending: None, receiving: None, drawn: None, mid_line: false });

struct Screen {
    /// Errors only.
    quiet: bool,
    /// stderr is a terminal.
    terminal: bool,
    sending: Option<Transfer>,
    receiving: Option<Transfer>,
    /// When the current progress line was drawn.
    drawn: Option<Instant>,
    /// stdout left the terminal's cursor behind an unfinished line.
    mid_line: bool,
}

#[derive(Clone, Copy)]
struct Transfer {
    bytes: u64,
    total: Option<u64>,
    began: Instant,
}

pub(crate) fn set_up(quiet: bool) {
    let mut screen = lock();
    screen.quiet = quiet;
    screen.terminal = io::stderr().is_terminal();
}

/// Prints a notice.
pub(crate) fn note(what: &dyn Display) {
    let mut screen = lock();
    if !screen.quiet {
        screen.say('*', what);
    }
}

/// Prints an error.
pub(crate) fn error(what: &dyn Display) {
    lock().say('!', what);
}

/// Shows that `bytes` of an outgoing message were sent, of `total` if that is known.
pub(crate) fn sending(bytes: u64, total: Option<u64>) {
    let mut screen = lock();
    let began = screen.sending.map_or_else(Instant::now, |transfer| transfer.began);
    screen.sending = Some(Transfer { bytes, total, began });
    screen.draw();
}

/// The outgoing message is over.
pub(crate) fn sent() {
    let mut screen = lock();
    screen.sending = None;
    screen.redraw();
}

/// Shows that `bytes` of an incoming message were received. Their total is not known.
pub(crate) fn receiving(bytes: u64) {
    let mut screen = lock();
    let began = screen.receiving.map_or_else(Instant::now, |transfer| transfer.began);
    screen.receiving = Some(Transfer { bytes, total: None, began });
    screen.draw();
}

/// The incoming message is over.
pub(crate) fn received() {
    let mut screen = lock();
    screen.receiving = None;
    screen.redraw();
}

/// Redraws the progress: call it now and then, because a stalled transfer does not.
pub(crate) fn refresh() {
    lock().draw();
}

/// Lets stdout write without interruption, in case it is the same terminal.
pub(crate) fn write_stdout<T>(ends_line: bool, write: impl FnOnce() -> T) -> T {
    let mut screen = lock();
    screen.erase();
    let result = write();
    screen.mid_line = !ends_line;
    result
}

fn lock() -> MutexGuard<'static, Screen> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

// stderr may be gone. Nobody would see an error about that, so errors are ignored.
impl Screen {
    fn say(&mut self, marker: char, what: &dyn Display) {
        self.erase();
        let fresh_line = if self.mid_line && self.terminal { "\n" } else { "" };
        // In one write: stderr is not buffered, and may be shared.
        let line = format!("{fresh_line}{marker} {what}\n");
        let _ = io::stderr().write_all(line.as_bytes());
        self.mid_line &= !self.terminal;
        self.redraw();
    }

    /// Draws the progress, unless that was done a moment ago.
    fn draw(&mut self) {
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            self.redraw();
        }
    }

    fn redraw(&mut self) {
        let large = |transfer: &Transfer| transfer.bytes.max(transfer.total.unwrap_or(0)) >= LARGE;
        let (sending, receiving) = (self.sending.filter(large), self.receiving.filter(large));
        if self.quiet || !self.terminal || self.mid_line || (sending.is_none() && receiving.is_none()) {
            self.erase();
            return;
        }
        let mut line = String::from("\r");
        for (direction, transfer) in [("out", sending), ("in", receiving)] {
            let Some(transfer) = transfer else { continue };
            let gap = if line.len() > 1 { " | " } else { "" };
            line += &format!("{gap}{direction} {transfer}");
        }
        line += CLEAR_TO_END;
        let _ = io::stderr().write_all(line.as_bytes());
        self.drawn = Some(Instant::now());
    }

    fn erase(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r{CLEAR_TO_END}");
        }
    }
}

impl Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let bytes = self.bytes as f64;
        write!(f, "{:.1}", mib(bytes))?;
        match self.total {
            Some(total) if total > 0 => {
                write!(f, " of {:.1} MiB, {:.0} %", mib(total as f64), 100.0 * bytes / total as f64)?
            }
            _ => f.write_str(" MiB")?,
        }
        let seconds = self.began.elapsed().as_secs_f64();
        if seconds > 0.1 {
            write!(f, ", {:.1} MiB/s", mib(bytes / seconds))?;
        }
        Ok(())
    }
}

/// The peer's bytes as text that is safe on a terminal: control characters are escaped.
pub(crate) struct Harmless<'a>(pub(crate) &'a [u8]);

impl Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                // Those that reverse what is around them are as bad as those of the terminal.
                let is_harmful = char.is_control() || matches!(char, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
                if is_harmful { write!(f, "{}", char.escape_unicode()) } else { write!(f, "{char}") }?;
            }
            if !chunk.invalid().is_empty() {
                write!(f, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}
