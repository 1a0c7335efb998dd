//! The page's rules for coming back, which are in its script, agree with those of the library.

use std::time::Duration;

use websocket_proto::time::{Backoff, Retry};

const PAGE: &str = include_str!("../src/index.html");

/// What follows `const NAME = ` in the script, up to the end of the statement.
fn constant(name: &str) -> &'static str {
    let start = format!("\nconst {name} = ");
    let (_, value) = PAGE.split_once(&start).unwrap_or_else(|| panic!("the page has no {name}"));
    value.split_once(';').unwrap().0
}

/// The items of an array, or the only value.
fn list(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn millis(name: &str) -> Vec<Duration> {
    list(constant(name)).map(|number| Duration::from_millis(number.parse().unwrap())).collect()
}

#[test]
fn the_page_comes_back_after_the_same_close_codes() {
    // One row in a line, and perhaps a comment behind it.
    let rows: Vec<(u16, u16, Retry)> = constant("COMING_BACK")
        .lines()
        .filter_map(|line| Some(line.trim().strip_prefix('[')?.split_once(']')?.0))
        .map(|row| match list(row).collect::<Vec<_>>()[..] {
            [first, last, when] => {
                let when = match when {
                    "'soon'" => Retry::Soon,
                    "'later'" => Retry::Later,
                    "'application'" => Retry::Application,
                    _ => panic!("{when} is no advice"),
                };
                (first.parse().unwrap(), last.parse().unwrap(), when)
            }
            _ => panic!("no row: {row}"),
        })
        .collect();
    let mut advice = Vec::new();
    for code in 1000..=4999 {
        let row = rows.iter().find(|(first, last, _)| (*first..=*last).contains(&code));
        let when = row.map_or(Retry::Never, |row| row.2);
        assert_eq!(when, Retry::after_code(code), "code {code}");
        if !advice.contains(&when) {
            advice.push(when);
        }
    }
    assert_eq!(advice, [Retry::Never, Retry::Soon, Retry::Later, Retry::Application]);
}

#[test]
fn the_page_waits_as_long() {
    let [first, longest, stable] =
        ["FIRST_DELAY", "LONGEST_DELAY", "STABLE"].map(|name| <[_; 1]>::try_from(millis(name)).unwrap()[0]);
    let later = <[_; 2]>::try_from(millis("LATER_DELAY")).unwrap();
    // The first delay may be shorter: somebody looks at the page.
    assert!(first <= range(Backoff::new(), Retry::Soon)[1]);
    assert_eq!(range(Backoff::new(), Retry::Later), later);

    let mut backoff = Backoff::new();
    let shortest_and_longest = loop {
        let before = backoff;
        backoff.delay(Retry::Soon, Duration::ZERO, &mut || [0; 4]);
        let now = range(before, Retry::Soon);
        if now == range(backoff, Retry::Soon) {
            break now;
        }
    };
    assert_eq!(shortest_and_longest, [longest / 2, longest]);

    // After `stable`, and not before, the delays begin anew.
    for (time, attempts) in [(stable - Duration::from_millis(1), backoff.attempts() + 1), (stable, 1)] {
        let mut backoff = backoff;
        backoff.up(Duration::ZERO);
        backoff.delay(Retry::Soon, time, &mut || [0; 4]);
        assert_eq!(backoff.attempts(), attempts, "{time:?}");
    }
}

/// The least and the longest next delay, rounded: the longest is not quite reached.
fn range(backoff: Backoff, retry: Retry) -> [Duration; 2] {
    [0, 0xFF].map(|byte| {
        let delay = { backoff }.delay(retry, Duration::ZERO, &mut || [byte; 4]).unwrap();
        Duration::from_secs(delay.as_secs_f64().round() as u64)
    })
}
