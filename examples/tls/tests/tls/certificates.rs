//! An authority, and the PEM files of those that it certifies.

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, ServerConfig};
use tls_echo::trust::{self, Identity};

/// An authority with a folder of its own, which is removed in the end.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("tls_echo-{}-{number}", process::id()));
        fs::create_dir(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(folder.join("ca.key.pem"), key.serialize_pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.join("ca.key.pem")
    }

    pub fn roots(&self) -> rustls::RootCertStore {
        trust::private_roots(&self.file()).unwrap()
    }

    /// A server that is called so.
    pub fn server(&self, name: &str) -> Identity {
        self.certifies("server", name, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])
    }

    pub fn expired_server(&self) -> Identity {
        self.certifies("expired", "localhost", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1))
    }

    /// The kind that openssl makes by default: that of an authority.
    pub fn server_that_may_certify(&self) -> Identity {
        self.certifies("authority", "localhost", |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))
    }

    pub fn client(&self) -> Identity {
        self.certifies("client", "ann", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A server that is `localhost`, and a client that trusts it.
    pub fn configs(&self) -> (Arc<ServerConfig>, Arc<ClientConfig>) {
        (trust::server(self.server("localhost"), None).unwrap(), trust::client(self.roots(), None).unwrap())
    }

    fn certifies(&self, who: &str, name: &str, with: impl FnOnce(&mut CertificateParams)) -> Identity {
        let mut params = CertificateParams::new([String::from(name)]).unwrap();
        with(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = [format!("{who}.pem"), format!("{who}.key.pem")].map(|name| self.folder.join(name));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        trust::identity(&files[0], &files[1]).unwrap()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
