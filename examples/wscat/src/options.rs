//! The command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use websocket_proto::time::{Backoff, Patience};

use crate::proxy::Proxy;

pub(crate) const HELP: &str = "\
A WebSocket client for the terminal and for pipes.

Usage: wscat [OPTIONS] URL

URL is ws://[USER:PASSWORD@]HOST[:PORT][/PATH], or wss://… over TLS. In it, a space
is %20, and other characters that have a meaning there are written in this way, too.

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
  --reconnect             connect again if the connection is lost, or closed with 1001
                          or 1011 to 1014, or if the server can't be reached or is
                          not ready (status 408, 425, 429 or 5xx). The first delay is
                          up to 5 seconds, and later ones up to a minute, or as long
                          as the server asks for. Lines that were not sent are kept
  --follow                follow redirects, at most 5; to another server without the
                          credentials, headers, subprotocols and origin given here
  --cacert FILE           trust the certificates in this PEM file, too
  --insecure              trust every server: anybody in between can read and change
                          what is sent
  --proxy URL             connect through http://[USER:PASSWORD@]HOST[:PORT], or
                          socks5://…; without it through that of the environment:
                          https_proxy for wss, http_proxy for ws, all_proxy for both,
                          but not to hosts in no_proxy. '' is no proxy
  --connect-timeout SECONDS
                          how long an address may take to answer, and the server
                          to complete the handshake (10)
  --close-timeout SECONDS how long the server may be silent after our Close (10),
                          or begin new messages (ten times as long)
  --silence SECONDS       how long the server may be silent until it gets a ping, and
                          then until the connection is given up (25; 0 for ever)
  --quiet                 errors only: no notices, no progress
  --help                  show this

Exit codes:
  0  closed with 1000, 1001 or no code, or with the code of our Close
  1  no connection; lost without a Close, inside a message, or after silence; a
     file, stdin or stdout failed; a line could not be sent (if stdin is not a
     terminal)
  2  wrong usage
  3  the server refused, or its handshake is not valid
  4  closed by the server with another code
  5  the server broke the protocol, or sent more than --max-message
";

pub(crate) struct Options {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) subprotocols: Vec<String>,
    pub(crate) origin: Option<String>,
    pub(crate) deflate: bool,
    pub(crate) output: Option<PathBuf>,
    pub(crate) max_message: u64,
    pub(crate) wait: Duration,
    /// Without `--reconnect`, `None`.
    pub(crate) backoff: Option<Backoff>,
    pub(crate) follow: bool,
    pub(crate) cacert: Option<PathBuf>,
    pub(crate) insecure: bool,
    /// `None` is that of the environment, `Some(None)` is none.
    pub(crate) proxy: Option<Option<Proxy>>,
    pub(crate) connect_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) silence: Duration,
    pub(crate) quiet: bool,
}

impl Options {
    /// `None` if only the help is wanted.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut options = Self {
            url: String::new(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
            origin: None,
            deflate: true,
            output: None,
            max_message: u64::MAX,
            wait: Duration::from_millis(300),
            backoff: None,
            follow: false,
            cacert: None,
            insecure: false,
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            silence: Duration::from_secs(25),
            quiet: false,
        };
        let mut reconnect = false;
        let mut backoff = Backoff::new();
        while let Some(argument) = arguments.next() {
            let argument = text(argument)?;
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--header" => {
                    let header = text(value()?)?;
                    let (name, value) = header.split_once(':').ok_or("no colon in a header: --header 'NAME: VALUE'")?;
                    options.headers.push((name.into(), value.trim().into()));
                }
                "--subprotocol" => options.subprotocols.push(text(value()?)?),
                "--origin" => options.origin = Some(text(value()?)?),
                "--no-deflate" => options.deflate = false,
                "--output" => options.output = Some(value()?.into()),
                "--max-message" => {
                    let value = text(value()?)?;
                    options.max_message = value.parse().map_err(|_| "--max-message needs a number of bytes")?;
                }
                "--wait" => options.wait = seconds(&argument, value()?)?,
                "--reconnect" => reconnect = true,
                // Not in the help: for tests, and for servers of one's own.
                "--backoff-first" => backoff = backoff.first(seconds(&argument, value()?)?),
                "--backoff-max" => backoff = backoff.max(seconds(&argument, value()?)?),
                "--follow" => options.follow = true,
                "--cacert" => options.cacert = Some(value()?.into()),
                "--insecure" => options.insecure = true,
                "--proxy" => {
                    let value = text(value()?)?;
                    options.proxy = Some(if value.is_empty() { None } else { Some(value.parse()?) });
                }
                "--connect-timeout" => options.connect_timeout = seconds(&argument, value()?)?,
                "--close-timeout" => options.close_timeout = seconds(&argument, value()?)?,
                "--silence" => options.silence = seconds(&argument, value()?)?,
                "--quiet" => options.quiet = true,
                "--help" | "-h" => return Ok(None),
                // What is behind a `=` may be a secret.
                option if option.starts_with('-') => {
                    let name = option.split_inclusive('=').next().unwrap_or_default();
                    return Err(format!("no such option: {name}"));
                }
                _ if options.url.is_empty() => options.url = argument,
                // They may have passwords.
                _ => return Err("more than one URL; does one need quotes?".into()),
            }
        }
        if options.url.is_empty() {
            return Err("no URL".into());
        }
        if options.connect_timeout.is_zero() {
            return Err("--connect-timeout needs more than 0 seconds".into());
        }
        options.backoff = reconnect.then_some(backoff);
        Ok(Some(options))
    }

    /// The deadlines of a connection.
    pub(crate) fn patience(&self) -> Patience {
        let silence = Some(self.silence).filter(|silence| !silence.is_zero());
        Patience::new()
            .opening(Some(self.connect_timeout))
            .silence(silence)
            .answer(silence)
            .closing(Some(self.close_timeout))
    }
}

fn text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|_| "an argument is not Unicode".into())
}

/// As good as for ever, and no sum with it is too large.
const AGES: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn seconds(option: &str, value: OsString) -> Result<Duration, String> {
    let seconds = text(value)?.parse().ok().and_then(|seconds: f64| {
        // Infinite, or over all limits.
        if seconds > AGES.as_secs_f64() { Some(AGES) } else { Duration::try_from_secs_f64(seconds).ok() }
    });
    seconds.ok_or_else(|| format!("{option} needs a number of seconds"))
}
