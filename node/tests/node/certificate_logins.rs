//! People who log in with a client certificate, through a whole node.

use std::net::IpAddr;

use confman_api::problem::{Problem, ProblemType};
use confman_core::identity::Identity;
use confman_core::principal::Principal;
use confman_node::tls::Holder;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use reqwest::{Client, Method, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::cluster::{Cluster, Settings};
use crate::wait::eventually;

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority_of_people() -> Issuer {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key can be made");
    CertifiedIssuer::self_signed(params, key).expect("the CA can sign itself")
}

/// What a person shows: a certificate with its key.
struct Login {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

fn login(issuer: &Issuer, name: &str, group: &str) -> Login {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names are valid names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.distinguished_name.push(DnType::OrganizationName, group);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().expect("a key can be made");
    let certificate = params.signed_by(&key, issuer).expect("the CA can sign");
    Login {
        certificate: certificate.der().clone(),
        key,
    }
}

/// A cluster whose clients' port speaks TLS.
struct Served {
    cluster: Cluster,
    _folder: tempfile::TempDir,
    authority: Authority,
}

impl Served {
    async fn start(people: &Issuer) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tls = folder.path().join("tls");
        let settings = Settings::nodes(1).with_variable("CONFMAN_HTTP_TLS_DIR", tls.display().to_string());
        let mut cluster = Cluster::prepare(settings);
        let authority = Authority::new();
        let address: IpAddr = cluster.ip(0);
        authority
            .issue(Holder::Node, &cluster.id, address)
            .write(&tls, &authority);
        cluster.start_node(0);
        let mut body = cluster.initialise();
        body.root_admins
            .push(Principal::parse("user:mtls/root").expect("a subject"));
        body.identity = Identity {
            client_ca_pem: Some(people.pem()),
            ..Identity::default()
        };
        let courier = cluster.courier(0);
        eventually("the cluster is bootstrapped", async || courier.initialise(&body).await).await;
        Self {
            cluster,
            _folder: folder,
            authority,
        }
    }

    /// A client with this login, or none.
    fn client(&self, login: Option<Login>) -> Client {
        let pem = self.authority.certificate();
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        roots.add(root).expect("a CA");
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS")
            .with_root_certificates(roots);
        let tls = match login {
            Some(Login { certificate, key }) => tls
                .with_client_auth_cert(vec![certificate], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
                .expect("the key is the certificate's"),
            None => tls.with_no_client_auth(),
        };
        // A certificate is asked for in the handshake, so each call has one of its own.
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .pool_max_idle_per_host(0);
        let builder = builder.no_proxy();
        builder.build().expect("a client can be built")
    }

    async fn send(&self, client: &Client, method: Method, path: &str, body: Value) -> reqwest::Result<Response> {
        let url = format!("https://{}/api/v1{path}", self.cluster.http_address(0));
        client.request(method, url).json(&body).send().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_with_certificates_ask_and_approve_and_others_do_not_get_in() {
    let people = authority_of_people();
    let served = Served::start(&people).await;
    let root = served.client(Some(login(&people, "root", "platform")));
    let ada = served.client(Some(login(&people, "ada", "team-a")));
    let bob = served.client(Some(login(&people, "bob", "team-a")));
    let known = eventually("the CA of people is in force", async || {
        let answer = served.send(&ada, Method::GET, "/whoami", Value::Null).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let known: Value = answer.json().await.map_err(|error| error.to_string())?;
        (known["principal"] == "user:mtls/ada")
            .then_some(known.clone())
            .ok_or(known.to_string())
    })
    .await;
    assert_eq!(known["groups"], json!(["group:mtls/team-a"]));
    assert_eq!(known["credential"], "clientCertificate");

    let roles = json!({"publisher": ["group:mtls/team-a"]});
    let apps = json!({"path": "/apps", "settings": {"governance": {"inherit": true, "roles": roles}}});
    let created = served
        .send(&root, Method::POST, "/namespaces", apps)
        .await
        .expect("an answer");
    assert_eq!(created.status(), 201);
    let asked = json!({"namespace": "/apps", "key": "colour", "value": "blue"});
    let asked = served.send(&ada, Method::POST, "/publish-requests", asked).await;
    let asked: Value = asked.expect("an answer").json().await.expect("a request");
    let path = format!("/publish-requests/{}/approve", asked["id"].as_str().expect("an id"));
    let decision = json!({"digest": asked["digest"]});
    let own = served.send(&ada, Method::POST, &path, decision.clone()).await;
    let own: Problem = own.expect("an answer").json().await.expect("a problem");
    assert_eq!(own.kind(), Some(ProblemType::SelfApproval), "{own:?}");
    let approved = served.send(&bob, Method::POST, &path, decision).await;
    let approved: Value = approved.expect("an answer").json().await.expect("a request");
    assert_eq!(approved["state"], "Published", "{approved}");

    let stranger = served.client(Some(login(&authority_of_people(), "root", "platform")));
    let refused = served.send(&stranger, Method::GET, "/whoami", Value::Null).await;
    assert!(refused.is_err(), "the handshake must fail: {refused:?}");
    let nobody = served
        .send(&served.client(None), Method::GET, "/whoami", Value::Null)
        .await;
    assert_eq!(nobody.expect("an answer").status(), 401);
}
