//! Decompression as RFC 1951 puts it, which shares no line and no idea with any zlib: slow, and strict where those are generous.
//! They look back as far as they happen to remember; this one no further than was agreed on, and nothing may be left over.

/// The receiving end of one direction of a connection.
pub struct StrictInflater {
    window: usize,
    /// Everything that has come out.
    out: Vec<u8>,
    /// Where in it the part begins that may still be referred to.
    begin: usize,
    /// The longest distance that was referred to.
    pub furthest: usize,
}

/// Why a message is none.
pub type Wrong = &'static str;

impl StrictInflater {
    pub fn new(window_bits: u8) -> Self {
        Self { window: 1 << window_bits, out: Vec::new(), begin: 0, furthest: 0 }
    }

    /// What comes may refer to nothing before it.
    pub fn forget(&mut self) {
        self.begin = self.out.len();
    }

    /// What a message with this payload says (RFC 7692 §7.2.2): with the removed end added again, it is blocks and nothing else. The
    /// end was that of an empty block (§7.2.1), so it says nothing.
    pub fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Wrong> {
        let start = self.out.len();
        let bytes = [payload, &[0x00, 0x00, 0xFF, 0xFF]].concat();
        let mut bits = Bits { bytes: &bytes, at: 0, payload: 8 * payload.len() };
        while bits.at < 8 * bytes.len() {
            let is_last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => self.stored(&mut bits)?,
                1 => self.compressed(&mut bits, &Codes::fixed()?)?,
                2 => {
                    let codes = Codes::dynamic(&mut bits)?;
                    self.compressed(&mut bits, &codes)?;
                }
                _ => return Err("a reserved block type"),
            }
            if is_last {
                // The end of a stream, and what follows is another.
                bits.align();
                self.forget();
            }
        }
        Ok(self.out[start..].to_vec())
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), Wrong> {
        bits.align();
        let (len, complement) = (bits.take(16)?, bits.take(16)?);
        if len ^ complement != 0xFFFF {
            return Err("a length whose complement differs");
        }
        let start = bits.at / 8;
        self.out.extend_from_slice(bits.bytes.get(start..start + len).ok_or(CUT)?);
        bits.at += 8 * len;
        if len > 0 { bits.says_something() } else { Ok(()) }
    }

    fn compressed(&mut self, bits: &mut Bits<'_>, codes: &Codes) -> Result<(), Wrong> {
        loop {
            match codes.literals.read(bits)? {
                literal @ 0..=255 => {
                    bits.says_something()?;
                    self.out.push(literal as u8);
                }
                256 => return Ok(()),
                symbol => {
                    let len = length(symbol, bits)?;
                    let distance = distance(codes.distances.read(bits)?, bits)?;
                    bits.says_something()?;
                    self.copy(len, distance)?;
                }
            }
        }
    }

    fn copy(&mut self, len: usize, distance: usize) -> Result<(), Wrong> {
        if distance > self.window {
            return Err("a distance beyond the window");
        }
        if distance > self.out.len() - self.begin {
            return Err("a distance beyond the beginning");
        }
        self.furthest = self.furthest.max(distance);
        for _ in 0..len {
            self.out.push(self.out[self.out.len() - distance]);
        }
        Ok(())
    }
}

const CUT: Wrong = "the end is missing";

/// §3.2.5: 257 to 264 mean 3 to 10, each four symbols after them have one more bit, and 285 means 258.
fn length(symbol: usize, bits: &mut Bits<'_>) -> Result<usize, Wrong> {
    match symbol {
        257..=264 => Ok(symbol - 254),
        265..=284 => {
            let extra = (symbol - 261) / 4;
            Ok((((4 + (symbol - 265) % 4) << extra) | bits.take(extra)?) + 3)
        }
        285 => Ok(258),
        _ => Err("a reserved length"),
    }
}

