//! A row for each case: the documented loop compared with the best complete library in Rust.

use crate::{
    cases::{Case, KIB},
    contenders::DOCUMENTED,
    options::Options,
    table::{Outcome, figure, median, typical},
};

/// A short message may cost at most as much as in the best library, a longer one a tenth more.
const SHORT: usize = KIB;
const SHORT_ALLOWED: f64 = 1.0;
const LONG_ALLOWED: f64 = 1.1;

pub struct Row {
    case: String,
    cost: f64,
    best: &'static str,
    best_cost: f64,
    /// The median over the rounds, to the hundredth that is printed.
    multiple: f64,
    allowed: f64,
}

impl Row {
    /// `None` if either of the two did not take part.
    pub fn new(options: &Options, case: &Case, outcomes: &[Outcome]) -> Option<Self> {
        let contenders = || options.contenders.iter().zip(outcomes);
        let (_, Outcome::Cost { costs, .. }) = contenders().find(|(contender, _)| contender.name() == DOCUMENTED)?
        else {
            return None;
        };
        let complete = contenders().filter_map(|(contender, outcome)| match outcome {
            Outcome::Cost { costs: theirs, flaw: None } if contender.is_complete() => {
                let multiple = median(costs.iter().zip(theirs).map(|(own, theirs)| own / theirs));
                Some((contender.name(), typical(theirs), (multiple * 100.0).round() / 100.0))
            }
            _ => None,
        });
        let (best, best_cost, multiple) = complete.max_by(|a, b| a.2.total_cmp(&b.2))?;
        let allowed = if case.len <= SHORT { SHORT_ALLOWED } else { LONG_ALLOWED };
        Some(Self { case: case.full_name(), cost: typical(costs), best, best_cost, multiple, allowed })
    }

    fn is_behind(&self) -> bool {
        self.multiple > self.allowed
    }
}

pub fn print(rows: &[Row], what: &str) {
    if rows.is_empty() {
        return;
    }
    let behind = rows.iter().filter(|row| row.is_behind()).count();
    println!("\n## `{DOCUMENTED}` and the best complete library in Rust\n");
    println!(
        "{what} for each message, then ours as a multiple of theirs. {behind} of {} rows are marked ✗:",
        rows.len()
    );
    println!("messages of up to 1 KiB that cost more, longer ones that cost more than {LONG_ALLOWED} times as much.\n");
    println!("| case | ours | theirs | multiple | | best complete library |\n|-|-:|-:|-:|-|-|");
    for row in rows {
        let (cost, best_cost) = (figure(row.cost), figure(row.best_cost));
        let mark = if row.is_behind() { "✗" } else { "" };
        println!("| {} | {cost} | {best_cost} | {:.2} | {mark} | {} |", row.case, row.multiple, row.best);
    }
}
