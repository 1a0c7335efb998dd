//! The cuts of bytes into reads.

/// No cut, a cut behind every byte, and one cut at each place. More than 512 bytes are cut in two only near both ends
/// and at some twenty places between.
pub fn every_cut(len: usize) -> impl Iterator<Item = Vec<usize>> {
    let stride = if len > 512 { len / 20 } else { 1 };
    let splits = (0..=len).filter(move |at| *at < 25 || len - at < 25 || at % stride == 0);
    [vec![], (1..len).collect()].into_iter().chain(splits.map(|at| vec![at]))
}

/// The pieces between the cuts.
pub fn pieces<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect()
}

/// Pieces of these lengths, repeatedly.
pub fn in_lengths<'s>(mut stream: &'s [u8], lengths: &[usize]) -> Vec<&'s [u8]> {
    let mut pieces = Vec::new();
    for len in lengths.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at(stream.len().min(*len));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// Describes the cuts in a failed assertion.
pub fn how(cuts: &[usize]) -> String {
    match cuts {
        [] => "whole".into(),
        [at] => format!("cut at {at}"),
        _ => format!("in {} pieces", cuts.len() + 1),
    }
}
