//! Measures all contenders in each case, and prints the tables as Markdown.

use crate::{
    cases::{Case, Group, Prepared, Work, size_name},
    check,
    contender::{Contender, Turn},
    contenders::DOCUMENTED,
    count,
    options::Options,
    run,
    summary::{self, Row},
};

/// Prints a table for each group, and the summary.
pub fn print(options: &Options) {
    let what = if options.counts { "instructions" } else { "ns" };
    let mut summary = Vec::new();
    for group in Group::ALL {
        let cases: Vec<_> = options.cases.iter().filter(|case| case.group == group).collect();
        if !cases.is_empty() {
            summary.extend(print_group(options, group, &cases, what));
        }
    }
    summary::print(&summary, what);
}

/// The cost of a contender's messages, with a figure for each round, or the reason why there is none.
pub enum Outcome {
    /// The nanoseconds or instructions for each message, and the part of the work that the contender leaves out.
    Cost {
        costs: Vec<f64>,
        flaw: Option<&'static str>,
    },
    Nothing,
    Failed(String),
}

/// Returns the rows of the summary.
fn print_group(options: &Options, group: Group, cases: &[&Case], what: &str) -> Vec<Row> {
    let names: Vec<_> = options.contenders.iter().map(|contender| contender.name()).collect();
    let reference = group.reference().and_then(|name| names.iter().position(|known| *known == name));
    let rows: Vec<_> = cases.iter().map(|case| (*case, measure(options, case))).collect();
    let takes_part = |index: usize| rows.iter().any(|(_, outcomes)| !matches!(outcomes[index], Outcome::Nothing));
    let columns: Vec<_> = (0..names.len()).filter(|index| takes_part(*index)).collect();

    let how = match (group, reference) {
        (Group::Sizes, _) => format!("{what} for each KiB"),
        (_, None) => format!("{what} for each message"),
        (_, Some(index)) => format!("{what} for each message, then each one's as a multiple of {}'s", names[index]),
    };
    println!("\n## {}\n\n{how}\n", group.title());

    // Before the multiples: our cost, and the reference's.
    let ours = columns.iter().copied().find(|index| names[*index] == DOCUMENTED);
    let absolutes: Vec<_> = reference.iter().flat_map(|reference| ours.into_iter().chain([*reference])).collect();
    let mut titles = vec!["case".to_owned()];
    let is_receive = group == Group::Receive;
    titles.extend(is_receive.then(|| ["reads", "loop"].map(str::to_owned)).into_iter().flatten());
    let texts = titles.len();
    titles.extend(absolutes.iter().map(|index| format!("{} {what}", names[*index])));
    titles.extend(columns.iter().map(|index| names[*index].to_owned()));
    println!("| {} |", titles.join(" | "));
    println!("|{}{}", "-|".repeat(texts), "-:|".repeat(titles.len() - texts));

    let mut notes = Vec::new();
    for (case, outcomes) in &rows {
        let mut cells = vec![case.name.clone()];
        if is_receive {
            cells.extend([size_name(case.reads), case.source.name().to_owned()]);
        }
        let costs = |index: usize| match &outcomes[index] {
            Outcome::Cost { costs, .. } => Some(&costs[..]),
            _ => None,
        };
        let absolute = |index: &usize| costs(*index).map_or("–".to_owned(), |costs| figure(typical(costs)));
        cells.extend(absolutes.iter().map(absolute));
        for index in &columns {
            let mut note = |why: &str| {
                let note = format!("{}: {why}", names[*index]);
                let known = notes.iter().position(|known| *known == note);
                let number = known.unwrap_or_else(|| {
                    notes.push(note);
                    notes.len() - 1
                });
                format!(" ({})", number + 1)
            };
            cells.push(match &outcomes[*index] {
                Outcome::Nothing => "–".to_owned(),
                Outcome::Failed(why) => "✗".to_owned() + &note(why),
                Outcome::Cost { costs: own, flaw } => {
                    let cost = match reference.and_then(costs) {
                        Some(of) => format!("{:.2}", median(own.iter().zip(of).map(|(own, of)| own / of))),
                        None if group == Group::Sizes => figure(typical(own) * 1024.0 / case.len as f64),
                        None => figure(typical(own)),
                    };
                    cost + &flaw.map_or(String::new(), note)
                }
            });
        }
        println!("| {} |", cells.join(" | "));
    }
    if !notes.is_empty() {
        println!();
    }
    for (index, note) in notes.iter().enumerate() {
        println!("({}) {note}  ", index + 1);
    }
    rows.iter().filter_map(|(case, outcomes)| Row::new(options, case, outcomes)).collect()
}

/// Measures all contenders in turns. Each round begins with another one.
pub fn measure(options: &Options, case: &Case) -> Vec<Outcome> {
    eprintln!("{}", case.full_name());
    let prepared = case.prepare();
    let mut opened: Vec<_> =
        options.contenders.iter().map(|contender| check::open_checked(&**contender, case, &prepared)).collect();
    let mut costs = vec![Vec::new(); opened.len()];
    if options.counts {
        for ((contender, opened), costs) in options.contenders.iter().zip(&mut opened).zip(&mut costs) {
            if let Ok(Some(_)) = opened {
                match count::count(contender.name(), case, &prepared) {
                    Ok(count) => costs.push(count),
                    Err(why) => *opened = Err(why),
                }
            }
        }
    } else {
        for round in 0..=options.rounds {
            prepared.feed.move_on();
            for turn in 0..opened.len() {
                let index = (round + turn) % opened.len();
                if let Ok(Some(turns)) = &mut opened[index] {
                    let cost = time(&*options.contenders[index], case, &prepared, turns);
                    // The first round only warms up.
                    if round > 0 {
                        costs[index].push(cost);
                    }
                }
            }
        }
    }
    let flaw = |contender: &dyn Contender| check::delivers_bad_text(contender, case).then_some(check::BAD_TEXT);
    let flaws = options.contenders.iter().map(|contender| flaw(&**contender));
    let outcome = |((opened, costs), flaw)| match opened {
        Ok(Some(_)) => Outcome::Cost { costs, flaw },
        Ok(None) => Outcome::Nothing,
        Err(why) => Outcome::Failed(why),
    };
    opened.into_iter().zip(costs).zip(flaws).map(outcome).collect()
}

/// The nanoseconds for each message. It asserts that the messages were delivered or written.
fn time(contender: &dyn Contender, case: &Case, prepared: &Prepared, turns: &mut [Turn]) -> f64 {
    let (time, seen) = run::time(turns, prepared);
    let written = prepared.feed.take_written();
    if contender.knows_messages() {
        match case.work {
            Work::Receive(_) | Work::Inflate(_) | Work::Connections(_) => assert_eq!(seen.messages, prepared.measured),
            Work::Send(..) | Work::Echo(_) => assert!(written > prepared.measured * case.len),
            Work::Deflate(_) | Work::Handshake => assert!(written > 0),
        }
    }
    time.as_nanos() as f64 / prepared.measured as f64
}

/// The median of all rounds.
pub fn typical(costs: &[f64]) -> f64 {
    median(costs.iter().copied())
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Prints three significant digits, or all digits before the point.
pub fn figure(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
