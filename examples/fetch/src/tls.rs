//! Whom a client trusts, and the handshake.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use hyper_util::rt::TokioIo;
use ironloop::net::TcpStream;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_rustls::TlsConnector;

use crate::error::Error;
use crate::stream::Stream;

/// The authorities of the web, as Mozilla has them.
pub fn web() -> Arc<ClientConfig> {
    static WEB: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let roots = || webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    WEB.get_or_init(|| trusting(roots())).clone()
}

/// Those of a file (PEM), and no others.
pub fn of_file(path: &Path) -> Result<Arc<ClientConfig>, Error> {
    let bad = |error: &dyn std::fmt::Display| Error::Tls(format!("{}: {error}", path.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
        roots.add(certificate.map_err(|error| bad(&error))?).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() {
        return Err(bad(&"no certificate in it"));
    }
    Ok(trusting(roots))
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the versions of rustls")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

pub async fn handshake(config: Arc<ClientConfig>, host: &str, stream: TcpStream) -> Result<Stream, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Tls(format!("{host}: {error}"));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| failed(&error))?;
    Ok(Stream::Tls(Box::new(TokioIo::new(stream))))
}
