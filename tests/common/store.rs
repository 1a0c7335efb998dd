//! The stores of both ends, unless a test needs others.

use websocket_proto::FixedStorage;

/// Without an allocator: an array that is larger than any limit.
#[cfg(feature = "alloc")]
pub type Store = Vec<u8>;
#[cfg(not(feature = "alloc"))]
pub type Store = Fixed;

/// An empty store for a connection.
pub fn store() -> Store {
    store_of(200 << 10)
}

/// Two stores: the input and the output of one end.
pub fn stores() -> [Store; 2] {
    [store(), store()]
}

/// An empty store that can hold at least `capacity` bytes.
pub fn store_of(capacity: usize) -> Store {
    #[cfg(feature = "alloc")]
    {
        let _ = capacity;
        Vec::new()
    }
    #[cfg(not(feature = "alloc"))]
    {
        fixed(capacity)
    }
}

/// A store of a fixed size.
pub type Fixed = FixedStorage<Vec<u8>>;

/// An empty store that can hold exactly `capacity` bytes.
pub fn fixed(capacity: usize) -> Fixed {
    FixedStorage::new(vec![0; capacity])
}
