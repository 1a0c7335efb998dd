//! A second DEFLATE decoder (RFC 1951), bit by bit and as plain as possible: slow, but short enough to verify by
//! reading. It is strict where zlib is lenient: it refers back no further than agreed, and no bits may be left over.
//! For tests and fuzz targets.
#![allow(dead_code, reason = "each of them uses its part")]

/// The longest distance in any stream.
pub const MAX_REACH: usize = 1 << 15;

/// The bytes that a sender removes from the end of a message (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// The result of some blocks.
#[derive(Debug)]
pub struct Inflated {
    pub bytes: Vec<u8>,
    pub end: End,
    /// The bytes that later blocks may refer to: none from before the end of a stream.
    pub history: Vec<u8>,
    /// The longest distance in these blocks.
    pub furthest: usize,
    /// The last block was final, or there was none.
    ends_with_a_stream: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ends between two blocks, without remaining bits.
    Whole,
    /// It ends inside a block, without a fault so far.
    Open,
    TooLong,
    Wrong,
}

/// Inflates the whole payload of a message, to at most `limit` bytes. It may refer to `history`, and `reach` bytes
/// back.
///
/// When the removed end is added again, it consists of blocks alone (RFC 7692 §7.2.2); and that end belongs to an empty
/// block (§7.2.1), so it adds nothing. Two kinds of payload are whole without it: one that ends with a final block, and
/// an empty one. If the message is empty, its final block must be the canonical one: `03 00`, or stored, `01 00 00 ff
/// ff`, and not `03 80`.
pub fn message(payload: &[u8], history: &[u8], reach: usize, limit: usize) -> Inflated {
    let alone = part(payload, history, reach, limit);
    let says_something = !alone.bytes.is_empty() || matches!(payload.last(), None | Some(0x00 | 0xFF));
    if alone.end == End::Whole && alone.ends_with_a_stream && says_something {
        return alone;
    }
    inflate(&[payload, &TAIL].concat(), TAIL.len(), history, reach, limit)
}

/// Inflates a part of the payload from its beginning, as far as possible.
pub fn part(payload: &[u8], history: &[u8], reach: usize, limit: usize) -> Inflated {
    inflate(payload, 0, history, reach, limit)
}

/// The last `tail` bytes must decode to nothing.
fn inflate(packed: &[u8], tail: usize, history: &[u8], reach: usize, limit: usize) -> Inflated {
    let most = history.len() + limit;
    let payload = (packed.len() - tail) * 8;
    let mut decoder = Decoder { packed, at: 0, payload, window: history.to_vec(), start: 0, reach, furthest: 0, most };
    let mut ends_with_a_stream = true;
    let end = loop {
        if decoder.at == packed.len() * 8 {
            break End::Whole;
        }
        match decoder.block() {
            Ok(is_last) => ends_with_a_stream = is_last,
            Err(end) => break end,
        }
    };
    let Decoder { window, start, furthest, .. } = decoder;
    let (bytes, history) = (window[history.len()..].to_vec(), window[start..].to_vec());
    Inflated { bytes, end, history, furthest, ends_with_a_stream }
}

struct Decoder<'p> {
    packed: &'p [u8],
    /// In bits.
    at: usize,
    /// Where the tail begins, in bits.
    payload: usize,
    /// The history, and the output behind it.
    window: Vec<u8>,
    /// Where the output of the stream begins in it.
    start: usize,
    reach: usize,
    furthest: usize,
    most: usize,
}

