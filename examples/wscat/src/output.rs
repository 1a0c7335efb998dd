//! stdout, and the file for binary messages: each chunk is written as it is received.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    path::{Path, PathBuf},
};

use websocket_proto::{Chunk, Kind};

use crate::screen::{self, Harmless};

pub(crate) struct Output {
    stdout: BufWriter<StdoutLock<'static>>,
    stdout_is_terminal: bool,
    file: Option<(PathBuf, BufWriter<File>)>,
    /// The message whose last chunk is not received yet.
    open: Option<Kind>,
    /// How many bytes of the message were received.
    bytes: u64,
    /// The first error. After it everything is dropped.
    error: Option<String>,
}

impl Output {
    /// Payloads of binary messages are appended to the file at `path`, if there is one.
    pub(crate) fn new(path: Option<&Path>) -> Result<Self, String> {
        let open = |path: &Path| match File::options().append(true).create(true).open(path) {
            Ok(file) => Ok((path.into(), BufWriter::new(file))),
            Err(error) => Err(format!("cannot open {}: {error}", path.display())),
        };
        Ok(Self {
            stdout: BufWriter::new(io::stdout().lock()),
            stdout_is_terminal: io::stdout().is_terminal(),
            file: path.map(open).transpose()?,
            open: None,
            bytes: 0,
            error: None,
        })
    }

    /// Prints text unchanged, but on a terminal without harmful control characters. Ends the line after the message.
    pub(crate) fn text(&mut self, chunk: Chunk<'_, str>) {
        self.begin(Kind::Text, chunk.first, chunk.data.len());
        self.print(chunk.data, chunk.last);
        if !self.stdout_is_terminal {
            // On a terminal the text itself shows the progress.
            screen::receiving(self.bytes);
        }
        if chunk.last {
            self.finish();
        }
    }

    /// Appends the payload to the file, or only counts it.
    pub(crate) fn binary(&mut self, chunk: Chunk<'_, [u8]>) {
        self.begin(Kind::Binary, chunk.first, chunk.data.len());
        self.write_file(|file| file.write_all(chunk.data));
        screen::receiving(self.bytes);
        if chunk.last {
            self.finish();
            match &self.file {
                Some((path, _)) => screen::note(&format_args!("{} bytes added to {}", self.bytes, path.display())),
                None => self.print(&format!("<binary, {} bytes>", self.bytes), true),
            }
        }
    }

    /// Flushes the buffers: call it before a wait for the peer.
    pub(crate) fn flush(&mut self) {
        self.write_stdout(Write::flush);
        self.write_file(Write::flush);
    }

    /// The connection is over. Returns whether a message was cut short.
    pub(crate) fn end(&mut self) -> bool {
        let is_cut_short = self.open.is_some();
        if let Some(kind) = self.open {
            if kind == Kind::Text {
                self.print("", true);
            }
            self.finish();
            self.flush();
            screen::error(&format_args!("the last message was cut short after {} bytes", self.bytes));
        }
        is_cut_short
    }

    /// Whether there was an error. After it everything is dropped.
    pub(crate) fn is_broken(&self) -> bool {
        self.error.is_some()
    }

    pub(crate) fn take_error(&mut self) -> Option<String> {
        self.error.take()
    }

    fn begin(&mut self, kind: Kind, first: bool, len: usize) {
        if first {
            self.bytes = 0;
        }
        self.open = Some(kind);
        self.bytes += len as u64;
    }

    fn finish(&mut self) {
        self.open = None;
        screen::received();
    }

    fn print(&mut self, text: &str, ends_line: bool) {
        let end = if ends_line { "\n" } else { "" };
        if !self.stdout_is_terminal {
            return self.write_stdout(|stdout| write!(stdout, "{text}{end}"));
        }
        screen::write_stdout(ends_line, || {
            self.write_stdout(|stdout| {
                for piece in text.split_inclusive(['\n', '\t']) {
                    // Text consists of these two; all other control characters are kept from the terminal.
                    let text = piece.trim_end_matches(['\n', '\t']);
                    write!(stdout, "{}{}", Harmless(text.as_bytes()), &piece[text.len()..])?;
                }
                write!(stdout, "{end}")?;
                stdout.flush()
            });
        });
    }

    fn write_stdout(&mut self, write: impl FnOnce(&mut BufWriter<StdoutLock<'static>>) -> io::Result<()>) {
        if self.error.is_none() {
            self.error = write(&mut self.stdout).err().map(|error| format!("cannot write to stdout: {error}"));
        }
    }

    fn write_file(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        if let (None, Some((path, file))) = (&self.error, &mut self.file) {
            self.error = write(file).err().map(|error| format!("cannot write to {}: {error}", path.display()));
        }
    }
}
