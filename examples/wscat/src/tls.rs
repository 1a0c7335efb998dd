//! Which servers are trusted, and what to do about one that is not.

use std::{io, path::Path, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

/// With the roots of the system, and those in a PEM file. Without a check if `insecure`.
pub(crate) fn config(more_roots: Option<&Path>, insecure: bool) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    // Without any, the error of the handshake says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = more_roots {
        let cannot =
            |error: &dyn std::fmt::Display| format!("cannot read certificates from {}: {error}", file.display());
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| cannot(&error))? {
            roots.add(certificate.map_err(|error| cannot(&error))?).map_err(|error| cannot(&error))?;
        }
        if roots.len() == before {
            return Err(cannot(&"there are none in it"));
        }
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    if insecure {
        config.dangerous().set_certificate_verifier(Arc::new(Anybody(ring::default_provider())));
    }
    // A server with HTTP/2 on this port must not choose it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What an error of TLS means, in one line. `None` if it is one of the socket.
pub(crate) fn advice(error: &io::Error) -> Option<String> {
    let advice = match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => "nobody here vouches for it; name its authority with --cacert FILE",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "it has expired, or this clock is wrong"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet, or this clock is wrong"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another name; is the address right?"
            }
            // `openssl req -x509` makes such a certificate by default.
            error if format!("{error:?}").contains("CaUsedAsEndEntity") => {
                "it is that of an authority and no server's; make one with -addext basicConstraints=critical,CA:FALSE"
            }
            error => &format!("{error}; if you trust it, name its authority with --cacert FILE"),
        },
        Error::InvalidMessage(_) => return Some("the server does not speak TLS on this port; is it ws://?".into()),
        Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            return Some(format!("no TLS connection: {error}; does the server want a certificate? wscat has none"));
        }
        error => return Some(format!("no TLS connection: {error}")),
    };
    Some(format!("the server's certificate is not accepted: {advice}"))
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
