use std::{error::Error, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// From PEM files: the certificate, with those that certify it, and its private key.
pub(crate) fn acceptor(certificate: &str, key: &str) -> Result<TlsAcceptor, Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(key)?;
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    // The client takes the first that it has, too (RFC 7301). Without `h2` a browser does not speak HTTP/2.
    config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