impl Decoder<'_> {
    fn bits(&mut self, count: usize) -> Result<usize, End> {
        let mut value = 0;
        for index in 0..count {
            let byte = self.packed.get(self.at / 8).ok_or(End::Open)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << index;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    fn put(&mut self, byte: u8) -> Result<(), End> {
        if self.at > self.payload {
            return Err(End::Wrong);
        }
        if self.window.len() == self.most {
            return Err(End::TooLong);
        }
        self.window.push(byte);
        Ok(())
    }

    /// Returns whether the block is final.
    fn block(&mut self) -> Result<bool, End> {
        let is_last = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => {
                let lengths = [&[8; 144][..], &[9; 112], &[7; 24], &[8; 8]].concat();
                self.compressed(&Code::new(&lengths), &Code::new(&[5; 32]))?;
            }
            2 => {
                let (symbols, distances) = self.codes()?;
                self.compressed(&symbols, &distances)?;
            }
            _ => return Err(End::Wrong),
        }
        if is_last {
            self.align();
            self.start = self.window.len();
        }
        Ok(is_last)
    }

    fn stored(&mut self) -> Result<(), End> {
        self.align();
        let (len, complement) = (self.bits(16)?, self.bits(16)?);
        if len != !complement & 0xFFFF {
            return Err(End::Wrong);
        }
        for _ in 0..len {
            let byte = self.bits(8)?;
            self.put(byte as u8)?;
        }
        Ok(())
    }

    fn compressed(&mut self, symbols: &Code, distances: &Code) -> Result<(), End> {
        loop {
            let symbol = self.symbol(symbols)?;
            if let Ok(literal) = u8::try_from(symbol) {
                self.put(literal)?;
                continue;
            }
            if symbol == 256 {
                return Ok(());
            }
            let (base, extra) = LENGTHS.get(symbol - 257).ok_or(End::Wrong)?;
            let len = base + self.bits(*extra)?;
            let (base, extra) = DISTANCES.get(self.symbol(distances)?).ok_or(End::Wrong)?;
            let distance = base + self.bits(*extra)?;
            if distance > self.reach.min(self.window.len() - self.start) {
                return Err(End::Wrong);
            }
            self.furthest = self.furthest.max(distance);
            for _ in 0..len {
                self.put(self.window[self.window.len() - distance])?;
            }
        }
    }

    /// Reads the two codes of a block with dynamic codes.
    fn codes(&mut self) -> Result<(Code, Code), End> {
        let (symbols, distances, count) = (self.bits(5)? + 257, self.bits(5)? + 1, self.bits(4)? + 4);
        if symbols > 286 || distances > 30 {
            return Err(End::Wrong);
        }
        let mut lengths = [0; 19];
        for index in &[16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15][..count] {
            lengths[*index] = self.bits(3)? as u8;
        }
        let code = Code::new(&lengths);
        if !code.is_complete() {
            // An empty code: zlib and its descendants read each bit as a symbol without a code. They notice only behind
            // these symbols that the block can't end.
            for _ in 0..if code.symbols.is_empty() { symbols + distances } else { 0 } {
                self.bits(1)?;
            }
            return Err(End::Wrong);
        }

        let mut lengths = Vec::new();
        while lengths.len() < symbols + distances {
            let (len, times) = match self.symbol(&code)? {
                16 => {
                    let times = 3 + self.bits(2)?;
                    (*lengths.last().ok_or(End::Wrong)?, times)
                }
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                len => (len as u8, 1),
            };
            lengths.extend(std::iter::repeat_n(len, times));
        }
        let all = symbols + distances;
        let (symbols, distances) = lengths.split_at(symbols);
        let (is_endless, symbols, distances) = (symbols[256] == 0, Code::new(symbols), Code::new(distances));
        // Only a code of no symbol, or of one symbol with one bit, may be incomplete.
        let is_short = |code: &Code| code.symbols.len() <= 1 && code.symbols.len() == usize::from(code.counts[1]);
        let is_code = |code: &Code| code.is_complete() || is_short(code);
        if lengths.len() > all || is_endless || !is_code(&symbols) || !is_code(&distances) {
            return Err(End::Wrong);
        }
        Ok((symbols, distances))
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, End> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..] {
            value |= self.bits(1)?;
            let count = usize::from(*count);
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            if index == code.symbols.len() {
                break;
            }
            first = (first + count) << 1;
            value <<= 1;
        }
        Err(End::Wrong)
    }
}

/// A Huffman code: the number of codes of each length, and all symbols in the order of their codes.
struct Code {
    counts: [u16; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        let mut symbols: Vec<_> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        symbols.iter().for_each(|symbol| counts[usize::from(lengths[*symbol])] += 1);
        Self { counts, symbols }
    }

    /// Whether every sequence of bits begins with exactly one code.
    fn is_complete(&self) -> bool {
        (1..16).map(|len| usize::from(self.counts[len]) << (15 - len)).sum::<usize>() == 1 << 15
    }
}

/// The base of each symbol, and its number of extra bits.
#[rustfmt::skip]
const LENGTHS: [(usize, usize); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1), (15, 1), (17, 1), (19, 2), (23, 2),
    (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5),
    (227, 5), (258, 0),
];

#[rustfmt::skip]
const DISTANCES: [(usize, usize); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3), (33, 4), (49, 4), (65, 5), (97, 5),
    (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8), (1025, 9), (1537, 9), (2049, 10), (3073, 10), (4097, 11),
    (6145, 11), (8193, 12), (12289, 12), (16385, 13), (24577, 13),
];
