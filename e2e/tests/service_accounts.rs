//! Tokens that a real API server issues to service accounts, shown to real nodes which know its issuer and its keys only.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confman_api::internal::Identity;
use confman_e2e::console::Console;
use confman_e2e::kubectl::{Kubectl, text_at};
use confman_e2e::kubernetes::{Kubernetes, Origin};
use confman_e2e::load::http::Connection;
use confman_e2e::nodes::{LocalNodes, Options};
use confman_e2e::processes::beside_this_program;
use serde_json::{Value, json};

/// Kubernetes namespace of the accounts.
const APPS: &str = "apps";
/// The accounts: one that reads, one that writes, one without a role.
const ACCOUNTS: [&str; 3] = ["web", "deployer", "idle"];
/// What nodes want to be named as.
const AUDIENCE: &str = "confman";
const GREETING: &str = "/api/v1/config/apps/greeting";
/// How long a node may take to learn what the cluster knows.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at a node.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Status and body, as JSON where it is any.
type Answer = (u16, Value);

#[test]
fn a_service_account_reads_and_writes_with_its_token_and_by_its_roles_alone() -> anyhow::Result<()> {
    let console = Console::default();
    let name = format!("accounts-{}", std::process::id());
    let kubernetes = Kubernetes::known(Origin::Local, &name)?;
    kubernetes.end_with_this_process()?;
    let used = Kubernetes::up_without_pods(&console, &name).and_then(|kubernetes| use_tokens(&kubernetes.kubectl));
    // Removed whatever happened; the first error is the one to report.
    let removed = kubernetes
        .down(&console)
        .and_then(|()| kubernetes.expect_no_leftovers(&console));
    used.and(removed)
}

#[tokio::main(flavor = "current_thread")]
async fn use_tokens(kubectl: &Kubectl) -> anyhow::Result<()> {
    kubectl.quiet(&["create", "namespace", APPS])?;
    for account in ACCOUNTS {
        kubectl.quiet(&["-n", APPS, "create", "serviceaccount", account])?;
    }
    let folder = tempfile::tempdir()?;
    let nodes = LocalNodes::start(&Options {
        program: beside_this_program("confman-node")?,
        folder: folder.path().to_owned(),
        nodes: 3,
        identity: identity(kubectl)?,
    })
    .await?;
    let cluster = Cluster { kubectl, nodes: &nodes };
    cluster.give_roles().await?;
    cluster.readers_read_and_are_told_who_they_are().await?;
    cluster.writers_write_through_every_node().await?;
    cluster.accounts_without_a_role_see_nothing().await?;
    cluster.tokens_that_are_not_for_confman_are_refused().await?;
    cluster.altered_tokens_are_refused().await
}

/// What an admin of Confman writes down of a Kubernetes: `docs/access.md` says how.
fn identity(kubectl: &Kubectl) -> anyhow::Result<Identity> {
    let discovery: Value =
        serde_json::from_str(&kubectl.quiet(&["get", "--raw", "/.well-known/openid-configuration"])?)?;
    let jwks = kubectl.quiet(&["get", "--raw", "/openid/v1/jwks"])?;
    let issuer = json!({
        "realm": "kubernetes",
        "url": text_at(&discovery, "/issuer"),
        "audiences": [AUDIENCE],
        "subjects": "serviceAccounts",
        "keys": {"inline": jwks},
        "groupsClaim": null,
    });
    serde_json::from_value(json!({"issuers": [issuer]})).context("write the identity")
}

struct Cluster<'a> {
    kubectl: &'a Kubectl,
    nodes: &'a LocalNodes,
}

