//! Who is trusted, and who we are. Certificates and keys are PEM files.

use std::{error::Error, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    server::WebPkiClientVerifier,
};

/// A file that can't be used, or a certificate that rustls does not take.
pub type Fault = Box<dyn Error + Send + Sync>;

/// WebSockets begin with HTTP/1.1. A peer that also speaks HTTP/2 must not choose it, and one that speaks nothing else
/// is refused in the handshake of TLS.
const ALPN: &[u8] = b"http/1.1";

/// A certificate, with those that certify it, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Reads who we are.
pub fn identity(certificate: &Path, key: &Path) -> Result<Identity, Fault> {
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, error))?;
    Ok(Identity { chain: certificates(certificate)?, key })
}

/// The authorities that this system trusts: for a client of public servers.
pub fn system_roots() -> Result<RootCertStore, Fault> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Among those of a system there are some that no library takes.
    match roots.add_parsable_certificates(found.certs) {
        (0, _) => Err(found.errors.pop().map_or("this system has no certificates".into(), Fault::from)),
        _ => Ok(roots),
    }
}

/// Authorities of one's own: for a client of private servers, and for a server of known clients.
pub fn private_roots(file: &Path) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| in_file(file, error))?;
    }
    Ok(roots)
}

/// A client that trusts these authorities, and says who it is if a server wants to know.
pub fn client(roots: RootCertStore, identity: Option<Identity>) -> Result<Arc<ClientConfig>, Fault> {
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match identity {
        Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![ALPN.into()];
    Ok(Arc::new(config))
}

/// A server. If it is given authorities of clients, it takes no client without a certificate from one of them.
pub fn server(Identity { chain, key }: Identity, clients: Option<RootCertStore>) -> Result<Arc<ServerConfig>, Fault> {
    let builder = match clients {
        Some(roots) => {
            ServerConfig::builder().with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build()?)
        }
        None => ServerConfig::builder().with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.into()];
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found = CertificateDer::pem_file_iter(file).and_then(Iterator::collect).and_then(|certificates: Vec<_>| {
        if certificates.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(certificates) }
    });
    found.map_err(|error| in_file(file, error))
}

fn in_file(file: &Path, error: impl Error) -> Fault {
    format!("{}: {error}", file.display()).into()
}
