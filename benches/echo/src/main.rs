//! Compares echo servers end to end: messages per second, the servers' CPU time for each, and the memory of an idle
//! connection.
//!
//! ```text
//! cargo run --release --manifest-path benches/echo/Cargo.toml [-- OPTIONS]
//! ```
//!
//! | file | what it is |
//! |-|-|
//! | `main.rs` | options, rounds, tables |
//! | [`contender.rs`](contender) | builds and starts the servers, and asks the kernel for their costs |
//! | [`load.rs`](load) | one thread that keeps a hundred connections busy |
//! | [`client.rs`](client) | a blocking connection, which checks a server's echoes, or is idle |
//! | `bin/`, `../cpp/` | the peers' servers; ours is the example `echo_mio` |

mod client;
mod contender;
mod load;

use std::{env, error::Error, process::ExitCode, thread, time::Duration};

use client::Client;
use contender::{CONTENDERS, Contender, Running};
use load::{Case, Sample};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage: echo-bench [--quick] [--server NAME]... [--size BYTES]... [--depth N] [--connections N] [--idle N] [--rounds N]

  --quick          three short rounds, and 2 000 idle connections
  --server NAME    only this one, and others that are named
  --size BYTES     messages of this size, instead of the usual cases
  --depth N        with --size: so many messages at a time on each connection (default: 1)
  --connections N  busy connections (default: 100)
  --idle N         idle connections (default: 20 000, or as many as there may be files); 0: none
  --rounds N       how often each has its turn (default: 15)";

/// The server that the others are compared with.
const REFERENCE: &str = "tungstenite";

/// The most files that a process has open besides its connections.
const OTHER_FILES: usize = 64;

/// Each idle connection has had one message of this size echoed.
const IDLE_SIZE: usize = 512;

