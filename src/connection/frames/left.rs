//! The beginning of a frame, left in the caller's buffer to be presented again together with the rest: so it is never copied.

use super::{BINARY, Frames, LAST, MORE, OpenMessage, Place, TEXT};
use crate::{
    Input, Kind, Role, STRAIGHT_PATHS,
    frame::{Header, MaskingKey},
    storage::ControlStore,
    utf8,
};

/// How much may have come of a text that is left though it is not ASCII.
const FEW: usize = if cfg!(fuzzing) { 8 } else { 2 << 10 };

/// How much text is unmasked, to find out whether it is ASCII; then as much again as was.
const BLOCK: usize = 4 << 10;

// So all that has come of such a text is looked at in one block.
const _: () = assert!(FEW <= BLOCK);

impl<R: Role, C: ControlStore> Frames<R, C> {
    /// Leaves the beginning of a frame that a message begins with, or a binary message goes on with; whether it can be.
    #[inline(never)]
    pub(crate) fn leave(&mut self, input: &mut Input<'_>, max_message: u64) -> bool {
        if self.is_inside_frame() && !self.has_left_text() {
            return false;
        }
        let kind = match (input.remaining().first(), self.message) {
            (Some(&BINARY), None) => Kind::Binary,
            (Some(&TEXT), None) => Kind::Text,
            (Some(&(MORE | LAST)), Some(OpenMessage { kind: Kind::Binary, rsv: 0, .. })) => Kind::Binary,
            _ => return false,
        };
        let (mut wanted, mut unmasked) = (0, 0);
        let (frame, remaining) = match self.judge(input.remaining(), max_message) {
            Ok(Some((Header { payload_len, mask, .. }, used))) => {
                let come = input.remaining().len().saturating_sub(used) as u64;
                let remaining = payload_len.saturating_sub(come);
                let frame = usize::try_from(payload_len).unwrap_or(usize::MAX).saturating_add(used);
                if remaining == 0 || !input.can_leave(frame) {
                    return false;
                }
                match kind {
                    // It needn't be looked at before it is whole. A header, or a text, may be wrong before.
                    Kind::Binary => wanted = frame,
                    Kind::Text => {
                        let payload = input.remaining_mut().get_mut(used..).unwrap_or_default();
                        match self.look_at_text(payload_len, mask.unwrap_or_default(), payload) {
                            Some(count) => unmasked = count,
                            None => return false,
                        }
                    }
                }
                (frame, remaining)
            }
            Ok(None) if input.can_leave(Header::MAX_LEN) => (Header::MAX_LEN, 0),
            _ => return false,
        };
        input.leave(wanted, frame);
        self.place = Place::Left { remaining, unmasked };
        true
    }

    /// Looks at what has come of a text; how much of it stays unmasked. `None` if it must not be left: it is wrong, or would be looked at over
    /// and over, or is too long to be counted.
    ///
    /// What is ASCII is looked at as it comes, and once more as a whole, to be lent. Other text is looked at from its beginning each time, so
    /// little of it may have come.
    fn look_at_text(&mut self, len: u64, mask: MaskingKey, payload: &mut [u8]) -> Option<u32> {
        if len > u32::MAX.into() {
            return None;
        }
        let mut unmasked = self.unmasked();
        while unmasked < payload.len() {
            let end = payload.len().min(unmasked + unmasked.max(BLOCK));
            let block = payload.get_mut(unmasked..end)?;
            let is_ascii = if R::PEER_IS_CLIENT { mask.at(unmasked).apply_to_ascii(block) } else { block.is_ascii() };
            unmasked += block.len();
            if !is_ascii {
                let may_be_left = payload.len() <= FEW && utf8::may_begin(payload);
                // As it was, for whoever looks at it next.
                Self::unmask(mask, payload.get_mut(..unmasked).unwrap_or_default());
                self.place = Place::BETWEEN;
                return may_be_left.then_some(0);
            }
        }
        Some(unmasked as u32)
    }

    /// How much of what was left is unmasked.
    fn unmasked(&self) -> usize {
        match self.place {
            Place::Left { unmasked, .. } if STRAIGHT_PATHS => unmasked as usize,
            _ => 0,
        }
    }

    /// Whether a text was left unmasked.
    fn has_left_text(&self) -> bool {
        self.unmasked() > 0
    }

    /// The text that was left unmasked, if all of it has come now.
    pub(crate) fn left_text<'b>(&mut self, input: &mut Input<'b>) -> Option<&'b mut [u8]> {
        if !self.has_left_text() {
            return None;
        }
        let text = Self::whole_frame(input, u64::MAX, self.unmasked())?;
        self.place = Place::BETWEEN;
        Some(text)
    }

    /// Makes the text that was left unmasked what it was, because it is taken in parts after all.
    pub(super) fn mask_left(&mut self, input: &mut Input<'_>) {
        if self.has_left_text()
            && let Ok(Some((Header { mask, .. }, used))) = Header::parse(input.remaining())
        {
            let unmasked = input.remaining_mut().get_mut(used..used + self.unmasked()).unwrap_or_default();
            Self::unmask(mask.unwrap_or_default(), unmasked);
        }
    }

    /// `count` more bytes of a frame that was left have come, and it is still not whole: it is presented with the rest. `false` if none was left.
    pub(crate) fn await_left(&mut self, count: usize) -> bool {
        let Place::Left { remaining, .. } = &mut self.place else { return false };
        *remaining = remaining.saturating_sub(count as u64);
        true
    }
}
