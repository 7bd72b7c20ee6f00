//! TLS for probes: this node's roots, or any certificate at all. Read from disk when first needed.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Miss, Stage, address, plain};

/// The two ways to trust.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    verified: OnceCell<Arc<ClientConfig>>,
    unverified: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Trusts `roots` instead of the node's.
    #[cfg(test)]
    pub(super) fn trusting(roots: RootCertStore) -> Tls {
        Tls {
            verified: OnceCell::new_with(Some(with_roots(roots))),
            unverified: OnceCell::new(),
        }
    }

    /// A TLS session over `stream`. With `verify`, only to who can prove to be `host`.
    pub(crate) async fn open(
        &self,
        stream: TcpStream,
        host: &str,
        verify: bool,
        stage: &Stage,
    ) -> Result<TlsStream<TcpStream>, Miss> {
        let host = address::host(host)?;
        stage.enter(format!("agreeing on TLS with {host}"));
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Miss::Unknown(format!(
                "{host:?} cannot be in a certificate: use a DNS name or an address"
            ))
        })?;
        let config = if verify {
            self.verified.get_or_try_init(native).await?.clone()
        } else {
            self.unverified.get_or_init(async || any()).await.clone()
        };
        TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(|e| Miss::Failed(format!("TLS: {}", plain(&e))))
    }
}

async fn native() -> Result<Arc<ClientConfig>, Miss> {
    let loaded = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs)
        .await
        .map_err(|_| {
            Miss::Unknown("reading this node's CA certificates broke off; ask again".into())
        })?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        return Err(Miss::Unknown(
            "this node has no CA certificates: install the package ca-certificates".into(),
        ));
    }
    Ok(with_roots(roots))
}

fn with_roots(roots: RootCertStore) -> Arc<ClientConfig> {
    Arc::new(
        builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

fn any() -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate(provider));
    Arc::new(
        builder()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth(),
    )
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default cipher suites")
}

/// Accepts who ever answers, for probes that say `insecure` and for reading the dates of a certificate nobody trusts.
/// The peer must still prove that it holds the certificate's key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
