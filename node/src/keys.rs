//! `confman-node keys`: makes API keys and the digests that their files hold, and has the cluster issue and revoke its own.

use std::io::{BufRead as _, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use confman_api::api_keys::{ApiKeyView, IssueKeyBody};
use confman_api::client::{Client, ClientOptions, Credential};
use confman_api::listing::Paging;
use confman_core::api_key::KeyScope;

use crate::args::{IssueArgs, KeysArgs, KeysCommand, ServerArgs};
use crate::auth::api_keys::{digest_of, generate};

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Runs `keys`.
pub fn run(args: &KeysArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match &args.command {
        KeysCommand::Generate { environment } => {
            let key = generate(environment).context("no randomness")?;
            writeln!(out, "key:  {key}\nfile: {}", digest_of(&key))?;
            Ok(())
        }
        KeysCommand::Hash => {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line)?;
            writeln!(out, "{}", digest_of(line.trim()))?;
            Ok(())
        }
        KeysCommand::Issue(args) => wait_for(issue(args, &mut out)),
        KeysCommand::List(server) => wait_for(list(server, &mut out)),
        KeysCommand::Revoke { name, server } => wait_for(revoke(name, server)),
    }
}

fn wait_for(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

fn client(server: &ServerArgs) -> anyhow::Result<Client> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let key = String::from_utf8(read(&server.api_key_file)?).context("the API key is no text")?;
    let client = Client::new(&ClientOptions {
        endpoints: server.server.clone(),
        credential: Credential::ApiKey(key.trim().to_owned()),
        ca_pem: server.ca_file.as_deref().map(read).transpose()?,
        timeout: TIMEOUT,
    })?;
    Ok(client)
}

async fn issue(args: &IssueArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let body = IssueKeyBody {
        name: args.name.clone(),
        environment: args.environment.clone(),
        scope: KeyScope {
            namespace: args.namespace.clone(),
            read_only: args.read_only,
        },
        expires_at: args.expires_at,
    };
    let issued = client(&args.server)?.issue_key(&body).await?;
    writeln!(out, "{}", issued.key)?;
    Ok(())
}

async fn list(server: &ServerArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let client = client(server)?;
    let mut paging = Paging::default();
    loop {
        let page = client.issued_keys(&paging).await?;
        for key in &page.items {
            writeln!(out, "{}", line(key))?;
        }
        match page.next_page() {
            Some(next) => paging = next,
            None => return Ok(()),
        }
    }
}

/// Name, scope and how it ends, with tabs between.
fn line(key: &ApiKeyView) -> String {
    let namespace = key.scope.namespace.as_ref().map_or("/".to_owned(), ToString::to_string);
    let rights = if key.scope.read_only { "read" } else { "all" };
    let end = match (key.revoked_at, key.expires_at) {
        (Some(time), _) => format!("revoked {time}"),
        (None, Some(time)) => format!("until {time}"),
        (None, None) => "forever".to_owned(),
    };
    format!("{}\t{namespace}\t{rights}\t{end}", key.name)
}

async fn revoke(name: &str, server: &ServerArgs) -> anyhow::Result<()> {
    client(server)?.revoke_key(name).await?;
    Ok(())
}