impl Cluster<'_> {
    /// A namespace with a value, and each node knows of it.
    async fn give_roles(&self) -> anyhow::Result<()> {
        let admin = format!("x-api-key: {}", self.nodes.api_key);
        let node = self.nodes.http.first().context("no node")?;
        let roles = json!({"viewer": ["serviceaccount:apps/web"], "publisher": ["serviceaccount:apps/deployer"]});
        let namespace = json!({"path": "/apps", "settings": {"governance": {"inherit": true, "roles": roles}}});
        let made = send(node, &admin, "POST /api/v1/namespaces", Some(&namespace)).await?;
        expect(&made, 201, "the namespace is made")?;
        let written = send(node, &admin, &format!("PUT {GREETING}"), Some(&json!("hello"))).await?;
        expect(&written, 200, "the value is written")?;
        let deadline = Instant::now() + PATIENCE;
        for node in &self.nodes.http {
            let read = format!("GET {GREETING}?consistency=linearizable");
            loop {
                let answer = send(node, &admin, &read, None).await?;
                if answer.0 == 200 {
                    break;
                }
                anyhow::ensure!(Instant::now() < deadline, "{node} never saw the value: {answer:?}");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        Ok(())
    }

    async fn readers_read_and_are_told_who_they_are(&self) -> anyhow::Result<()> {
        let web = self.token("web", AUDIENCE)?;
        let expires_at = claims(&web)?["exp"].as_i64().context("a token has an end")?;
        for node in &self.nodes.http {
            let (status, body) = send(node, &bearer(&web), &format!("GET {GREETING}"), None).await?;
            anyhow::ensure!(status == 200 && body["value"] == "hello", "{status}: {body}");

            let (status, body) = send(node, &bearer(&web), "GET /api/v1/whoami", None).await?;
            anyhow::ensure!(status == 200, "{status}: {body}");
            anyhow::ensure!(body["principal"] == "serviceaccount:apps/web", "{body}");
            anyhow::ensure!(body["credential"] == "bearerToken", "{body}");
            anyhow::ensure!(
                body["roles"] == json!([{"namespace": "/apps", "role": "viewer"}]),
                "{body}"
            );
            let told: jiff::Timestamp = text_at(&body, "/expiresAt").parse().context("a time")?;
            // Clocks may be off by a minute.
            anyhow::ensure!(
                (expires_at..=expires_at + 60).contains(&told.as_second()),
                "{told} for {expires_at}"
            );

            let written = send(node, &bearer(&web), &format!("PUT {GREETING}"), Some(&json!("mine"))).await?;
            expect(&written, 403, "viewers do not write")?;
        }
        Ok(())
    }

    /// Two of three nodes hand the token on to the leader, which verifies it again.
    async fn writers_write_through_every_node(&self) -> anyhow::Result<()> {
        let deployer = bearer(&self.token("deployer", AUDIENCE)?);
        for (number, node) in self.nodes.http.iter().enumerate() {
            let value = json!(format!("hello {number}"));
            let written = send(node, &deployer, &format!("PUT {GREETING}"), Some(&value)).await?;
            expect(&written, 200, "publishers write")?;
            let read = format!("GET {GREETING}?consistency=linearizable");
            let (status, body) = send(node, &deployer, &read, None).await?;
            anyhow::ensure!(status == 200 && body["value"] == value, "{status}: {body}");
            anyhow::ensure!(body["publishedBy"] == "serviceaccount:apps/deployer", "{body}");
        }
        Ok(())
    }

    async fn accounts_without_a_role_see_nothing(&self) -> anyhow::Result<()> {
        let idle = bearer(&self.token("idle", AUDIENCE)?);
        for node in &self.nodes.http {
            let (status, body) = send(node, &idle, "GET /api/v1/whoami", None).await?;
            anyhow::ensure!(status == 200 && body["roles"] == json!([]), "{status}: {body}");
            for path in [GREETING, "/api/v1/config/apps", "/api/v1/namespaces/apps"] {
                let answer = send(node, &idle, &format!("GET {path}"), None).await?;
                expect(&answer, 404, path)?;
            }
        }
        Ok(())
    }

    async fn tokens_that_are_not_for_confman_are_refused(&self) -> anyhow::Result<()> {
        let issuer = text_at(&claims(&self.token("web", AUDIENCE)?)?, "/iss").to_owned();
        // The API server's own audience too: what a pod has for it by default says nothing to Confman.
        for audience in ["vault", issuer.as_str()] {
            self.expect_refused(&self.token("web", audience)?, audience).await?;
        }
        Ok(())
    }

    async fn altered_tokens_are_refused(&self) -> anyhow::Result<()> {
        let idle = self.token("idle", AUDIENCE)?;
        let [head, body, signature] = parts(&idle)?;
        let mut claims = claims(&idle)?;
        claims["sub"] = json!("system:serviceaccount:apps:web");
        let other_body = URL_SAFE_NO_PAD.encode(claims.to_string());
        let unsigned = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
        let web = self.token("web", AUDIENCE)?;
        let [.., signature_of_web] = parts(&web)?;
        let altered = [
            ("another account", format!("{head}.{other_body}.{signature}")),
            ("the signature of another", format!("{head}.{body}.{signature_of_web}")),
            ("no signature", format!("{head}.{other_body}.")),
            ("no algorithm", format!("{unsigned}.{other_body}.")),
        ];
        for (what, token) in &altered {
            self.expect_refused(token, what).await?;
        }
        // They were refused for what they are: the account itself is let in from the same address.
        let node = self.nodes.http.first().context("no node")?;
        let answer = send(node, &bearer(&idle), "GET /api/v1/whoami", None).await?;
        expect(&answer, 200, "the unaltered token")
    }

    async fn expect_refused(&self, token: &str, what: &str) -> anyhow::Result<()> {
        for node in &self.nodes.http {
            let answer = send(node, &bearer(token), &format!("GET {GREETING}"), None).await?;
            expect(&answer, 401, what)?;
            let kind = text_at(&answer.1, "/type");
            anyhow::ensure!(kind.ends_with("/unauthorized"), "{what}: {kind}");
        }
        Ok(())
    }

    /// A token as the API server issues it to a pod's volume.
    fn token(&self, account: &str, audience: &str) -> anyhow::Result<String> {
        let printed = self.kubectl.quiet(&[
            "-n",
            APPS,
            "create",
            "token",
            account,
            "--audience",
            audience,
            "--duration=10m",
        ])?;
        Ok(printed.trim().to_owned())
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}")
}

fn parts(token: &str) -> anyhow::Result<[&str; 3]> {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().ok().context("a token has three parts")
}

fn claims(token: &str) -> anyhow::Result<Value> {
    let [_, body, _] = parts(token)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body)?).context("read the claims")
}

/// One request over a connection of its own.
async fn send(node: &str, credential: &str, line: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {node}\r\n{credential}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(node).await?;
    let (status, body) = connection.send(request.as_bytes()).await?;
    Ok((status, serde_json::from_slice(body).unwrap_or_default()))
}

fn expect((status, body): &Answer, expected: u16, what: &str) -> anyhow::Result<()> {
    anyhow::ensure!(*status == expected, "{what}: {status}, not {expected}: {body}");
    Ok(())
}
