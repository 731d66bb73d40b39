//! Tests of [`super`]: who is let in by the handshake of the clients' port, and what its requests know of them.

use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::*;
use crate::auth::certificates::PeopleCa;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("the CA can sign itself")
}

/// A certificate with its key.
struct Shown {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn person(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
    params.distinguished_name.push(DnType::CommonName, "ada");
    change(&mut params);
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.signed_by(&key, authority).expect("the CA can sign");
    Shown {
        certificate: certificate.der().clone(),
        key: PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
    }
}

/// The clients' port, with a handler that tells who showed a certificate.
struct PublicPort {
    address: SocketAddr,
    server: CertificateDer<'static>,
    people: Arc<PeopleCa>,
    stop: CancellationToken,
}

impl PublicPort {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (socket, address) = bind(([127, 0, 0, 1], 0).into()).await.expect("a free port");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
        params.subject_alt_names = vec![SanType::IpAddress(address.ip())];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("it can sign itself");
        std::fs::write(folder.path().join("tls.crt"), certificate.pem()).expect("the file can be written");
        std::fs::write(folder.path().join("tls.key"), key.serialize_pem()).expect("the file can be written");
        let people = Arc::new(PeopleCa::default());
        let tls = crate::tls::public_server(folder.path(), Arc::clone(&people)).expect("the certificate is good");
        let known = Arc::clone(&people);
        let who = move |request: Request<Body>| {
            let known = Arc::clone(&known);
            async move {
                match request.extensions().get::<PeerCertificates>() {
                    Some(PeerCertificates(chain)) => match known.authenticate(chain, crate::propose::now()) {
                        Ok(holder) => holder.login.principal.to_string(),
                        Err(error) => error.to_string(),
                    },
                    None => "nobody".to_owned(),
                }
            }
        };
        let listener = Listener {
            name: "test",
            socket,
            tls: Some(tls),
            router: Router::new().route("/", get(who)),
        };
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, TaskTracker::new(), stop.clone()));
        Self {
            address,
            server: certificate.der().clone(),
            people,
            stop,
        }
    }

    /// Who a client is by its certificate; an error if it is not let in.
    async fn who(&self, shown: Option<&Shown>) -> io::Result<String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.server.clone()).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_root_certificates(roots);
        let config = match shown {
            Some(shown) => builder
                .with_client_auth_cert(vec![shown.certificate.clone()], shown.key.clone_key())
                .expect("they belong together"),
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::from(self.address.ip());
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.rsplit_once("\r\n").ok_or(io::ErrorKind::InvalidData)?;
        Ok(body.to_owned())
    }
}

impl Drop for PublicPort {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn the_clients_port_knows_people_by_their_certificate_and_lets_others_in_without() {
    let (trusted, foreign) = (authority(), authority());
    let port = PublicPort::start().await;
    let ada = person(&trusted, |_| {});
    assert_eq!(
        port.who(Some(&ada)).await.ok().as_deref(),
        Some("nobody"),
        "nobody is asked before a CA is trusted"
    );

    port.people.set(Some(&trusted.pem()));
    assert_eq!(port.who(Some(&ada)).await.ok().as_deref(), Some("user:mtls/ada"));
    assert_eq!(
        port.who(None).await.ok().as_deref(),
        Some("nobody"),
        "who has none shows something else"
    );

    let stranger = person(&foreign, |_| {});
    assert!(port.who(Some(&stranger)).await.is_err(), "a certificate of another CA");
    let expired = person(&trusted, |params| params.not_after = rcgen::date_time_ymd(2002, 1, 1));
    assert!(port.who(Some(&expired)).await.is_err(), "an expired certificate");

    port.people.set(Some(&foreign.pem()));
    assert!(port.who(Some(&ada)).await.is_err(), "the CA has changed");
    assert_eq!(port.who(Some(&stranger)).await.ok().as_deref(), Some("user:mtls/ada"));
}
