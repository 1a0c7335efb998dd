use alloc::{boxed::Box, vec::Vec};
use core::ops::{Deref, DerefMut};

use crate::storage::OutOfMemory;

/// A value on the heap. [`Box::new`] aborts if memory is out; this [`new`](Self::new) returns an error.
pub(crate) struct Boxed<T>(Box<[T; 1]>);

impl<T> Boxed<T> {
    pub(crate) fn new(value: T) -> Result<Self, OutOfMemory> {
        let mut one = Vec::new();
        one.try_reserve_exact(1).map_err(|_| OutOfMemory)?;
        one.push(value);
        one.try_into().map(Self).map_err(|_| OutOfMemory)
    }
}

impl<T> Deref for Boxed<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        let [value] = &*self.0;
        value
    }
}

impl<T> DerefMut for Boxed<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        let [value] = &mut *self.0;
        value
    }
}
