//! The load generator: one thread on epoll. On each connection it always has as many messages on their way as the case
//! says.
//!
//! It must do less for a message than any server. So frames are masked once, and echoes are counted and thrown away in
//! the kernel (`MSG_TRUNC`). After the measured time, one echo on every connection is checked.

use std::{
    fmt,
    io::{ErrorKind, Write},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, unix::SourceFd};
use rustix::net::{RecvFlags, recv};

use crate::{
    Result,
    client::{self, Client},
    contender::{self, Running},
};

/// More bytes than a connection ever has on their way, so that a read which brings fewer has emptied the socket.
const READ: usize = 1 << 20;

/// How long to wait for an echo that is late, before the server is said to give no answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// The length of a message.
    pub(crate) size: usize,
    /// The number of messages that are sent at once, and awaited before the next ones are sent.
    pub(crate) depth: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            size if size >= 1024 && size % 1024 == 0 => write!(f, "{} KiB", size / 1024)?,
            size => write!(f, "{size} B")?,
        }
        if self.depth > 1 { write!(f, ", {} at a time", self.depth) } else { Ok(()) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Sample {
    /// Messages per second.
    pub(crate) rate: f64,
    /// The server's CPU time per message, in seconds.
    pub(crate) cpu: f64,
    /// The share of the time in which the server ran.
    pub(crate) server_busy: f64,
    pub(crate) generator_busy: f64,
}

/// One connection.
struct Link {
    client: Client,
    /// The number of bytes of the frames that were sent.
    sent: usize,
    /// The number of bytes of the echoes that were received.
    came: usize,
}

struct Load {
    poll: Poll,
    events: Events,
    links: Vec<Link>,
    buf: Vec<u8>,
    case: Case,
    frames: Vec<u8>,
    /// The length of their echoes.
    echoes: usize,
    messages: u64,
    /// Whether the case is ending, so that no new messages are sent.
    is_ending: bool,
}

pub(crate) fn run(
    server: &Running,
    case: Case,
    connections: usize,
    warm_up: Duration,
    time: Duration,
) -> Result<Sample> {
    let payload = client::payload(case.size);
    let mut load = Load {
        poll: Poll::new()?,
        events: Events::with_capacity(connections),
        links: Vec::with_capacity(connections),
        buf: vec![0; READ],
        case,
        frames: client::frame(0x82, &payload).repeat(case.depth),
        echoes: client::echo(0x2, &payload).len() * case.depth,
        messages: 0,
        is_ending: false,
    };
    if load.echoes >= READ {
        return Err(format!("{case}: more than {READ} bytes at once").into());
    }
    for id in 0..connections {
        let client = Client::connect(server.address, id)?;
        client.socket.set_nonblocking(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        load.poll.registry().register(&mut SourceFd(&client.socket.as_raw_fd()), Token(id), interest)?;
        load.links.push(Link { client, sent: 0, came: 0 });
    }
    load.turn_until(Instant::now() + warm_up)?;

    let state = |load: &Load| -> Result<_> {
        Ok((Instant::now(), load.messages, server.cpu_seconds()?, contender::cpu_seconds("thread-self")?))
    };
    let (began, messages, server_cpu, own_cpu) = state(&load)?;
    load.turn_until(began + time)?;
    let (ended, messages_then, server_cpu_then, own_cpu_then) = state(&load)?;

    load.end()?;
    for link in &mut load.links {
        link.client.socket.set_nonblocking(false)?;
        link.client.echo(0x2, &payload)?;
    }
    let (seconds, count) = ((ended - began).as_secs_f64(), (messages_then - messages) as f64);
    Ok(Sample {
        rate: count / seconds,
        cpu: (server_cpu_then - server_cpu) / count,
        server_busy: (server_cpu_then - server_cpu) / seconds,
        generator_busy: (own_cpu_then - own_cpu) / seconds,
    })
}

impl Load {
    fn turn_until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            self.turn()?;
        }
        Ok(())
    }

    /// Waits for the echoes that are still missing.
    fn end(&mut self) -> Result<()> {
        self.is_ending = true;
        while self.links.iter().any(|link| link.sent > 0) {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        self.poll.poll(&mut self.events, Some(PATIENCE))?;
        if self.events.is_empty() {
            return Err(format!("{}: no answer", self.case).into());
        }
        for event in &self.events {
            let link = &mut self.links[event.token().0];
            if link.pump(&self.frames, self.echoes, &mut self.buf, self.is_ending)? {
                self.messages += self.case.depth as u64;
            }
        }
        Ok(())
    }
}

impl Link {
    /// Takes the echoes that are there, and sends what may be sent. Returns whether all echoes of a turn are there.
    fn pump(&mut self, frames: &[u8], echoes: usize, buf: &mut [u8], is_ending: bool) -> Result<bool> {
        let mut is_complete = false;
        if self.sent > 0 {
            match recv(&self.client.socket, &mut *buf, RecvFlags::TRUNC) {
                Ok((_, 0)) => return Err("the server has closed the connection".into()),
                Ok((_, n)) => self.came += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            if self.came > echoes {
                return Err(format!("{} bytes instead of {echoes}", self.came).into());
            }
            if self.came == echoes {
                (self.sent, self.came) = (0, 0);
                is_complete = true;
            }
        }
        // A part of the frames may have been sent before.
        while self.sent < frames.len() && !(is_ending && self.sent == 0) {
            match self.client.socket.write(&frames[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(is_complete)
    }
}
