//! What the leader adds to a command before it enters the log: the verdict of the schemas, with the revisions it looked
//! at, and the protection of secrets. Apply compares the revisions, so that a verdict on what has moved counts nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use confman_core::digest::Digest;
use confman_core::ids::{ConfigKey, LogPosition, NamespacePath, RequestId};
use confman_core::namespace::{ConfigNamespace, Governance, SchemaBinding, each, inherited, schema_lineage};
use confman_core::outcome::Rejection;
use confman_core::proposal::{Command, ReviewRequest};
use confman_core::publish_request::{Operation, RequestSpec};
use confman_core::schema::{KeyRules, Violation};
use confman_core::state::StateView as _;
use confman_core::value::ConfigValue;
use confman_core::verdict::Verdict;
use confman_store::{LiveRange, ReadError, Room, SnapshotView, StateReader};

use crate::auth::access::lineage;
use crate::schema::{CompiledSchema, Held, Holding, NamespaceObject, OpenChange, SchemaCache};
use crate::secrets::{Place, SecretError, Secrets};

/// Compiled schemas that are kept.
const CACHED_SCHEMAS: usize = 1_024;
/// Most keys of a namespace that a schema about the whole of it may look at.
const MOST_KEYS: usize = 10_000;
/// Most open requests that are looked at before a schema is bound.
const MOST_REQUESTS: usize = 1_000;

/// Why a command cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The rules say no, before anything is written.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] ReadError),
    /// A secret cannot be sealed.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Judges commands. Cheap to clone.
#[derive(Clone)]
pub struct Judge {
    state: StateReader,
    schemas: Arc<SchemaCache>,
    secrets: Secrets,
}

/// What a schema would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Violations of the live values.
    pub live: Vec<Violation>,
    /// Requests that could not be published: id, key, and why.
    pub requests: Vec<(RequestId, ConfigKey, Vec<Violation>)>,
}

/// A change of one key.
struct Change<'a> {
    namespace: &'a NamespacePath,
    key: &'a ConfigKey,
    /// None deletes it.
    value: Option<&'a ConfigValue>,
}

impl Judge {
    /// Over the state of this node, with its sealing keys.
    pub fn new(state: StateReader, secrets: Secrets) -> Self {
        Self {
            state,
            schemas: Arc::new(SchemaCache::new(CACHED_SCHEMAS)),
            secrets,
        }
    }

    /// Position of the state that is judged by; zeros before the first entry.
    pub fn applied(&self) -> LogPosition {
        self.state.applied().unwrap_or(LogPosition { term: 0, index: 0 })
    }

    /// The sealing keys.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The schema in `text`, compiled once.
    pub fn compile(&self, text: &str) -> Result<Arc<CompiledSchema>, Rejection> {
        let compiled = self.schemas.get(Digest::of(text.as_bytes()), text);
        compiled.map_err(|error| Rejection::InvalidField {
            field: "schema".to_owned(),
            detail: error.to_string(),
        })
    }

    /// `command` with what only the leader may add, by the state applied here.
    pub fn prepare(&self, command: Command) -> Result<Command, JudgeError> {
        self.state.read(|view| self.prepare_in(view, command))
    }

