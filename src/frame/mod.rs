//! Frames on the wire: the header, the masking key, the opcode and the payload of a Close.
//!
//! Everything here is stateless. It can be used without a connection, as a codec for frames
//! ([RFC 6455 §5.2](https://www.rfc-editor.org/rfc/rfc6455#section-5.2)):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M|  length: 7  | length: 16 (if the 7 say 126) |
//! |I|S|S|S|   4   |A|    bits     | or the first quarter of       |
//! |N|V|V|V|       |S|             | length: 64 (if the 7 say 127) |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! | ... 64-bit length, in network order                           |
//! +---------------------------------------------------------------+
//! | masking key: 32 bits, if MASK is set                          |
//! +---------------------------------------------------------------+
//! | payload: masked with the key, byte i with key byte i mod 4    |
//! +---------------------------------------------------------------+
//! ```
//!
//! Parse a masked "Hello", then encode its header again:
//!
//! ```
//! use websocket_proto::frame::Header;
//!
//! // RFC 6455 §5.7: a single-frame masked text message.
//! let mut wire = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
//!
//! let (header, used) = Header::parse(&wire)?.expect("the header is whole");
//! assert_eq!((header.payload_len, used), (5, 6));
//! header.mask.unwrap().apply(&mut wire[used..]);
//! assert_eq!(&wire[used..], b"Hello");
//!
//! assert_eq!(header.encode().as_slice(), &wire[..used]);
//! # Ok::<(), websocket_proto::frame::HeaderError>(())
//! ```

mod close;
mod header;
mod mask;
mod opcode;

pub use close::{Close, CloseCode, CloseError, ForbiddenCloseCode};
pub use header::{EncodedHeader, FirstByte, Header, HeaderError};
pub use mask::MaskingKey;
pub use opcode::Opcode;

pub(crate) use header::{is_masked, payload_len};

/// The length of the longest payload of a control frame (Close, Ping, Pong), in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// The length of the longest reason in a Close frame, after the two bytes of the code, in bytes (RFC 6455 §5.5.1).
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;
