//! A TLS echo by rustls, for information: what another library makes of the same records.

use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::server::{Answer, Service};

pub struct RustlsEcho {
    config: Arc<ServerConfig>,
    message: Vec<u8>,
    outgoing: Vec<u8>,
}

impl RustlsEcho {
    pub fn new(certificate: &Path, key: &Path) -> Result<RustlsEcho, Box<dyn Error>> {
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_file(key)?;
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
        Ok(RustlsEcho { config: Arc::new(config), message: Vec::new(), outgoing: Vec::new() })
    }
}

impl Service for RustlsEcho {
    type Session = ServerConnection;

    fn open(&mut self) -> io::Result<ServerConnection> {
        let mut session = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        session.set_buffer_limit(None);
        Ok(session)
    }

    fn answer<'a>(
        &'a mut self,
        session: &mut ServerConnection,
        mut received: &'a [u8],
    ) -> io::Result<Answer<'a>> {
        let mut last = false;
        while !received.is_empty() {
            session.read_tls(&mut received)?;
            let state = session.process_new_packets().map_err(io::Error::other)?;
            last |= state.peer_has_closed();
            self.message.resize(state.plaintext_bytes_to_read(), 0);
            session.reader().read_exact(&mut self.message)?;
            session.writer().write_all(&self.message)?;
        }
        if last {
            session.send_close_notify();
        }
        self.outgoing.clear();
        while session.wants_write() {
            session.write_tls(&mut self.outgoing)?;
        }
        Ok(Answer { bytes: &self.outgoing, last })
    }
}
