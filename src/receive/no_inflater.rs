//! What stands for the decompressor where there is none: types without a value, so that nothing of what is done with one gets into a program.

use core::convert::Infallible;

use crate::{Failure, Kind};

/// No extension claims it.
pub(crate) const RSV1: u8 = 0x40;

pub(crate) enum Inflater {}

/// So that the compiler does not warn of every line that can't be reached, it doesn't show that it has no value.
pub(crate) struct Piece(Infallible);

pub(crate) struct Inflated {
    pub(crate) kind: Kind,
    pub(crate) piece: Piece,
    pub(crate) last: bool,
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn front(self, _: usize) -> Self {
        self
    }
}

impl Inflater {
    pub(crate) fn is_inside_message(&self) -> bool {
        match *self {}
    }

    pub(crate) fn feed(&mut self, _: Kind, _: &[u8], _: bool, _: u64) -> Result<(), Failure> {
        match *self {}
    }

    pub(crate) fn is_whole(&self) -> bool {
        match *self {}
    }

    pub(crate) fn next(&mut self, _: usize, _: u64) -> Result<Option<Inflated>, Failure> {
        match *self {}
    }

    pub(crate) fn piece(&self, piece: &Piece) -> &[u8] {
        match piece.0 {}
    }

    pub(crate) fn keep(&mut self, _: usize) {}

    pub(crate) fn release(&mut self) {}

    pub(crate) fn drop_rest(&mut self) {}
}
