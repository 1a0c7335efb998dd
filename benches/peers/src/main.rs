//! websocket-proto and its peers side by side, in memory.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml [-- OPTIONS]
//! ```
//!
//! | file | what it is |
//! |-|-|
//! | `main.rs` | runs what the options ask for |
//! | [`cases.rs`](cases) | what is measured |
//! | [`contender.rs`](contender), [`contenders/`](contenders) | the libraries that are measured |
//! | [`walker.rs`](walker), [`floor.rs`](floor), [`bare.rs`](bare) | lower bounds for the cost |
//! | [`socket.rs`](socket) | what the contenders read from and write to |
//! | [`check.rs`](check) | checks that the contenders do all of the work |
//! | [`run.rs`](run), [`count.rs`](count) | measures time, and counts instructions |
//! | [`steady.rs`](steady) | keeps chance out of the figures |
//! | [`memory.rs`](memory) | allocations, and the memory of an idle connection |
//! | [`machine.rs`](machine) | what the figures depend on besides the code |
//! | [`table.rs`](table), [`summary.rs`](summary), [`plot.rs`](plot) | prints tables, and draws the plot |

mod bare;
mod cases;
mod check;
mod contender;
mod contenders;
mod count;
mod floor;
mod machine;
mod memory;
mod options;
mod plot;
mod run;
mod socket;
mod steady;
mod summary;
mod table;
mod walker;

use std::{env, process::ExitCode};

use options::{Mode, Options};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() -> ExitCode {
    steady::prepare();
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("peers-bench: {problem}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    // Nothing runs on it, but some contenders need its clock.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _context = runtime.enter();

    match &options.mode {
        Mode::List => options.cases.iter().for_each(|case| println!("{}", case.full_name())),
        Mode::Check => {
            if !check::all(&options) {
                return ExitCode::FAILURE;
            }
        }
        Mode::One { messages } => count::one(&options, *messages),
        Mode::Plot(file) => {
            if let Err(error) = plot::draw(&options, file) {
                eprintln!("peers-bench: {file}: {error}");
                return ExitCode::FAILURE;
            }
        }
        Mode::Tables => {
            println!("{}", machine::line(&options));
            table::print(&options);
            if options.memory && !options.counts {
                memory::print(&options);
            }
        }
        Mode::Memory => {
            println!("{}", machine::line(&options));
            memory::print(&options);
        }
    }
    ExitCode::SUCCESS
}
