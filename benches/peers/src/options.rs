//! The command line.

use crate::{
    cases::{self, Case, KIB, Source, Work},
    contender::Contender,
    contenders,
};

pub const USAGE: &str = "\
usage: peers-bench [OPTIONS]

  --quick              fewer rounds, only reads of 64 KiB, only the hot loop
  --case SUBSTRING     only cases with this in their names (see --list), without the table of memory; may be repeated
  --contender NAME     only this contender; may be repeated
  --rounds N           how often each contender has its turn (default: 21)
  --reads N,N          the most bytes that a read brings (default: 65536,4096)
  --loop WHICH         hot, large or both (default): where the bytes come from
  --count              count instructions with valgrind instead of measuring time
  --plot FILE          only draw cost against size, as SVG
  --memory             only print allocations, and the memory of idle connections
  --check              only check whether every contender delivers the right messages
  --list               only print the names of all cases";

pub struct Options {
    pub mode: Mode,
    pub cases: Vec<Case>,
    pub contenders: Vec<Box<dyn Contender>>,
    pub rounds: usize,
    /// Whether instructions are counted.
    pub counts: bool,
    /// Whether the table of memory is printed too.
    pub memory: bool,
}

pub enum Mode {
    Tables,
    Memory,
    Plot(String),
    List,
    Check,
    /// For [`count`](crate::count): the only contender in the only case, with this many messages.
    One {
        messages: usize,
    },
}

impl Options {
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut mode = Mode::Tables;
        let (mut names, mut wanted, mut exact) = (Vec::new(), Vec::new(), None);
        let (mut rounds, mut reads, mut sources, mut counts) = (None, None, None, false);
        let mut quick = false;
        while let Some(flag) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{flag} needs a value"));
            let number = |value: &str| value.parse::<usize>().ok().filter(|number| *number > 0);
            let bad = || format!("{flag} cannot have this value");
            match flag.as_str() {
                "--quick" => quick = true,
                "--case" => wanted.push(value()?),
                "--contender" => names.push(value()?),
                "--rounds" => rounds = Some(number(&value()?).ok_or_else(bad)?),
                "--reads" => reads = Some(value()?.split(',').map(number).collect::<Option<Vec<_>>>().ok_or_else(bad)?),
                "--loop" => {
                    sources = Some(match value()?.as_str() {
                        "hot" => vec![Source::Hot],
                        "large" => vec![Source::Large],
                        "both" => vec![Source::Hot, Source::Large],
                        _ => return Err(bad()),
                    });
                }
                "--count" => counts = true,
                "--plot" => mode = Mode::Plot(value()?),
                "--list" => mode = Mode::List,
                "--check" => mode = Mode::Check,
                "--memory" => mode = Mode::Memory,
                // For the calls that the program makes to itself.
                "--one" => exact = Some(value()?),
                "--messages" => mode = Mode::One { messages: number(&value()?).ok_or_else(bad)? },
                _ => return Err(format!("unknown argument {flag:?}")),
            }
        }

        // Instructions are the same wherever the bytes come from.
        let sources =
            sources.unwrap_or(if quick || counts { vec![Source::Hot] } else { vec![Source::Hot, Source::Large] });
        let reads = reads.unwrap_or(if quick { vec![64 * KIB] } else { vec![64 * KIB, 4 * KIB] });
        let mut cases = match mode {
            Mode::Plot(_) => cases::sizes(),
            _ => cases::all(&reads, &sources),
        };
        cases.retain(|case| {
            let name = case.full_name();
            exact.as_ref().is_none_or(|exact| *exact == name)
                // More connections take the same instructions for each message, but hours under valgrind.
                && !(counts && matches!(case.work, Work::Connections(1000..)))
                && (wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())))
        });
        if cases.is_empty() {
            return Err("there is no such case".into());
        }
        let mut contenders = contenders::all();
        if let Some(name) = names.iter().find(|name| contenders.iter().all(|known| known.name() != **name)) {
            let known: Vec<_> = contenders.iter().map(|known| known.name()).collect();
            return Err(format!("no contender {name:?}; there are {}", known.join(", ")));
        }
        contenders.retain(|known| names.is_empty() || names.iter().any(|name| known.name() == name));
        let rounds = rounds.unwrap_or(if quick { 5 } else { 21 });
        Ok(Self { mode, cases, contenders, rounds, counts, memory: wanted.is_empty() })
    }
}