    fn prepare_in(&self, view: &SnapshotView<'_>, mut command: Command) -> Result<Command, JudgeError> {
        match &mut command {
            Command::PutEntry(put) => {
                put.verdict = self.judge(view, &change(&put.namespace, &put.key, Some(&put.value)))?;
                self.protect(&put.namespace, (&put.key, &mut put.value), put.verdict.as_ref())?;
            }
            Command::PutDraft(put) => {
                put.verdict = self.judge(view, &change(&put.namespace, &put.key, Some(&put.value)))?;
                self.protect(&put.namespace, (&put.key, &mut put.value), put.verdict.as_ref())?;
            }
            Command::DeleteEntry(delete) => {
                delete.verdict = self.judge(view, &change(&delete.namespace, &delete.key, None))?;
            }
            Command::RollBackEntry(back) => {
                let version = view.version(&back.namespace, &back.key, back.to_version)?;
                let value = version.and_then(|version| version.value);
                back.verdict = self.judge(view, &change(&back.namespace, &back.key, value.as_ref()))?;
            }
            Command::OpenRequest(open) => {
                let value = asked_for(view, &open.namespace, &open.spec)?;
                open.verdict = self.judge(view, &change(&open.namespace, &open.spec.key, value.as_ref()))?;
                if let Some(value) = &mut open.spec.value {
                    self.protect(&open.namespace, (&open.spec.key, value), open.verdict.as_ref())?;
                }
            }
            Command::SubmitRequest(submit) => {
                let object = &submit.requester.statement;
                let path = view.claimed_path(&object.kubernetes_namespace, &submit.spec.namespace_ref)?;
                if let Some(path) = path {
                    let value = asked_for(view, &path, &submit.spec)?;
                    submit.verdict = self.judge(view, &change(&path, &submit.spec.key, value.as_ref()))?;
                    refuse_plain(&submit.spec, submit.verdict.as_ref())?;
                }
            }
            Command::ApproveRequest(review) | Command::PublishApproved(review) => self.judge_review(view, review)?,
            Command::DeclareNamespace(declare) => self.check_schema(&declare.settings.governance)?,
            Command::PutNamespace(put) => self.check_schema(&put.settings.governance)?,
            Command::PutSchema(put) => drop(self.compile(&put.text)?),
            Command::InitialiseCluster(_)
            | Command::RegisterStampKey(_)
            | Command::ReleaseNamespace(_)
            | Command::RejectRequest(_)
            | Command::WithdrawRequest(_)
            | Command::DeleteDraft(_)
            | Command::DeleteNamespace(_)
            | Command::DescribeEntry(_)
            | Command::SetIdentity(_)
            | Command::AddStampKey(_)
            | Command::IssueApiKey(_)
            | Command::RevokeApiKey(_)
            | Command::RecordDelivery(_)
            | Command::RecoverCluster(_)
            | Command::CompareReplicas(_)
            | Command::NoteRotation(_) => {}
        }
        Ok(command)
    }

    fn judge_review(&self, view: &SnapshotView<'_>, review: &mut ReviewRequest) -> Result<(), JudgeError> {
        let request = view.request(&review.request_id)?;
        if let Some((request, spec)) = request.as_ref().and_then(|request| Some((request, request.spec()?))) {
            let change = change(&request.namespace, &spec.key, request.new_value());
            review.verdict = self.judge(view, &change)?;
        }
        Ok(())
    }

    fn check_schema(&self, governance: &Governance) -> Result<(), JudgeError> {
        match &governance.schema {
            Some(SchemaBinding::Inline(text)) => drop(self.compile(text)?),
            Some(SchemaBinding::Stored(_)) | None => {}
        }
        Ok(())
    }

    /// The verdict on a change; none where no schema holds.
    fn judge(&self, view: &SnapshotView<'_>, change: &Change<'_>) -> Result<Option<Verdict>, JudgeError> {
        let lineage = lineage(view.namespaces(), change.namespace);
        let holding_namespaces: Vec<_> = schema_lineage(each(&lineage)).collect();
        if holding_namespaces.is_empty() {
            return Ok(None);
        }
        let namespaces: BTreeMap<_, _> = holding_namespaces
            .iter()
            .map(|namespace| (namespace.path.clone(), namespace.revision))
            .collect();
        let holding = self.holding(view, &holding_namespaces)?;
        let live = view.live(change.namespace, change.key)?;
        let (before, content_revision) = self.before(view, change, &holding)?;
        let after = before.after(change.key, change.value.map(|value| self.held(change, value)));
        Ok(Some(Verdict {
            namespaces,
            content_revision,
            live_version: live.map_or(0, |version| version.number),
            rules: holding.key_rules(change.key.as_str()),
            violations: holding.judge(&before, &after, change.key),
        }))
    }

