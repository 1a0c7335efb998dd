//! A server as a process of its own, and what it uses.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitCode, Stdio},
    str::FromStr,
    sync::mpsc,
    thread,
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch};

use crate::Fault;

/// Whose example serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Hyper,
    H2,
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Hyper, Self::H2].into_iter().find(|kind| kind.name() == text).ok_or(())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Hyper => "hyper",
            Self::H2 => "h2",
        }
    }

    /// Serves in this process. Prints the address, and how each WebSocket has ended.
    pub(crate) async fn serve(self) -> ExitCode {
        let Ok(listener) = TcpListener::bind("127.0.0.1:0").await else { return ExitCode::FAILURE };
        let Ok(address) = listener.local_addr() else { return ExitCode::FAILURE };
        println!("{address}");
        match self {
            Self::Hyper => {
                let (_stop, stopping) = watch::channel(());
                while let Ok((socket, client)) = listener.accept().await {
                    let _ = socket.set_nodelay(true);
                    tokio::spawn(hyper_server::serve(socket, client.to_string(), stopping.clone()));
                }
            }
            Self::H2 => h2_server::serve(listener, |outcome| eprintln!("{outcome}")).await,
        }
        ExitCode::FAILURE
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    log: mpsc::Receiver<String>,
}

/// What the process has used so far.
#[derive(Debug)]
pub(crate) struct Usage {
    pub(crate) resident_kib: u64,
    pub(crate) cpu: Duration,
}

impl Server {
    pub(crate) fn start(kind: Kind) -> Result<Self, Fault> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--serve", kind.name()]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) else {
            return Err("no pipes".into());
        };
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).count()
        });
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(Self { process, address: line.trim().parse()?, log })
    }

    pub(crate) fn usage(&self) -> Result<Usage, Fault> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.process.id()));
        let status = read("status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|rest| rest.split_whitespace().next()).ok_or("no VmRSS")?;
        // Its only thread is the first one. The first number is the time on a processor.
        let schedule = read("schedstat")?;
        let nanos = schedule.split_whitespace().next().ok_or("no time")?;
        Ok(Usage { resident_kib: resident.parse()?, cpu: Duration::from_nanos(nanos.parse()?) })
    }

    /// The server's log must have a clean end for this many WebSockets, and nothing else.
    pub(crate) fn expect_clean(&self, count: usize) -> Result<(), Fault> {
        for clean in 0..count {
            let line = self.log.recv_timeout(Duration::from_secs(10));
            let line = line.map_err(|_| format!("only {clean} of {count} have ended at the server"))?;
            if !line.ends_with("closed by the peer: 1000 (normal closure)") {
                return Err(format!("the server says: {line}").into());
            }
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
