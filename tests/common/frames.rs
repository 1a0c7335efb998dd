//! Encodes frames as a peer does, and parses them with a naive reader.

/// A part of what the peer sends.
#[derive(Clone, Copy, Debug)]
pub enum Part<'p> {
    /// A frame: its first byte and payload.
    F(u8, &'p [u8]),
    /// A header without payload: its first byte and the bytes of the length.
    H(u8, &'p [u8]),
    /// A header with the MASK bit of the other role.
    WrongMask(u8, &'p [u8]),
    /// A frame with this first byte and this many payload bytes.
    Long(u8, usize),
}

impl Part<'_> {
    /// The bytes of this part, as the peer of a server (masked) or of a client (unmasked) sends them.
    pub fn encode(&self, masked: bool) -> Vec<u8> {
        match *self {
            Part::F(first, payload) => frame(first, payload, masked),
            Part::H(first, length) => header(first, length, masked),
            Part::WrongMask(first, length) => header(first, length, !masked),
            Part::Long(first, len) => frame(first, &vec![b'x'; len], masked),
        }
    }

    /// How many bytes the header has.
    pub fn header_len(&self, masked: bool) -> usize {
        let payload = match *self {
            Part::F(_, payload) => payload.len(),
            Part::Long(_, len) => len,
            Part::H(..) | Part::WrongMask(..) => 0,
        };
        self.encode(masked).len() - payload
    }
}

/// The bytes of these parts.
pub fn encode(parts: &[Part<'_>], masked: bool) -> Vec<u8> {
    parts.iter().flat_map(|part| part.encode(masked)).collect()
}

/// A frame as the peer of a server (masked) or of a client (unmasked) sends it.
pub fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let length = match payload.len() {
        len @ 0..=125 => vec![len as u8],
        len @ 126..=65535 => [&[126][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[127][..], &(len as u64).to_be_bytes()].concat(),
    };
    [header(first, &length, masked), masking(payload, masked)].concat()
}

/// The beginning of a frame: its first byte, the given length with the MASK bit added, and the key.
pub fn header(first: u8, length: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = [&[first], length].concat();
    if masked {
        bytes[1] |= 0x80;
        bytes.extend_from_slice(&PEER_KEY);
    }
    bytes
}

fn masking(payload: &[u8], masked: bool) -> Vec<u8> {
    let key = if masked { PEER_KEY } else { [0; 4] };
    payload.iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]).collect()
}

const PEER_KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// Parses frames and unmasks them: a second, naive reader for what is sent.
pub fn frames(mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !wire.is_empty() {
        let masked = wire[1] & 0x80 != 0;
        let (len, header) = match wire[1] & 0x7F {
            126 => (u16::from_be_bytes([wire[2], wire[3]]).into(), 4),
            127 => (u64::from_be_bytes(wire[2..10].try_into().unwrap()) as usize, 10),
            len => (len.into(), 2),
        };
        let key = if masked { wire[header..header + 4].to_vec() } else { vec![0; 4] };
        let start = header + if masked { 4 } else { 0 };
        let payload = wire[start..start + len].iter().enumerate().map(|(index, byte)| byte ^ key[index % 4]);
        frames.push((wire[0], payload.collect()));
        wire = &wire[start + len..];
    }
    frames
}