struct Options {
    servers: Vec<String>,
    cases: Vec<Case>,
    connections: usize,
    idle: usize,
    rounds: usize,
    warm_up: Duration,
    time: Duration,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> std::result::Result<Self, String> {
        let mut options = Self {
            servers: Vec::new(),
            cases: Vec::new(),
            connections: 100,
            idle: 20_000,
            rounds: 15,
            warm_up: Duration::from_millis(200),
            time: Duration::from_millis(400),
        };
        let mut depth = 1;
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value"));
            let number = |value: String| value.parse().map_err(|_| format!("{flag} needs a number"));
            match flag.as_str() {
                "--quick" => {
                    options.rounds = 3;
                    options.idle = 2_000;
                    options.time = Duration::from_millis(200);
                }
                "--server" => options.servers.push(value()?),
                "--size" => options.cases.push(Case { size: number(value()?)?, depth: 1 }),
                "--depth" => depth = number(value()?)?,
                "--connections" => options.connections = number(value()?)?,
                "--idle" => options.idle = number(value()?)?,
                "--rounds" => options.rounds = number(value()?)?,
                _ => return Err(format!("unknown argument {flag:?}")),
            }
        }
        if depth == 0 || options.connections == 0 || options.rounds == 0 {
            return Err("--depth, --connections and --rounds must be at least 1".into());
        }
        if options.cases.is_empty() {
            options.cases =
                [(20, 1), (512, 1), (16 << 10, 1), (20, 16)].map(|(size, depth)| Case { size, depth }).into();
        } else {
            options.cases.iter_mut().for_each(|case| case.depth = depth);
        }
        if let Some(name) = options.servers.iter().find(|name| CONTENDERS.iter().all(|known| known.name != **name)) {
            let known: Vec<_> = CONTENDERS.iter().map(|known| known.name).collect();
            return Err(format!("no server {name:?}; there are {}", known.join(", ")));
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("echo-bench: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let files = contender::raise_file_limit(options.idle + OTHER_FILES);
    contender::build_ours()?;
    let wanted = |contender: &&Contender| {
        options.servers.is_empty() || options.servers.iter().any(|name| name == contender.name)
    };
    let mut servers = Vec::new();
    for contender in CONTENDERS.iter().filter(wanted) {
        // Without a C++ compiler or Boost the others can still be compared.
        match contender.build().and_then(|()| contender.start()) {
            Ok(server) => servers.push((contender, server)),
            Err(error) => eprintln!("{} is left out: {error}", contender.name),
        }
    }
    for (contender, server) in &servers {
        client::check(server.address).map_err(|error| format!("{}: {error}", contender.name))?;
    }

    // samples[case][server][round]
    let mut samples = vec![vec![Vec::new(); servers.len()]; options.cases.len()];
    for round in 0..options.rounds {
        for (case, samples) in options.cases.iter().zip(&mut samples) {
            for turn in 0..servers.len() {
                // Each round begins with another server, so that none always follows the same one.
                let index = (turn + round) % servers.len();
                let (contender, server) = &servers[index];
                let sample = load::run(server, *case, options.connections, options.warm_up, options.time);
                samples[index].push(sample.map_err(|error| format!("{}: {error}", contender.name))?);
            }
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
    }
    let names: Vec<_> = servers.iter().map(|(contender, _)| contender.name).collect();
    drop(servers);

    let idle = options.idle.min(files.saturating_sub(OTHER_FILES));
    let mut memory = vec![None; names.len()];
    if idle > 0 {
        for (name, memory) in names.iter().zip(&mut memory) {
            if let Some(contender) = CONTENDERS.iter().find(|contender| contender.name == *name) {
                *memory = Some(idle_memory(&contender.start()?, idle)?);
                eprintln!("{name}: idle memory measured");
            }
        }
    }
    println!("{}, {} rounds\n", contender::machine()?, options.rounds);
    print(options, &names, &samples, &memory, idle);
    Ok(())
}

/// The bytes that a connection adds to a server's resident memory.
fn idle_memory(server: &Running, count: usize) -> Result<f64> {
    // The first connections make the server allocate the memory that it needs only once.
    for _ in 0..10 {
        Client::connect(server.address, 0)?.echo(0x2, &[0; IDLE_SIZE])?;
    }
    thread::sleep(Duration::from_millis(200));
    let before = server.resident_bytes()?;
    let mut clients = Vec::with_capacity(count);
    for index in 0..count {
        let mut client = Client::connect(server.address, index)?;
        client.echo(0x2, &[0; IDLE_SIZE])?;
        clients.push(client);
    }
    thread::sleep(Duration::from_millis(500));
    let after = server.resident_bytes()?;
    Ok(after.saturating_sub(before) as f64 / count as f64)
}

fn print(options: &Options, names: &[&str], samples: &[Vec<Vec<Sample>>], memory: &[Option<f64>], idle: usize) {
    let reference = names.iter().position(|name| *name == REFERENCE);
    let titles: Vec<_> = options.cases.iter().map(Case::to_string).collect();
    let table = |title: &str, columns: &[String], cell: &dyn Fn(usize, usize) -> String| {
        println!("{title}\n\n| server | {} |\n|-|{}", columns.join(" | "), "-:|".repeat(columns.len()));
        for (server, name) in names.iter().enumerate() {
            let cells: Vec<_> = (0..columns.len()).map(|column| cell(server, column)).collect();
            println!("| {name} | {} |", cells.join(" | "));
        }
        println!();
    };
    let ratio = |own: &[Sample], of: &[Vec<Sample>], figure: fn(&Sample) -> f64| {
        let rounds = reference.map(|reference| own.iter().zip(&of[reference]));
        let ratio = rounds.map(|rounds| median(rounds.map(|(own, reference)| figure(own) / figure(reference))));
        ratio.map(|ratio| format!(" ({ratio:.2})")).unwrap_or_default()
    };

    let of = reference.map(|_| format!(" (of {REFERENCE})")).unwrap_or_default();

    let mut columns = titles.clone();
    if idle > 0 {
        columns.push(format!("RSS per connection, {idle} idle"));
    }
    let title = format!("Thousands of messages per second over {} connections{of}", options.connections);
    table(&title, &columns, &|server, column| {
        let Some(of) = samples.get(column) else {
            return memory[server].map(|bytes| format!("{bytes:.0} B")).unwrap_or_default();
        };
        let rate = median(of[server].iter().map(|sample| sample.rate));
        format!("{:.1}{}", rate / 1e3, ratio(&of[server], of, |sample| sample.rate))
    });
    let title = format!("Microseconds of the server's CPU time per message{of}");
    table(&title, &titles, &|server, column| {
        let of = &samples[column];
        let cpu = median(of[server].iter().map(|sample| sample.cpu));
        format!("{:.2}{}", cpu * 1e6, ratio(&of[server], of, |sample| sample.cpu))
    });
    table("How busy the server and the load generator were, each in % of a core", &titles, &|server, column| {
        let busy = median(samples[column][server].iter().map(|sample| sample.server_busy));
        let generator = median(samples[column][server].iter().map(|sample| sample.generator_busy));
        format!("{:.0}, {:.0}", busy * 100.0, generator * 100.0)
    });
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
