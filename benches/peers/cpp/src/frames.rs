//! Finds the ends of the messages in the input, so that a batch can end there.

/// The ends of messages. They are found once for an input, so that no batch pays for it.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    of: Option<(usize, usize, u64)>,
    ends: Vec<usize>,
}

impl Ends {
    /// The number of bytes from this offset to the end of the last of this many messages.
    pub(crate) fn distance(&mut self, input: &[u8], offset: usize, messages: usize) -> usize {
        let of = (input.as_ptr().addr(), input.len(), sample(input));
        if self.of != Some(of) {
            self.ends = find(input);
            self.of = Some(of);
        }
        let before = self.ends.partition_point(|end| *end <= offset);
        assert!(offset == 0 || before != 0 && self.ends[before - 1] == offset, "no message ends at {offset}");
        if messages == 0 {
            return 0;
        }
        let last = before + messages - 1;
        let (rounds, index) = (last / self.ends.len(), last % self.ends.len());
        rounds * input.len() + self.ends[index] - offset
    }
}

fn find(input: &[u8]) -> Vec<usize> {
    const SHORT: &str = "the input does not end with a frame";
    let mut ends = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let head = input[at..].first_chunk::<2>().expect(SHORT);
        let extended = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = input
            .get(at + 2..at + 2 + extended)
            .expect(SHORT)
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        let length = if extended == 0 { usize::from(head[1] & 0x7f) } else { length };
        let mask = if head[1] & 0x80 == 0 { 0 } else { 4 };
        at = length.checked_add(at + 2 + extended + mask).filter(|end| *end <= input.len()).expect(SHORT);
        let (is_final, is_control) = (head[0] & 0x80 != 0, head[0] & 8 != 0);
        if is_final && !is_control {
            ends.push(at);
        }
    }
    assert!(!ends.is_empty(), "there is no message in the input");
    ends
}

/// Tells an input from another one at the same address.
fn sample(input: &[u8]) -> u64 {
    let quarter = input.len() / 4;
    let places = [0, quarter, 2 * quarter, 3 * quarter, input.len().saturating_sub(8)];
    let words = places.map(|at| input[at..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word)));
    words.iter().fold(0, |sum: u64, word| (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23))
}
