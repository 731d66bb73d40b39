//! An issuer under the control of a test: a real https server that signs tokens, rotates its keys, goes away, answers
//! rubbish, or is slow.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use confman_core::identity::{Issuer, IssuerKeys, IssuerSubjects, SigningAlgorithm};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair, SanType};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A key that signs tokens.
pub(super) enum Signer {
    Es256(String, Box<EcdsaKeyPair>),
    Rs256(String, Box<RsaKeyPair>),
}

impl Signer {
    pub(super) fn es256(id: &str) -> Self {
        let how = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &random).expect("a key can be made");
        let key = EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &random).expect("the key is good");
        Self::Es256(id.to_owned(), Box::new(key))
    }

    /// Always the same key: making one takes long.
    pub(super) fn rs256(id: &str) -> Self {
        let text: String = include_str!("../../../testdata/issuer-rsa-key.base64")
            .split_whitespace()
            .collect();
        let der = STANDARD.decode(text).expect("base64");
        let key = RsaKeyPair::from_der(&der).expect("the key is good");
        Self::Rs256(id.to_owned(), Box::new(key))
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Self::Es256(id, _) | Self::Rs256(id, _) => id,
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(..) => "ES256",
            Self::Rs256(..) => "RS256",
        }
    }

    /// As a JWKS has it.
    pub(super) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(id, key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
                       "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::Rs256(id, key) => {
                let public = signature::RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": id, "use": "sig", "n": encode(&public.n), "e": encode(&public.e)})
            }
        }
    }

    /// A signed token with the header that belongs to the key.
    pub(super) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm(), "kid": self.id(), "typ": "JWT"});
        self.sign(&header.to_string(), &claims.to_string())
    }

    /// Signs whatever header and claims are given.
    pub(super) fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let random = SystemRandom::new();
        let signed = match self {
            Self::Es256(_, key) => {
                let signed = key.sign(&random, message.as_bytes()).expect("it can sign");
                signed.as_ref().to_vec()
            }
            Self::Rs256(_, key) => {
                let mut signed = vec![0; key.public().modulus_len()];
                let how = &signature::RSA_PKCS1_SHA256;
                key.sign(how, &random, message.as_bytes(), &mut signed)
                    .expect("it can sign");
                signed
            }
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
    }
}

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Serving,
    /// Hangs up.
    Away,
    /// Answers 200 and nonsense.
    Rubbish,
    /// Takes a connection and never answers.
    Silent,
    /// Its discovery document speaks for somebody else.
    Lying,
    /// Answers more than anybody should read.
    Endless,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) ca_pem: String,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    jwks: Value,
    asked: usize,
}

impl Server {
    pub(super) async fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
        params.subject_alt_names = vec![SanType::IpAddress(address.ip())];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("it can sign itself");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("they belong together");
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Serving,
            jwks: Value::Null,
            asked: 0,
        }));
        let server = Self {
            address,
            ca_pem: certificate.pem(),
            state: Arc::clone(&state),
        };
        server.publish(signers);
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), state));
        server
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}/realm", self.address)
    }

    /// Publishes exactly the keys of `signers`.
    pub(super) fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        self.state.lock().jwks = json!({ "keys": keys });
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    /// How often its keys were asked for.
    pub(super) fn asked(&self) -> usize {
        self.state.lock().asked
    }

    /// Settings that trust it.
    pub(super) fn settings(&self) -> Issuer {
        Issuer {
            realm: "corp".to_owned(),
            url: self.url(),
            audiences: vec!["confman".to_owned()],
            algorithms: vec![SigningAlgorithm::Rs256, SigningAlgorithm::Es256],
            username_claim: "sub".to_owned(),
            groups_claim: Some("groups".to_owned()),
            subjects: IssuerSubjects::People,
            keys: IssuerKeys::Discovery,
            ca_pem: Some(self.ca_pem.clone()),
        }
    }

    /// Claims of a good token.
    pub(super) fn claims(&self) -> Value {
        let now = UNIX_EPOCH.elapsed().expect("it is after 1970").as_secs();
        json!({"iss": self.url(), "aud": "confman", "sub": "ada", "groups": ["team-a"], "iat": now, "exp": now + 600})
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<Mutex<State>>) {
    while let Ok((stream, address)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        let local = stream.local_addr().unwrap_or(address);
        tokio::spawn(async move {
            if state.lock().mood == Mood::Away {
                return;
            }
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => return,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let Some(body) = answer(&request, local, &state) else {
                return std::future::pending().await;
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

/// None: never.
fn answer(request: &str, local: SocketAddr, state: &Mutex<State>) -> Option<String> {
    let mut state = state.lock();
    let url = format!("https://{local}/realm");
    match state.mood {
        Mood::Silent => None,
        Mood::Rubbish | Mood::Away => Some("<html>nothing here</html>".to_owned()),
        Mood::Endless => Some(" ".repeat(1 << 20)),
        Mood::Lying => Some(json!({"issuer": "https://other", "jwks_uri": format!("{url}/keys")}).to_string()),
        Mood::Serving if request.starts_with("GET /realm/.well-known/openid-configuration ") => {
            Some(json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string())
        }
        Mood::Serving => {
            state.asked += 1;
            Some(state.jwks.to_string())
        }
    }
}
