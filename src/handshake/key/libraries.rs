//! SHA-1 and base64 by libraries.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{GUID, Key};

#[cfg(not(feature = "sha1"))]
pub(crate) fn sha1(key: &Key) -> [u8; 20] {
    let mut sha1 = sha1_smol::Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    sha1.digest().bytes()
}

#[cfg(feature = "sha1")]
pub(crate) fn sha1(key: &Key) -> [u8; 20] {
    use sha1::{Digest, Sha1};
    Sha1::new().chain_update(key).chain_update(GUID).finalize().into()
}

/// Fills `text`, which has the length of the encoded `bytes`.
pub(crate) fn base64(bytes: &[u8], text: &mut [u8]) {
    let _ = STANDARD.encode_slice(bytes, text);
}
