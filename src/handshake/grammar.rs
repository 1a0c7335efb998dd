//! The few rules of HTTP's grammar by which heads are read and written (RFC 9110 §5).

use crate::STRAIGHT_PATHS;

/// A method, a header's name, a subprotocol, a connection option (RFC 9110 §5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && token_len(text) == text.len()
}

/// How many bytes at the front are those of a token.
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    // Most are made of letters and hyphens.
    let len = first(bytes, not_in_a_name).unwrap_or(bytes.len());
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

/// Whether a text is this one, in any case of its letters. What is `known` has small letters and hyphens, and nothing else.
// Of what may stand in a header, 0x20 makes letters and hyphens of nothing but the same; of a CR it would make a hyphen.
#[inline]
pub(crate) fn is<const LEN: usize>(text: &[u8], known: &[u8; LEN]) -> bool {
    <&[u8; LEN]>::try_from(text).is_ok_and(|text| {
        let differences = text.iter().zip(known).map(|(byte, known)| (byte | 0x20) ^ known);
        differences.fold(0, |all, difference| all | difference) == 0
    })
}

/// No line can be ended, and nothing hidden: no control characters but the tab (RFC 9110 §5.5).
pub(crate) fn is_header_value(text: &[u8]) -> bool {
    text_len(text) == text.len()
}

/// How many bytes at the front are what may stand in a header's value: all but control characters, with the tab.
#[inline]
pub(crate) fn text_len(bytes: &[u8]) -> usize {
    let mut len = 0;
    loop {
        let rest = bytes.get(len..).unwrap_or_default();
        len += first(rest, |word| below_or(word, 0x20, 0x7F)).unwrap_or(rest.len());
        match bytes.get(len) {
            Some(b'\t') => len += 1,
            _ => return len,
        }
    }
}

/// How many bytes at the front can stand in a request's target as it was sent, be it right or wrong: no space.
pub(crate) fn visible_len(bytes: &[u8]) -> usize {
    first(bytes, |word| below_or(word, 0x21, 0x7F)).unwrap_or(bytes.len())
}

/// Where the first such byte is.
pub(crate) fn find(needle: u8, bytes: &[u8]) -> Option<usize> {
    first(bytes, |word| equal(word, needle))
}

/// The members of a comma-separated list of tokens.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

// Eight bytes at a time. In what these return, the lowest bit that is set is the top bit of the first byte that was meant; above it, they
// may be wrong.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);

/// The bytes that are this one: those from whose difference one can't be taken.
fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * u64::from(byte));
    difference.wrapping_sub(ONES) & !difference & TOPS
}

/// The bytes of ASCII that are below a limit, or this one.
fn below_or(word: u64, limit: u8, byte: u8) -> u64 {
    let below = word.wrapping_sub(ONES * u64::from(limit));
    let equal = (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    (below | equal) & !word & TOPS
}

/// The bytes that are no letter and no hyphen.
// A sum reaches the top bit from a certain byte on. It is too large for its byte only where that isn't ASCII.
fn not_in_a_name(word: u64) -> u64 {
    let small = word | (ONES * 0x20);
    let from_a = small.wrapping_add(ONES * u64::from(0x80 - b'a'));
    let behind_z = small.wrapping_add(ONES * u64::from(0x7F - b'z'));
    let no_hyphen = (word ^ (ONES * u64::from(b'-'))).wrapping_add(ONES * 0x7F);
    ((!from_a | behind_z) & no_hyphen | word) & TOPS
}

/// Where the first byte is that is meant.
#[inline]
fn first(bytes: &[u8], meant: impl Fn(u64) -> u64) -> Option<usize> {
    let mut rest = bytes;
    while STRAIGHT_PATHS && let Some((word, behind)) = rest.split_first_chunk() {
        let found = meant(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(bytes.len() - rest.len() + found.trailing_zeros() as usize / 8);
        }
        rest = behind;
    }
    let start = bytes.len() - rest.len();
    rest.iter().position(|byte| meant(ONES * u64::from(*byte)) != 0).map(|index| start + index)
}

#[cfg(test)]
mod tests {
    extern crate alloc;
    use alloc::vec;

    use super::{find, is, is_token_byte, text_len, token_len};

    #[test]
    fn the_first_is_found_wherever_it_stands() {
        // Neighbours of the byte that is looked for, and bytes with the top bit, are what the arithmetic could mistake for it.
        for other in [0x00, b'\n' - 1, b'\n' + 1, b'\n' ^ 0x80, 0x7F, 0x80, 0xFF] {
            for len in 0..40 {
                let mut bytes = vec![other; len];
                assert_eq!(find(b'\n', &bytes), None);
                for place in (0..len).rev() {
                    bytes[place] = b'\n';
                    assert_eq!(find(b'\n', &bytes), Some(place), "{other:#04x}, {len} bytes");
                }
            }
        }
    }

    #[test]
    fn tokens_end_where_they_would_byte_by_byte() {
        for byte in 0..=0xFF_u8 {
            for len in 0..20 {
                for place in 0..len {
                    for other in *b"-aZz.5" {
                        let mut bytes = vec![other; len];
                        bytes[place] = byte;
                        let expected = bytes.iter().take_while(|byte| is_token_byte(**byte)).count();
                        assert_eq!(token_len(&bytes), expected, "{byte:#04x} at {place} of {len}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_the_same_in_any_case() {
        for known in [b"upgrade", b"a-z-a-z"] {
            // All that a header may have in it.
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

    #[test]
    fn text_ends_at_the_first_control_character() {
        for byte in 0..=0xFF_u8 {
            let is_text = byte == b'\t' || !byte.is_ascii_control();
            for len in 0..20 {
                for place in 0..len {
                    // Behind it may be anything.
                    for other in [b' ', b'\t', b'~', 0x80, 0xFF] {
                        let mut bytes = vec![other; len];
                        bytes[place] = byte;
                        assert_eq!(
                            text_len(&bytes),
                            if is_text { len } else { place },
                            "{byte:#04x} at {place} of {len}"
                        );
                    }
                }
            }
        }
    }
}
