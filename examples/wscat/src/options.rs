//! The command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

pub(crate) const HELP: &str = "\
A WebSocket client for the terminal and for pipes.

Usage: wscat [OPTIONS] URL

Every line of stdin is sent as a text message. Every received text message is
printed on stdout. Notices and errors are printed on stderr. The end of stdin
closes the connection. Messages that arrive before the server answers the Close
are printed, too.

A line that begins with a slash is a command: /help lists them. //text sends /text.

Options:
  --header 'NAME: VALUE'  add a header to the request (repeatable)
  --subprotocol NAME      offer a subprotocol (repeatable, the best one first)
  --origin ORIGIN         say which page the connection is for, as browsers do
  --no-deflate            do not offer compression (permessage-deflate)
  --output PATH           append the payload of binary messages to a file; without
                          it, they are printed as <binary, N bytes>
  --max-message BYTES     fail on messages longer than this (no limit)
  --wait SECONDS          wait between the end of stdin and the Close (0.3): some
                          servers drop their last answers when they see a Close
  --connect-timeout SECONDS
                          how long an address may take to answer, and the server
                          to complete the handshake (10)
  --close-timeout SECONDS how long the server may be silent after our Close (10),
                          or begin new messages (ten times as long)
  --quiet                 errors only: no notices, no progress
  --help                  show this

Exit codes:
  0  closed with 1000, 1001 or no code, or with the code of our Close
  1  no connection, or lost without a Close or inside a message; a file, stdin
     or stdout failed; a line could not be sent (if stdin is not a terminal)
  2  wrong usage
  3  the server refused, or its handshake is not valid
  4  closed by the server with another code
  5  the server broke the protocol, or sent more than --max-message
";

pub(crate) enum Invocation {
    Run(Options),
    Help,
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) origin: Option<String>,
    pub(crate) deflate: bool,
    pub(crate) output: Option<PathBuf>,
    pub(crate) max_message: u64,
    pub(crate) wait: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) quiet: bool,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Invocation, String> {
        let mut options = Self {
            url: String::new(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            deflate: true,
            output: None,
            max_message: u64::MAX,
            wait: Duration::from_millis(300),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            quiet: false,
        };
        while let Some(argument) = arguments.next() {
            let argument = text(argument)?;
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--header" => {
                    let header = text(value()?)?;
                    let (name, value) =
                        header.split_once(':').ok_or_else(|| format!("no colon in header '{header}'"))?;
                    options.headers.push((name.into(), value.trim().into()));
                }
                "--subprotocol" => options.subprotocols.push(text(value()?)?),
                "--origin" => options.origin = Some(text(value()?)?),
                "--no-deflate" => options.deflate = false,
                "--output" => options.output = Some(value()?.into()),
                "--max-message" => {
                    let value = text(value()?)?;
                    options.max_message = value.parse().map_err(|_| format!("not a number of bytes: {value}"))?;
                }
                "--wait" => options.wait = seconds(value()?)?,
                "--connect-timeout" => options.connect_timeout = seconds(value()?)?,
                "--close-timeout" => options.close_timeout = seconds(value()?)?,
                "--quiet" => options.quiet = true,
                "--help" | "-h" => return Ok(Invocation::Help),
                option if option.starts_with('-') => return Err(format!("no such option: {option}")),
                _ if options.url.is_empty() => options.url = argument,
                _ => return Err(format!("more than one URL: {} and {argument}", options.url)),
            }
        }
        if options.url.is_empty() {
            return Err("no URL".into());
        }
        Ok(Invocation::Run(options))
    }
}

fn text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|argument| format!("not Unicode: {}", argument.to_string_lossy()))
}

fn seconds(value: OsString) -> Result<Duration, String> {
    let value = text(value)?;
    let seconds = value.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("not a number of seconds: {value}"))
}
