//! Each client of the example with each server, and each of them with peers of these tests that are late, gone,
//! strangers, or a little wrong.

mod certificates;
mod ending;
mod ends;
mod late;
mod peer;
mod talk;
mod trusted;
