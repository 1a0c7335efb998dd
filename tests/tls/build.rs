//! Extracts the loops from the documentation, so that the tests run the printed code and not a copy of it.

use std::{env, fs, path::Path};

/// A name for the tests, the file, and a text that is in no other block of code in that file.
const BLOCKS: [(&str, &str, &str); 9] = [
    ("readme", "README.md", "fn echo<S"),
    ("crate_page", "src/lib.rs", "fn echo<S"),
    ("asking", "src/lib.rs", "fn ask<S"),
    ("asynchronous", "src/lib.rs", "async fn echo<R"),
    ("reading", "src/lib.rs", "fn read<R"),
    ("server", "src/handshake/server/mod.rs", "fn serve<S"),
    ("client", "src/handshake/client/mod.rs", "fn connect<S"),
    ("sender", "src/send/mod.rs", "fn greet("),
    ("watched", "src/time/mod.rs", "async fn echo("),
];

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    for (name, file, marker) in BLOCKS {
        let file = Path::new("../..").join(file);
        println!("cargo::rerun-if-changed={}", file.display());
        let text = fs::read_to_string(&file).unwrap();
        let blocks = blocks(&text, file.extension().is_some_and(|extension| extension == "rs"));
        let mut found = blocks.iter().filter(|block| block.contains(marker));
        let (Some(block), None) = (found.next(), found.next()) else {
            panic!("not one block in {} that says {marker:?}", file.display());
        };
        let code = block.replace("\nfn ", "\npub fn ").replace("\nasync fn ", "\npub async fn ");
        fs::write(Path::new(&out).join(name).with_extension("rs"), code).unwrap();
    }
}

/// The blocks of code in a text or in doc comments. Of the hidden lines, only imports and parts of functions are kept.
fn blocks(text: &str, in_comments: bool) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = None;
    for line in text.lines() {
        let mut line = line;
        if in_comments {
            let comment = line.trim_start();
            let Some(text) = comment.strip_prefix("//!").or_else(|| comment.strip_prefix("///")) else { continue };
            line = text.strip_prefix(' ').unwrap_or(text);
        }
        match &mut block {
            None if line.starts_with("```") => block = Some(String::new()),
            None => {}
            Some(_) if line.starts_with("```") => blocks.extend(block.take()),
            Some(_) if line.starts_with('#') && !line.starts_with("# use ") => {}
            Some(block) => {
                block.push_str(line.trim_start().strip_prefix("# ").unwrap_or(line));
                block.push('\n');
            }
        }
    }
    blocks
}