/// §3.2.5: 0 to 3 mean 1 to 4, each two symbols after them have one more bit.
fn distance(symbol: usize, bits: &mut Bits<'_>) -> Result<usize, Wrong> {
    match symbol {
        0..=3 => Ok(symbol + 1),
        4..=29 => {
            let extra = (symbol - 2) / 2;
            Ok((((2 + symbol % 2) << extra) | bits.take(extra)?) + 1)
        }
        _ => Err("a reserved distance"),
    }
}

/// The two alphabets of a block.
struct Codes {
    literals: Code,
    distances: Code,
}

impl Codes {
    /// §3.2.6
    fn fixed() -> Result<Self, Wrong> {
        let lengths = [vec![8; 144], vec![9; 112], vec![7; 24], vec![8; 8]].concat();
        Ok(Self { literals: Code::new(&lengths)?, distances: Code::new(&[5; 32])? })
    }

    /// §3.2.7
    fn dynamic(bits: &mut Bits<'_>) -> Result<Self, Wrong> {
        const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let (literals, distances, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
        if literals > 286 || distances > 30 {
            return Err("more symbols than there are");
        }
        let mut lengths = [0; 19];
        for place in &ORDER[..count] {
            lengths[*place] = bits.take(3)? as u8;
        }
        let code = Code::new(&lengths)?;
        if !code.is_complete {
            return Err("words that mean no length");
        }
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (value, times) = match code.read(bits)? {
                16 => (*lengths.last().ok_or("a length to repeat, and none before")?, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                18 => (0, 11 + bits.take(7)?),
                length => (length as u8, 1),
            };
            lengths.resize(lengths.len() + times, value);
        }
        if lengths.len() > literals + distances || lengths[256] == 0 {
            return Err("more lengths than announced, or none for the end of the block");
        }
        let (literals, distances) = lengths.split_at(literals);
        Ok(Self { literals: Code::new(literals)?, distances: Code::new(distances)? })
    }
}

/// A prefix code, which is known when the lengths of its words are (§3.2.2).
struct Code {
    /// How many words there are of each length.
    counts: [usize; 16],
    /// What they mean, in their order.
    symbols: Vec<usize>,
    is_complete: bool,
}

impl Code {
    fn new(lengths: &[u8]) -> Result<Self, Wrong> {
        let words = |length: usize| (0..lengths.len()).filter(move |symbol| usize::from(lengths[*symbol]) == length);
        let mut counts = [0; 16];
        (1..16).for_each(|length| counts[length] = words(length).count());
        let symbols: Vec<usize> = (1..16).flat_map(words).collect();
        // Of the words of 15 bits, each shorter one takes all that begin with it.
        let taken: usize = (1..16).map(|length| counts[length] << (15 - length)).sum();
        let is_complete = taken == 1 << 15;
        // "If only one distance code is used, it is encoded using one bit, not zero bits [...] One distance code of zero bits means
        // that there are no distance codes used at all" (§3.2.7)
        let is_lone = symbols.is_empty() || (symbols.len() == 1 && counts[1] == 1);
        if !is_complete && !is_lone {
            return Err("more words than bits can tell apart, or fewer");
        }
        Ok(Self { counts, symbols, is_complete })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Wrong> {
        let (mut word, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            word = (word << 1) | bits.take(1)?;
            first <<= 1;
            if word < first + count {
                return Ok(self.symbols[index + word - first]);
            }
            first += count;
            index += count;
        }
        Err("no such word")
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// The place of the next bit.
    at: usize,
    /// The place of the first bit that the receiver has added.
    payload: usize,
}

impl Bits<'_> {
    /// The next bits, the first of them the lowest.
    fn take(&mut self, count: usize) -> Result<usize, Wrong> {
        let mut bits = 0;
        for place in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(CUT)?;
            bits |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(bits)
    }

    /// What ends here is a part of the message.
    fn says_something(&self) -> Result<(), Wrong> {
        if self.at > self.payload { Err("the end says something") } else { Ok(()) }
    }

    /// Goes on to the next whole byte.
    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}
