//! What authenticated callers do in a scenario, and what the schemas are said to have found.

use std::collections::{BTreeMap, BTreeSet};

use confman_core::api_key::{ApiKeyRecord, KeyScope};
use confman_core::digest::Digest;
use confman_core::entry::EntryMeta;
use confman_core::identity::Identity;
use confman_core::ids::{ConfigKey, NamespacePath};
use confman_core::namespace::{NamespaceSettings, schema_lineage};
use confman_core::principal::Actor;
use confman_core::proposal::{
    AddStampKey, Command, DeleteDraft, DeleteEntry, DeleteNamespace, DescribeEntry, IssueApiKey, OpenRequest,
    Precondition, PutDraft, PutNamespace, PutSchema, RevokeApiKey, RollBackEntry, SetIdentity,
};
use confman_core::publish_request::{Decision, Operation, RequestSpec};
use confman_core::schema::{KeyRules, Violation};
use confman_core::state::StateView as _;
use confman_core::verdict::Verdict;
use confman_core::webhook::{SecretSource, TargetName, WebhookFormat, WebhookTarget, WebhookUrl};

use crate::builders::{caller, key, path, request_id, reviewing_over_http, seconds, settings, spec, subject, value};
use crate::world::World;

use super::step::Step;

impl Step<'_> {
    /// The command of an authenticated caller; none if nobody does that.
    pub(super) fn authenticated(&self, world: &World, verb: &str) -> Option<Command> {
        let actor = caller(self.who);
        Some(match verb {
            "drafts" => {
                let (namespace, key) = self.place();
                Command::PutDraft(PutDraft {
                    actor,
                    verdict: self.verdict(world, &namespace, &key),
                    namespace,
                    key,
                    value: value(self.or("value", "1")),
                    expected: self.expected(),
                })
            }
            "discards" => {
                let (namespace, key) = self.place();
                Command::DeleteDraft(DeleteDraft {
                    actor,
                    namespace,
                    key,
                    expected: self.expected(),
                })
            }
            "asks" => self.ask(world, actor),
            "rolls-back" => {
                let (namespace, key) = self.place();
                Command::RollBackEntry(RollBackEntry {
                    actor,
                    verdict: self.verdict(world, &namespace, &key),
                    namespace,
                    key,
                    to_version: self.number("to").expect("a version"),
                    comment: None,
                })
            }
            "deletes" => {
                let (namespace, key) = self.place();
                Command::DeleteEntry(DeleteEntry {
                    actor,
                    verdict: self.verdict(world, &namespace, &key),
                    namespace,
                    key,
                    expected: self.expected(),
                })
            }
            "makes" => Command::PutNamespace(PutNamespace {
                actor,
                path: path(self.target),
                settings: NamespaceSettings {
                    webhooks: self.webhooks(),
                    ..settings(self.governance())
                },
                expected_revision: self.number("revision"),
            }),
            "removes" => Command::DeleteNamespace(DeleteNamespace {
                actor,
                path: path(self.target),
                expected_revision: self.number("revision"),
            }),
            "describes" => self.describe(actor),
            "stores" => Command::PutSchema(PutSchema {
                actor,
                path: path(self.target),
                text: self.or("text", "{}").to_owned(),
                expected_revision: self.number("revision"),
            }),
            "adds-stamp-key" => Command::AddStampKey(AddStampKey {
                actor,
                key: self.stamp_key(world),
            }),
            "identifies" => self.identify(world, actor),
            "issues" => self.issue(actor),
            "revokes" => Command::RevokeApiKey(RevokeApiKey {
                actor,
                name: self.target.to_owned(),
            }),
            _ => return None,
        })
    }

    /// The namespace and the key of the target.
    fn place(&self) -> (NamespacePath, ConfigKey) {
        let (namespace, name) = self.target.rsplit_once('/').expect("a path and a key");
        let namespace = if namespace.is_empty() { "/" } else { namespace };
        (path(namespace), key(name))
    }

    /// `if=VALUE`, `if=nothing` or `if=something`.
    fn expected(&self) -> Precondition {
        match self.option("if") {
            None => Precondition::Any,
            Some("nothing") => Precondition::Absent,
            Some("something") => Precondition::Present,
            Some(text) => Precondition::Digest(value(text).digest()),
        }
    }

    fn ask(&self, world: &World, actor: Actor) -> Command {
        let (namespace, key) = self.place();
        let to_version = self.number("back");
        let draft = self.option("draft").map(|text| value(text).digest());
        let is_delete = self.has("delete");
        let operation = match (to_version, is_delete) {
            (Some(_), _) => Operation::Rollback,
            (None, true) => Operation::Delete,
            (None, false) => Operation::Put,
        };
        let has_value = operation == Operation::Put && draft.is_none();
        Command::OpenRequest(OpenRequest {
            actor,
            spec: RequestSpec {
                operation,
                value: has_value.then(|| value(self.or("value", "1"))),
                expected_version: self.number("expecting"),
                on_behalf_of: self.list("for").into_iter().map(str::to_owned).collect(),
                to_version,
                draft,
                ..spec(namespace.as_str(), key.as_str(), "0")
            },
            resubmits: self.option("again").map(request_id),
            verdict: self.verdict(world, &namespace, &key),
            namespace,
        })
    }

    fn describe(&self, actor: Actor) -> Command {
        let (namespace, key) = self.place();
        let numbers = self.list("pins").into_iter();
        Command::DescribeEntry(DescribeEntry {
            actor,
            namespace,
            key,
            meta: EntryMeta {
                description: self.option("text").map(str::to_owned),
                tags: BTreeSet::new(),
                is_final: self.has("final"),
                pins: numbers.map(|number| number.parse().expect("a version")).collect(),
            },
        })
    }

    /// All aliases anew: `aliases=LOGIN>PERSON,…`; the rest stays.
    fn identify(&self, world: &World, actor: Actor) -> Command {
        let cluster = world.state.cluster().expect("memory is always readable");
        let present = cluster.map_or_else(Identity::default, |cluster| cluster.identity.clone());
        let pair = |text: &str| {
            let (login, person) = text.split_once('>').expect("a login and a person");
            (subject(login), subject(person))
        };
        Command::SetIdentity(SetIdentity {
            actor,
            identity: Identity {
                aliases: self.list("aliases").into_iter().map(pair).collect(),
                anonymous_reads: self.has("anonymous"),
                ..present
            },
        })
    }

    fn issue(&self, actor: Actor) -> Command {
        let end = self
            .number("until")
            .map(|time| i64::try_from(time).expect("a few seconds"));
        Command::IssueApiKey(IssueApiKey {
            key: ApiKeyRecord {
                name: self.target.to_owned(),
                hash: Digest::of(self.target.as_bytes()),
                environment: "test".to_owned(),
                scope: KeyScope {
                    namespace: self.option("scope").map(path),
                    read_only: self.has("read-only"),
                },
                created_by: actor.principal.clone(),
                created_at: seconds(0),
                expires_at: end.map(seconds),
                revoked_at: None,
            },
            actor,
        })
    }

    /// The review of the target by an authenticated caller.
    pub(super) fn authenticated_review(&self, world: &World, decision: Decision, verdict: Option<Verdict>) -> Command {
        let mut statement = world.review_statement(self.who, self.target, decision);
        if let Some(other) = self.option("digest") {
            statement.digest = Digest::of(other.as_bytes());
        }
        statement.comment = self.option("saying").map(str::to_owned);
        let mut command = reviewing_over_http(self.target, caller(self.who), &statement);
        if let Command::ApproveRequest(review) | Command::PublishApproved(review) = &mut command {
            review.verdict = verdict;
        }
        command
    }

    /// `hooks=NAME,…`; a name that ends with `+` also hears of the namespaces below.
    pub(super) fn webhooks(&self) -> Vec<WebhookTarget> {
        let target = |name: &str| WebhookTarget {
            name: TargetName::parse(name.trim_end_matches('+')).expect("a name"),
            url: WebhookUrl::parse("https://hooks.example.org/in").expect("a url"),
            format: WebhookFormat::Generic,
            events: BTreeSet::new(),
            secret: SecretSource::parse("hook").expect("a secret"),
            recursive: name.ends_with('+'),
        };
        self.list("hooks").into_iter().map(target).collect()
    }

    /// What the schemas say about the key of the request that is reviewed.
    pub(super) fn verdict_on(&self, world: &World) -> Option<Verdict> {
        let request = world.request(self.target)?;
        let key = request.key()?.clone();
        self.verdict(world, &request.namespace, &key)
    }

    /// `judged` is a verdict on what holds now, with `content` also on all of the namespace; `violations=2` of them
    /// found; `encrypted` and `sensitive` are what the schema calls the key; `outdated` looked too early, and
    /// `outdated=live` or `outdated=content` at another version or other content.
    pub(super) fn verdict(&self, world: &World, namespace: &NamespacePath, key: &ConfigKey) -> Option<Verdict> {
        if !self.has("judged") {
            return None;
        }
        let outdated = self.option("outdated");
        let places = namespace.self_and_ancestors();
        let lineage: Vec<_> = places
            .filter_map(|place| world.state.namespace(&place).expect("memory is always readable"))
            .collect();
        let early = u64::from(outdated == Some(""));
        let namespaces: BTreeMap<_, _> = schema_lineage(lineage.iter().map(AsRef::as_ref))
            .map(|holding| (holding.path.clone(), holding.revision - early))
            .collect();
        let live = world.live(namespace.as_str(), key.as_str());
        let content = world
            .state
            .content_revision(namespace)
            .expect("memory is always readable");
        let violation = |number: u64| Violation {
            pointer: format!("/{key}"),
            keyword: "maximum".to_owned(),
            message: format!("violation {number}"),
            choices: BTreeMap::new(),
        };
        Some(Verdict {
            namespaces,
            content_revision: self
                .has("content")
                .then_some(content + u64::from(outdated == Some("content"))),
            live_version: live.map_or(0, |version| version.number) + u64::from(outdated == Some("live")),
            rules: KeyRules {
                encrypted: self.has("encrypted"),
                sensitive: self.has("sensitive"),
                ..KeyRules::default()
            },
            violations: (0..self.number("violations").unwrap_or(0)).map(violation).collect(),
        })
    }
}
