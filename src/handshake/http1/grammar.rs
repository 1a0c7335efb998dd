//! The rules of HTTP's grammar that heads are read and written by (RFC 9110 §5).

use crate::SHORTCUTS;

/// Whether this is a token: a method, a header's name, a subprotocol, a connection option (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && token_len(text) == text.len()
}

/// How many bytes at the front belong to a token.
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    // Most tokens have only letters and hyphens.
    let len = if SHORTCUTS { first(bytes, marks_all_but_letters_and_hyphens) } else { 0 };
    let rest = bytes.get(len..).unwrap_or_default();
    len + rest.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(rest.len())
}

#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            let is_symbol = matches!(
                byte as u8,
                b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
            );
            table[byte] = (byte as u8).is_ascii_alphanumeric() || is_symbol;
            byte += 1;
        }
        table
    };
    TOKEN[usize::from(byte)]
}

/// Whether `text` is `known`, in any case. `known` must have only small letters and hyphens.
// Among the bytes that a header can have, 0x20 turns only letters into small letters, and only a hyphen into a hyphen.
// It would turn CR into a hyphen.
#[inline]
pub(crate) fn is<const LEN: usize>(text: &[u8], known: &[u8; LEN]) -> bool {
    <&[u8; LEN]>::try_from(text).is_ok_and(|text| {
        let differences = text.iter().zip(known).map(|(byte, known)| (byte | 0x20) ^ known);
        differences.fold(0, |all, difference| all | difference) == 0
    })
}

/// Whether this can be a header's value: it has no control character but the tab (RFC 9110 §5.5), so it can't end the
/// line.
pub(crate) fn is_header_value(text: &[u8]) -> bool {
    text_len(text) == text.len()
}

/// How many bytes at the front can be in a header's value.
#[inline]
pub(crate) fn text_len(bytes: &[u8]) -> usize {
    // Few values have a tab, or anything but ASCII.
    let len = if SHORTCUTS { first(bytes, marks_all_but_printed_ascii) } else { 0 };
    let rest = bytes.get(len..).unwrap_or_default();
    len + rest.iter().position(|byte| !is_text_byte(*byte)).unwrap_or(rest.len())
}

/// Whether a byte can be in a header's value.
#[inline]
pub(crate) fn is_text_byte(byte: u8) -> bool {
    !byte.is_ascii_control() || byte == b'\t'
}

/// How many bytes are before the first one whose highest bit `marks` sets. The last bytes, which don't fill a block,
/// are not read.
// Words of eight bytes are fast on every target. Wide vectors would not pay: the texts are short.
#[inline(always)]
fn first(bytes: &[u8], marks: impl Fn(u64) -> u64) -> usize {
    const BLOCK: usize = 32;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for (index, block) in blocks.iter().enumerate() {
        let (words, _) = block.as_chunks();
        let marks = |word: &[u8; 8]| marks(u64::from_le_bytes(*word)) & each(0x80);
        if words.iter().fold(0, |all, word| all | marks(word)) == 0 {
            continue;
        }
        for (word, start) in words.iter().zip((index * BLOCK..).step_by(8)) {
            if marks(word) != 0 {
                return start + marks(word).trailing_zeros() as usize / 8;
            }
        }
    }
    bytes.len() - rest.len()
}

/// A word with `byte` in each of its bytes.
const fn each(byte: u8) -> u64 {
    byte as u64 * (u64::MAX / 0xFF)
}

/// Marks every byte but letters and hyphens.
// As the highest bits are cleared, no sum carries into the next byte.
#[inline(always)]
fn marks_all_but_letters_and_hyphens(word: u64) -> u64 {
    let low = word & each(0x7F);
    let from_a = (low | each(0x20)) + each(0x80 - b'a');
    let after_z = (low | each(0x20)) + each(0x7F - b'z');
    let no_hyphen = (low ^ each(b'-')) + each(0x7F);
    word | (!from_a | after_z) & no_hyphen
}

/// Marks every byte that is not printable ASCII. A carry or borrow can mark further bytes after a marked one.
// DEL becomes 0x80, and 0xFF zero.
#[inline(always)]
fn marks_all_but_printed_ascii(word: u64) -> u64 {
    let next = word.wrapping_add(each(1));
    next | next.wrapping_sub(each(b' ' + 1))
}

/// Whether a list has this member. Usually it is the only one.
pub(crate) fn has<const LEN: usize>(value: &[u8], member: &[u8; LEN]) -> bool {
    is(value.trim_ascii(), member) || members(value).any(|found| is(found, member))
}

/// The members of a comma-separated list of tokens.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec::Vec;

    use super::{is, is_token_byte, text_len, token_len};

    /// Around the lengths of one and of two blocks.
    const LENGTHS: [usize; 9] = [0, 1, 2, 31, 32, 33, 63, 64, 66];

    /// Every byte at every place of every length, among bytes of the class: as many are found as byte by byte.
    fn ends_at_the_first_other(others: &[u8], found: fn(&[u8]) -> usize, has: fn(u8) -> bool) {
        for byte in 0..=0xFF_u8 {
            for len in LENGTHS {
                for place in 0..len {
                    let mut bytes: Vec<u8> = others.iter().copied().cycle().take(len).collect();
                    bytes[place] = byte;
                    let expected = bytes.iter().take_while(|byte| has(**byte)).count();
                    assert_eq!(found(&bytes), expected, "{byte:#04x} at {place} of {len}");
                    // The bytes after the first one that ends it don't matter.
                    bytes[place..].fill(byte);
                    let expected = if has(byte) { len } else { place };
                    assert_eq!(found(&bytes), expected, "{byte:#04x} from {place} of {len}");
                }
            }
        }
    }

    #[test]
    fn tokens_and_texts_end_where_they_end_byte_by_byte() {
        ends_at_the_first_other(b"-aZz.5", token_len, is_token_byte);
        ends_at_the_first_other(b"-aZzA", token_len, is_token_byte);
        ends_at_the_first_other(b" \t~\x80\xFF", text_len, |byte| byte == b'\t' || !byte.is_ascii_control());
    }

    #[test]
    fn names_are_the_same_in_any_case() {
        for known in [b"upgrade", b"a-z-a-z"] {
            // All bytes that a header can have.
            for byte in (0..=0xFF_u8).filter(|byte| *byte == b'\t' || !byte.is_ascii_control()) {
                for place in 0..known.len() {
                    let mut text = *known;
                    text[place] = byte;
                    assert_eq!(is(&text, known), text.eq_ignore_ascii_case(known), "{byte:#04x} at {place}");
                }
            }
            assert!(!is(&known[1..], known) && !is(b"", known));
        }
    }
}
