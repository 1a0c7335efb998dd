//! Opens a contender's connections for a case, and runs them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cases::{Case, Prepared, Work},
    contender::{Contender, Role, Seen, Turn},
    socket::{Feed, Socket},
};

/// `None`: the contender cannot do this work.
pub fn open(contender: &dyn Contender, case: &Case, feed: &Arc<Feed>) -> Option<Vec<Turn>> {
    let socket = Socket(feed.clone());
    let turn = match case.work {
        Work::Receive(role) => contender.receive(case.receive(role), socket),
        Work::Inflate(_) => contender.receive(case.receive(Role::Server), socket),
        Work::Send(role, flush) => contender.send(case.send(role, flush), socket),
        Work::Deflate(_) => contender.send(case.send(Role::Server, 1), socket),
        Work::Echo(_) => contender.echo(socket),
        Work::Handshake => contender.handshake(socket),
        Work::Connections(count) => {
            if count > contender.most_connections() {
                return None;
            }
            return (0..count).map(|_| contender.receive(case.receive(Role::Server), socket.clone())).collect();
        }
    };
    turn.map(|turn| vec![turn])
}

/// Runs turns until this many messages are done.
pub fn run(turns: &mut [Turn], prepared: &Prepared, messages: usize, mut seen: Seen) -> Seen {
    let Prepared { feed, grant, turn, .. } = prepared;
    match turn {
        None => {
            feed.grant(grant * messages);
            turns[0](&mut seen);
        }
        Some(count) => {
            let mut next = 0;
            for _ in 0..messages / count {
                feed.grant(*grant);
                turns[next](&mut seen);
                next = if next + 1 == turns.len() { 0 } else { next + 1 };
            }
        }
    }
    seen
}

/// Runs one measurement, and takes its time.
pub fn time(turns: &mut [Turn], prepared: &Prepared) -> (Duration, Seen) {
    let start = Instant::now();
    let seen = run(turns, prepared, prepared.measured, Seen::default());
    (start.elapsed(), seen)
}
