//! The command line.

use crate::{
    cases::{self, Case, KIB, Source, Work},
    contender::Contender,
    contenders,
};

pub const USAGE: &str = "\
usage: peers-bench [OPTIONS]

  --quick              fewer rounds, reads of 64 KiB, the hot loop
  --case SUBSTRING     only cases with this in their names, and others that are named (see --list); no table of memory
  --contender NAME     only this one, and others that are named
  --rounds N           how often each has its turn (default: 21)
  --reads N,N          the most bytes that a read brings (default: 65536,4096)
  --loop WHICH         hot, large or both (default): where the bytes come from
  --count              instructions, counted by valgrind, instead of time
  --plot FILE          draws cost against size, as SVG, and does nothing else
  --memory             allocations and what idle connections hold, and does nothing else
  --check              sees whether everyone delivers the right messages, and does nothing else
  --list               names all cases and does nothing else";

pub struct Options {
    pub mode: Mode,
    pub cases: Vec<Case>,
    pub contenders: Vec<Box<dyn Contender>>,
    pub rounds: usize,
    /// Instructions are counted.
    pub counts: bool,
    /// The tables of memory are printed too.
    pub memory: bool,
}

pub enum Mode {
    Tables,
    Memory,
    Plot(String),
    List,
    Check,
    /// For [`count`](crate::count): the only contender in the only case, so many messages.
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
            let bad = || format!("{flag} can't be that");
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
                // How it calls itself.
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
                // A crowd takes no other instructions, but hours.
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