    /// Every schema that holds, together.
    fn holding(&self, view: &SnapshotView<'_>, namespaces: &[&ConfigNamespace]) -> Result<Holding, JudgeError> {
        let mut compiled = Vec::with_capacity(namespaces.len());
        for namespace in namespaces {
            let text = own_text(view, namespace)?;
            compiled.extend(text.map(|text| self.compile(&text)).transpose()?);
        }
        Ok(Holding::new(compiled))
    }

    /// What the schemas see before the change: the key alone where they look at no more, else the whole namespace, whose
    /// content revision then counts.
    fn before(
        &self,
        view: &SnapshotView<'_>,
        change: &Change<'_>,
        holding: &Holding,
    ) -> Result<(NamespaceObject, Option<u64>), JudgeError> {
        let mut before = NamespaceObject::default();
        if holding.is_property_only() {
            if let Some(value) = view.live(change.namespace, change.key)?.and_then(|live| live.value) {
                before.set(change.key, self.held(change, &value));
            }
            return Ok((before, None));
        }
        let before = self.whole(view, change.namespace)?;
        Ok((before, Some(view.content_revision(change.namespace)?)))
    }

    /// Every live value of a namespace.
    fn whole(&self, view: &SnapshotView<'_>, namespace: &NamespacePath) -> Result<NamespaceObject, JudgeError> {
        let range = LiveRange {
            namespace,
            prefix: "",
            after: None,
        };
        let mut whole = NamespaceObject::default();
        let mut room = Room::for_items(MOST_KEYS);
        let more = view.live_versions(range, &mut room, |version| {
            if let Some(value) = &version.value {
                let held = self.held(&change(namespace, &version.key, None), value);
                whole.set(&version.key, held);
            }
        })?;
        if more.is_none() {
            return Ok(whole);
        }
        Err(Rejection::InvalidField {
            field: "schema".to_owned(),
            detail: format!(
                "{namespace} has more than {MOST_KEYS} keys or {} bytes, too much for a schema about all of them",
                Room::BYTES
            ),
        })?
    }

    /// A value as the schemas see it: opened, where it can be.
    fn held(&self, change: &Change<'_>, value: &ConfigValue) -> Held {
        let place = Place {
            namespace: change.namespace,
            key: change.key,
        };
        match self.secrets.open(place, value) {
            Ok(plain) => Held::of(&plain),
            Err(_) => Held::of(value),
        }
    }

    /// Seals or keys a value where the rules ask for it.
    fn protect(
        &self,
        namespace: &NamespacePath,
        (key, value): (&ConfigKey, &mut ConfigValue),
        verdict: Option<&Verdict>,
    ) -> Result<(), JudgeError> {
        let Some(rules) = verdict.map(|verdict| &verdict.rules).filter(|rules| rules.hidden()) else {
            return Ok(());
        };
        let place = Place { namespace, key };
        let protected = if rules.encrypted {
            self.secrets.seal(place, value.clone())
        } else {
            self.secrets.key_digest(value.clone())
        };
        *value = protected.map_err(|error| match error {
            SecretError::NoKey => JudgeError::Refused(Rejection::NotSealed { key: key.clone() }),
            SecretError::UnknownKey | SecretError::Damaged | SecretError::NoRandomness => JudgeError::Secret(error),
        })?;
        Ok(())
    }

    /// What would break in the namespace at `path` if `schema` were its own.
    pub fn would_break(&self, path: &NamespacePath, schema: Option<&SchemaBinding>) -> Result<Broken, JudgeError> {
        self.state.read(|view| {
            let lineage = lineage(view.namespaces(), path);
            let above: Vec<_> = schema_lineage(inherited(each(&lineage)).skip(1)).collect();
            let mut own = ConfigNamespace::clone(lineage.first().ok_or_else(|| Rejection::NamespaceNotFound {
                namespace: path.to_string(),
            })?);
            own.settings.governance.schema = schema.cloned();
            let all: Vec<_> = std::iter::once(&own).chain(above).collect();
            self.broken(view, path, &self.holding(view, &all)?)
        })
    }

