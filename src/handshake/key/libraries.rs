//! SHA-1 and base64 by the libraries that are made for them.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1_smol::Sha1;

use super::{GUID, Key};

pub(crate) fn sha1(key: &Key) -> [u8; 20] {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    sha1.digest().bytes()
}

/// Fills `text`, which is as long as what `bytes` become.
pub(crate) fn base64(bytes: &[u8], text: &mut [u8]) {
    let _ = STANDARD.encode_slice(bytes, text);
}
