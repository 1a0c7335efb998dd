//! Counts the allocations for each message, and the memory of an idle connection.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use crate::{
    cases::{self, Case, Content, Group, KIB, Source, Work},
    check,
    contender::{Contender, Role, Seen},
    options::Options,
    run,
    socket::Socket,
};

/// The system's allocator. It counts while `COUNTS` is set.
pub struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTS.load(Relaxed) {
            FREED.fetch_add(layout.size(), Relaxed);
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size, layout.size());
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[inline]
fn count(allocated: usize, freed: usize) {
    if COUNTS.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATED.fetch_add(allocated, Relaxed);
        FREED.fetch_add(freed, Relaxed);
    }
}

/// What was allocated during a piece of work: how often, how many bytes, and how many of these were not freed.
struct Allocated {
    count: usize,
    bytes: usize,
    held: isize,
}

fn counted(work: impl FnOnce()) -> Allocated {
    for counter in [&ALLOCATIONS, &ALLOCATED, &FREED] {
        counter.store(0, Relaxed);
    }
    COUNTS.store(true, Relaxed);
    work();
    COUNTS.store(false, Relaxed);
    let bytes = ALLOCATED.load(Relaxed);
    Allocated { count: ALLOCATIONS.load(Relaxed), bytes, held: bytes as isize - FREED.load(Relaxed) as isize }
}

/// The number of idle connections that are measured.
const IDLE: usize = 64;

/// The length of the message that each has received.
const IDLE_LEN: usize = 512;

/// Prints the table: a row is one configuration.
pub fn print(options: &Options) {
    let cases = cases();
    println!("\n## Memory\n");
    println!(
        "Allocations for each message, and their bytes, once a loop is warm. Then the bytes that an idle connection\n\
         of a server holds after one message of {IDLE_LEN} B: on the heap, and the size of its value.\n"
    );
    let titles: Vec<_> = cases.iter().map(|(title, _)| *title).collect();
    println!("| contender | {} | idle: heap | value | together |", titles.join(" | "));
    println!("|-|{}", "-:|".repeat(titles.len() + 3));
    for contender in options.contenders.iter().filter(|contender| contender.knows_messages()) {
        let mut cells: Vec<_> = cases.iter().map(|(_, case)| allocations(&**contender, case)).collect();
        let (heap, size) = (contender.idle_bytes().or_else(|| idle(&**contender)), contender.size());
        let together = heap.map(|heap| heap + size.unwrap_or(0));
        let bytes = |bytes: Option<usize>| bytes.map_or("–".to_owned(), |bytes| bytes.to_string());
        cells.extend([heap, size, together].map(bytes));
        println!("| {} | {} |", contender.name(), cells.join(" | "));
    }
}

fn cases() -> [(&'static str, Case); 14] {
    let server = Work::Receive(Role::Server);
    let binary = |work, len| case(work, Content::Binary, len, 64 * KIB);
    [
        ("receive 125 B", binary(server, 125)),
        ("receive 125 B in reads of 1 KiB", case(server, Content::Binary, 125, KIB)),
        ("receive 1 KiB text", case(server, Content::Mixed, KIB, 64 * KIB)),
        ("receive 1 KiB in 4 fragments", Case { fragment: Some(256), ..binary(server, KIB) }),
        ("receive 64 KiB", binary(server, 64 * KIB)),
        ("receive 64 KiB in reads of 4 KiB", case(server, Content::Binary, 64 * KIB, 4 * KIB)),
        ("receive 64 KiB in 64 fragments", Case { fragment: Some(KIB), pings: true, ..binary(server, 64 * KIB) }),
        ("server sends 125 B", binary(Work::Send(Role::Server, 1), 125)),
        ("server sends 16 KiB", binary(Work::Send(Role::Server, 1), 16 * KIB)),
        ("client sends 125 B", binary(Work::Send(Role::Client, 1), 125)),
        ("echo 125 B", binary(Work::Echo(1), 125)),
        ("echo 1 KiB", binary(Work::Echo(1), KIB)),
        ("echo 16 KiB", binary(Work::Echo(1), 16 * KIB)),
        ("handshake", binary(Work::Handshake, cases::REQUEST.len())),
    ]
}

fn case(work: Work, content: Content, len: usize, reads: usize) -> Case {
    let (group, name, source) = (Group::Receive, String::new(), Source::Hot);
    Case { group, name, work, content, len, fragment: None, pings: false, reads, source }
}

fn allocations(contender: &dyn Contender, case: &Case) -> String {
    let prepared = case.prepare();
    match check::open_checked(contender, case, &prepared) {
        Ok(Some(mut turns)) => {
            let count = prepared.checked;
            run::run(&mut turns, &prepared, count, Seen::default());
            let allocated = counted(|| {
                run::run(&mut turns, &prepared, count, Seen::default());
            });
            let each = |total: usize| total as f64 / count as f64;
            match (allocated.count, each(allocated.bytes)) {
                _ if contender.idle_bytes().is_some() => "?".to_owned(),
                (0, _) => "0".to_owned(),
                (allocations, ..10_000.0) => format!("{:.2}, {:.0} B", each(allocations), each(allocated.bytes)),
                (allocations, bytes) => format!("{:.2}, {:.0} KiB", each(allocations), bytes / 1024.0),
            }
        }
        Ok(None) => "–".to_owned(),
        Err(_) => "✗".to_owned(),
    }
}

/// The bytes that each connection has on the heap, without those of the harness.
fn idle(contender: &dyn Contender) -> Option<usize> {
    let case = Case { group: Group::Connections, ..case(Work::Connections(IDLE), Content::Binary, IDLE_LEN, 64 * KIB) };
    let prepared = case.prepare();
    let socket = Socket(prepared.feed.clone());
    let mut turns = Vec::with_capacity(IDLE);
    let allocated = counted(|| {
        turns.extend((0..IDLE).map_while(|_| contender.receive(case.receive(Role::Server), socket.clone())));
        if turns.len() == IDLE {
            run::run(&mut turns, &prepared, IDLE, Seen::default());
        }
    });
    let harness = turns.iter().map(|turn| size_of_val(&**turn)).sum::<usize>();
    (turns.len() == IDLE).then(|| (allocated.held - harness as isize).max(0) as usize / IDLE)
}