    fn broken(&self, view: &SnapshotView<'_>, path: &NamespacePath, holding: &Holding) -> Result<Broken, JudgeError> {
        let live = self.whole(view, path)?;
        let requests = view.open_requests(path, MOST_REQUESTS)?;
        let keyed = || {
            requests
                .iter()
                .filter_map(|request| Some((request, &request.spec()?.key)))
        };
        let open: Vec<_> = keyed()
            .map(|(request, key)| OpenChange {
                request: &request.id,
                key,
                held: request
                    .new_value()
                    .map(|value| self.held(&change(path, key, None), value)),
            })
            .collect();
        let broken = holding.breaks(&live, &open);
        let key_of = |id: &RequestId| {
            keyed()
                .find(|(request, _)| request.id == *id)
                .map(|(_, key)| key.clone())
        };
        let named = broken.requests.into_iter();
        Ok(Broken {
            live: broken.live,
            requests: named
                .filter_map(|broken| Some((broken.request.clone(), key_of(&broken.request)?, broken.violations)))
                .collect(),
        })
    }

    /// What the schemas say about a key now; the default where none holds.
    pub fn rules(&self, namespace: &NamespacePath, key: &ConfigKey) -> Result<KeyRules, JudgeError> {
        self.state.read(|view| {
            let lineage = lineage(view.namespaces(), namespace);
            let namespaces: Vec<_> = schema_lineage(each(&lineage)).collect();
            if namespaces.is_empty() {
                return Ok(KeyRules::default());
            }
            Ok(self.holding(view, &namespaces)?.key_rules(key.as_str()))
        })
    }
}

fn change<'a>(namespace: &'a NamespacePath, key: &'a ConfigKey, value: Option<&'a ConfigValue>) -> Change<'a> {
    Change { namespace, key, value }
}

/// The text of the schema that `namespace` itself binds; none if it binds none.
pub fn own_text<'n>(
    view: &SnapshotView<'_>,
    namespace: &'n ConfigNamespace,
) -> Result<Option<Cow<'n, str>>, ReadError> {
    match &namespace.settings.governance.schema {
        None => Ok(None),
        Some(SchemaBinding::Inline(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(SchemaBinding::Stored(reference)) => Ok(view.schema(reference)?.map(|stored| Cow::Owned(stored.text))),
    }
}

/// The value that a spec would publish; none for a deletion, or where there is none.
fn asked_for(
    view: &SnapshotView<'_>,
    namespace: &NamespacePath,
    spec: &RequestSpec,
) -> Result<Option<ConfigValue>, ReadError> {
    match spec.operation {
        Operation::Put => match (&spec.value, spec.draft) {
            (Some(value), _) => Ok(Some(value.clone())),
            (None, Some(digest)) => {
                let draft = view.draft(namespace, &spec.key)?;
                Ok(draft.map(|draft| draft.value).filter(|value| value.digest() == digest))
            }
            (None, None) => Ok(None),
        },
        Operation::Rollback => {
            let version = view.version(namespace, &spec.key, spec.to_version.unwrap_or(0))?;
            Ok(version.and_then(|version| version.value))
        }
        Operation::Delete | Operation::Govern => Ok(None),
    }
}

/// A plain secret in an object is in etcd and in Git already; the log must not have it too.
fn refuse_plain(spec: &RequestSpec, verdict: Option<&Verdict>) -> Result<(), Rejection> {
    let hidden = verdict.is_some_and(|verdict| verdict.rules.hidden());
    let is_plain = |value: &ConfigValue| {
        value.value_type() != confman_core::value::ValueType::SecretRef && value.protection().is_none()
    };
    if hidden && spec.value.as_ref().is_some_and(is_plain) {
        return Err(Rejection::PlainSecretInObject { key: spec.key.clone() });
    }
    Ok(())
}
