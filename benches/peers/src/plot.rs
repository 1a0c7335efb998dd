//! Draws cost against size, as SVG: the time for each byte over the size of a message. Both axes are logarithmic.

use std::{fmt::Write, fs, io};

use crate::{
    cases::{Case, size_name},
    options::Options,
    table::{self, Outcome, median},
};

/// The size of the picture, and the margins around the plot.
const WIDTH: f64 = 1020.0;
const HEIGHT: f64 = 600.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// Colours that colour-blind readers can tell apart too. Lines that share a colour have different dashes.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#7a3db8", "#555555"];
const DASHES: [&str; 3] = ["none", "7 4", "2 3"];

struct Line {
    name: &'static str,
    /// The length of a message, and the nanoseconds for each of its bytes.
    points: Vec<(f64, f64)>,
}

pub fn draw(options: &Options, file: &str) -> io::Result<()> {
    let mut lines: Vec<_> =
        options.contenders.iter().map(|contender| Line { name: contender.name(), points: Vec::new() }).collect();
    for case in &options.cases {
        for (line, outcome) in lines.iter_mut().zip(table::measure(options, case)) {
            if let Outcome::Cost { costs, .. } = outcome {
                let len = case.len as f64;
                line.points.push((len, median(costs.into_iter()) / len));
            }
        }
    }
    lines.retain(|line| !line.points.is_empty());
    fs::write(file, svg(&lines, &options.cases))
}

fn svg(lines: &[Line], cases: &[Case]) -> String {
    let scale = Scale::over(lines);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let (middle, bottom) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - BOTTOM);
    text(&mut svg, middle, 28.0, "middle", "A server receives masked binary messages: ns for each byte");
    text(&mut svg, middle, HEIGHT - 16.0, "middle", "size of a message");

    for case in cases {
        let x = scale.x(case.len as f64);
        rule(&mut svg, (x, TOP), (x, bottom));
        text(&mut svg, x, bottom + 20.0, "middle", &size_name(case.len));
    }
    for exponent in scale.low..=scale.high {
        let value = 10_f64.powi(exponent);
        let y = scale.y(value);
        rule(&mut svg, (LEFT, y), (WIDTH - RIGHT, y));
        text(&mut svg, LEFT - 8.0, y + 4.0, "end", &value.to_string());
    }

    for (index, line) in lines.iter().enumerate() {
        let style = format!(
            "stroke=\"{}\" stroke-dasharray=\"{}\" stroke-width=\"{}\"",
            COLOURS[index % COLOURS.len()],
            DASHES[index / COLOURS.len() % DASHES.len()],
            if index == 0 { 3 } else { 1 },
        );
        let points = line.points.iter().map(|(len, cost)| format!("{:.1},{:.1}", scale.x(*len), scale.y(*cost)));
        let points: Vec<_> = points.collect();
        let _ = writeln!(svg, "<polyline fill=\"none\" {style} points=\"{}\"/>", points.join(" "));

        let y = TOP + 10.0 + 22.0 * index as f64;
        let (from, to) = (WIDTH - RIGHT + 16.0, WIDTH - RIGHT + 46.0);
        let _ = writeln!(svg, "<line {style} x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\"/>");
        text(&mut svg, to + 8.0, y + 4.0, "start", line.name);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Turns figures into coordinates.
struct Scale {
    /// The smallest and the largest size.
    sizes: (f64, f64),
    /// All costs are between these two powers of ten.
    low: i32,
    high: i32,
}

impl Scale {
    fn over(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let smallest = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
        let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
        let sizes = (smallest(&mut points().map(|point| point.0)), largest(&mut points().map(|point| point.0)));
        let costs = (smallest(&mut points().map(|point| point.1)), largest(&mut points().map(|point| point.1)));
        Self { sizes, low: costs.0.log10().floor() as i32, high: costs.1.log10().ceil() as i32 }
    }

    fn x(&self, size: f64) -> f64 {
        let (smallest, largest) = self.sizes;
        LEFT + (size / smallest).ln() / (largest / smallest).ln().max(f64::MIN_POSITIVE) * (WIDTH - RIGHT - LEFT)
    }

    fn y(&self, cost: f64) -> f64 {
        let share = (cost.log10() - f64::from(self.low)) / f64::from(self.high - self.low).max(1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222\">{text}</text>");
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>");
}
