//! The command line of the examples: `--help` goes to stdout, wrong usage to stderr with exit code 2.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process,
    str::FromStr,
    time::Duration,
};

/// The arguments of this process, one after the other. `--help` ends it.
#[derive(Debug)]
pub struct Arguments {
    program: PathBuf,
    rest: env::ArgsOs,
    help: &'static str,
    /// The argument that `next` returned last.
    current: String,
}

impl Arguments {
    /// `help` is the text that `--help` prints.
    pub fn new(help: &'static str) -> Self {
        let mut rest = env::args_os();
        let program = rest.next().unwrap_or_default().into();
        Self { program, rest, help, current: String::new() }
    }

    /// The value of the current option. `what` names it: "a port".
    pub fn value<T: FromStr>(&mut self, what: &str) -> T {
        let Some(value) = self.text() else { self.wrong(&format!("{} needs {what}", self.current)) };
        value.parse().unwrap_or_else(|_| self.wrong(&format!("{} needs {what}, not {value:?}", self.current)))
    }

    /// The value of the current option: a number of seconds, such as 0.5. `None` if it is 0, which stands for no limit.
    pub fn seconds(&mut self) -> Option<Duration> {
        let Seconds(time) = self.value("a number of seconds");
        (!time.is_zero()).then_some(time)
    }

    /// The program does not know the current argument: ends the process.
    pub fn unknown(&self) -> ! {
        self.wrong(&format!("no such option: {}", self.current))
    }

    /// The usage is wrong: ends the process.
    pub fn wrong(&self, problem: &str) -> ! {
        let name = self.program.file_stem().unwrap_or_default().to_string_lossy();
        eprintln!("{name}: {problem} (see {name} --help)");
        process::exit(2)
    }

    fn text(&mut self) -> Option<String> {
        let argument = self.rest.next()?;
        Some(argument.into_string().unwrap_or_else(|argument| self.wrong(&format!("not Unicode: {argument:?}"))))
    }
}

struct Seconds(Duration);

impl FromStr for Seconds {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let seconds = text.parse().map_err(drop)?;
        Duration::try_from_secs_f64(seconds).map(Self).map_err(drop)
    }
}

impl Iterator for Arguments {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.current = self.text()?;
        if matches!(self.current.as_str(), "--help" | "-h") {
            // Unlike `print!`, this does not panic in `… --help | head -1`.
            let _ = io::stdout().write_all(self.help.as_bytes());
            process::exit(0);
        }
        Some(self.current.clone())
    }
}
