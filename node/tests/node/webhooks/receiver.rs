//! A receiver of webhooks that behaves as badly as it is told to, over TLS or plainly on the loopback.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// Name that the certificate of every receiver is for.
pub(crate) const NAME: &str = "hooks.test";

/// How a receiver answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes, and then the connection is closed.
    Bytes(String),
    /// These bytes, and then more of the second for ever.
    Endless(String, String),
    /// Nothing, and the connection stays open.
    Hang,
    /// Nothing, and the connection is closed.
    Close,
}

impl Answer {
    /// An answer with `status` and header lines, each ended with CR LF.
    pub(crate) fn status(status: u16, lines: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status} Said\r\n{lines}content-length: 2\r\n\r\nok"))
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    /// First line.
    pub(crate) line: String,
    /// Header lines.
    pub(crate) headers: Vec<(String, String)>,
    /// Body.
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// The header `name`; empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(given, _)| given == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// A running receiver; ends when dropped.
pub(crate) struct Receiver {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What vouches for its certificate; empty where it is plain.
    pub(crate) roots: RootCertStore,
    shared: Arc<Shared>,
    _serving: AbortOnDropHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    connections: Mutex<usize>,
    got: Mutex<Vec<Got>>,
}

impl Receiver {
    /// Over TLS, with a certificate for [`NAME`].
    pub(crate) async fn tls(answer: Answer) -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate can be made");
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("the certificate is a root");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the versions are known")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .expect("the key fits the certificate");
        Self::start(answer, Some(TlsAcceptor::from(Arc::new(config))), roots).await
    }

    /// Without TLS.
    pub(crate) async fn plain(answer: Answer) -> Self {
        Self::start(answer, None, RootCertStore::empty()).await
    }

    async fn start(answer: Answer, tls: Option<TlsAcceptor>, roots: RootCertStore) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port has an address");
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            connections: Mutex::new(0),
            got: Mutex::default(),
        });
        let serving = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Self {
            address,
            roots,
            shared,
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// Answers differently from now on.
    pub(crate) fn answer(&self, answer: Answer) {
        *self.shared.answer.lock() = answer;
    }

    /// Every request so far.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock()
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else {
            return;
        };
        *shared.connections.lock() += 1;
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            match tls {
                None => serve(tcp, &shared).await,
                Some(tls) => {
                    // A client that does not trust this receiver is what some tests are about.
                    if let Ok(stream) = tls.accept(tcp).await {
                        serve(stream, &shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    let Some(got) = read_request(&mut stream).await else {
        return;
    };
    shared.got.lock().push(got);
    let answer = shared.answer.lock().clone();
    // A client may leave at any time.
    let _ = match answer {
        Answer::Bytes(text) => stream.write_all(text.as_bytes()).await,
        Answer::Close => Ok(()),
        Answer::Hang => {
            std::future::pending::<()>().await;
            Ok(())
        }
        Answer::Endless(start, more) => {
            let mut written = stream.write_all(start.as_bytes()).await;
            while written.is_ok() {
                written = stream.write_all(more.as_bytes()).await;
            }
            written
        }
    };
    let _ = stream.shutdown().await;
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Got> {
    let mut bytes = Vec::new();
    let head_ends = loop {
        if let Some(found) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break found;
        }
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    };
    let head = String::from_utf8(bytes[..head_ends].to_vec()).expect("a request's head is text");
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let mut got = Got {
        line,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: bytes[head_ends + 4..].to_vec(),
    };
    let length: usize = got.header("content-length").parse().expect("a webhook has a length");
    let mut rest = vec![0; length.saturating_sub(got.body.len())];
    stream.read_exact(&mut rest).await.ok()?;
    got.body.extend_from_slice(&rest);
    Some(got)
}
