//! The main job through the typed client alone: a program by its key and two people by their tokens.

use std::process::{Command, Stdio};
use std::time::Duration;

use confman_api::client::{
    AuditOrder, AuditQuery, Client, ClientError, ClientOptions, Credential, Governed, KeyFilter, NewValue,
    RequestFilter, RolledBack, WaitedChange,
};
use confman_api::cluster::MembershipState;
use confman_api::config::MetaPatch;
use confman_api::listing::Paging;
use confman_api::namespaces::{CreateNamespaceBody, NamespaceWrittenView};
use confman_api::problem::ProblemType;
use confman_api::publish_request::{OpenRequestBody, RollbackBody};
use confman_api::reading::{Consistency, Representation, ViewRepresentation};
use confman_core::audit::AuditAction;
use confman_core::cluster::StampKey;
use confman_core::digest::Digest;
use confman_core::idempotency::IdempotencyKey;
use confman_core::ids::{ConfigKey, NamespacePath, Timestamp};
use confman_core::namespace::{Governance, NamespaceSettings, SchemaBinding, SchemaReference, Workflow};
use confman_core::proposal::Precondition;
use confman_core::publish_request::{Operation, RequestState};
use serde_json::value::RawValue;

use crate::dev_mode::read_welcome;
use crate::process::{PROGRAM, Process};

/// One node in dev mode, and who calls it.
struct Dev {
    folder: tempfile::TempDir,
    process: Process,
    program: Client,
    ada: Client,
    bob: Client,
}

impl Dev {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(PROGRAM);
        command.args(["dev", "--port", "0"]).stdout(Stdio::piped());
        let mut process = Process::start(command, &folder.path().join("log"));
        let welcome = read_welcome(&mut process);
        let program = Client::new(&ClientOptions {
            endpoints: vec![welcome.url],
            credential: Credential::ApiKey(welcome.key),
            ca_pem: None,
            timeout: Duration::from_mins(1),
        });
        let program = program.expect("a client");
        let person = |authorization: &str| {
            let token = authorization.strip_prefix("Bearer ").expect("a bearer token");
            program.with_token(token)
        };
        Self {
            ada: person(&welcome.ada),
            bob: person(&welcome.bob),
            folder,
            process,
            program,
        }
    }

    async fn stop(mut self) {
        self.process.stop("-INT").await;
        drop(self.folder);
    }
}

fn path(text: &str) -> NamespacePath {
    NamespacePath::parse(text).expect("a path")
}

fn key(text: &str) -> ConfigKey {
    ConfigKey::parse(text).expect("a key")
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("JSON")
}

fn kind<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Option<ProblemType> {
    answer.expect_err("it is refused").problem()?.kind()
}

fn one_a_page() -> Paging {
    Paging {
        limit: Some(1),
        cursor: None,
    }
}

/// Creates a namespace with or without rules of its own.
async fn create(client: &Client, namespace: &NamespacePath, workflow: Option<Workflow>) -> NamespaceWrittenView {
    let governance = Governance {
        workflow,
        ..Governance::inherited()
    };
    let body = CreateNamespaceBody {
        path: namespace.clone(),
        settings: NamespaceSettings::governed(governance),
    };
    in_force(client.create_namespace(&body).await)
}

fn in_force<T>(answer: Result<Governed<T>, ClientError>) -> T {
    match answer.expect("it is accepted") {
        Governed::InForce(view) => view,
        Governed::Pending(pending) => unreachable!("others decide {pending:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_decide_goes_through_the_typed_client() {
    let dev = Dev::start();
    let Dev { ada, bob, program, .. } = &dev;
    let (shop, rate) = (path("/shop"), key("rate"));
    create(ada, &shop, Some(Workflow::REVIEWED)).await;
    let workflow = ada.workflow(&shop).await.expect("an answer").expect("it is there");
    assert_eq!(workflow.workflow, Some(Workflow::REVIEWED));
    let direct = program
        .write_value(&shop, &rate, NewValue::Json(json("1000")), Precondition::Any)
        .await;
    assert_eq!(kind(direct), Some(ProblemType::ApprovalRequired));

    let drafted = ada
        .write_draft(&shop, &rate, NewValue::Json(json("1000")), Precondition::Absent)
        .await
        .expect("a draft");
    let drafts = ada.drafts(&shop, &Paging::default()).await.expect("a page");
    assert_eq!(drafts.items[0].digest, drafted.digest);
    let of_draft = OpenRequestBody::new(shop.clone(), rate.clone(), Operation::Put);
    let request = ada.open_request(&of_draft).await.expect("a request");
    assert_eq!(
        kind(ada.approve(&request.id, request.digest, None).await),
        Some(ProblemType::SelfApproval)
    );
    let waiting = RequestFilter {
        waiting_for_me: true,
        ..RequestFilter::default()
    };
    for (person, count) in [(ada, 0), (bob, 1)] {
        let page = person.publish_requests(&waiting, &Paging::default()).await;
        assert_eq!(page.expect("a page").items.len(), count);
    }
    let other = bob.reject(&request.id, Some(Digest::of(b"other")), None).await;
    assert_eq!(kind(other), Some(ProblemType::DigestMismatch));
    let rejected = bob.reject(&request.id, Some(request.digest), Some("too much")).await;
    let rejected = rejected.expect("it is rejected");
    assert_eq!(rejected.state, RequestState::Rejected);
    ada.delete_draft(&shop, &rate, Precondition::Digest(drafted.digest))
        .await
        .expect("it is thrown away");
    assert!(ada.draft(&shop, &rate).await.expect("an answer").is_none());

    for (version, value) in [(1, "10"), (2, "20")] {
        let body = OpenRequestBody {
            value: Some(json(value)),
            ..of_draft.clone()
        };
        let once = ada.with_idempotency_key(IdempotencyKey::parse(&format!("rate-{value}")).expect("a key"));
        let request = once.open_request(&body).await.expect("a request");
        let repeated = once.open_request(&body).await.expect("the same request");
        assert_eq!(repeated.id, request.id);
        let approved = bob.approve(&request.id, request.digest, None).await.expect("approved");
        assert_eq!(approved.published_version, Some(version));
    }
    let back = RollbackBody {
        to_version: 1,
        comment: Some("too fast".to_owned()),
    };
    let RolledBack::Pending(request) = bob.roll_back(&shop, &rate, &back).await.expect("a request") else {
        unreachable!("others decide a rollback here")
    };
    let approved = ada.approve(&request.id, request.digest, None).await.expect("approved");
    assert_eq!(approved.published_version, Some(3));
    let live = program.value(&shop, &rate).await.expect("an answer");
    assert_eq!(live.expect("it is live").value.get(), "10");
    let second = program.value_of_version(&shop, &rate, 2).await.expect("an answer");
    assert_eq!(second.expect("it is retained").value.get(), "20");
    let history = program.history(&shop, &rate, true, &one_a_page()).await;
    let history = history.expect("an answer").expect("there is a key");
    assert_eq!(history.items[0].value.as_ref().map(|value| value.get()), Some("10"));
    let next = history.next_page().expect("there is more");
    let history = program.history(&shop, &rate, true, &next).await;
    assert_eq!(history.expect("an answer").expect("there is a key").items[0].version, 2);
    let query = AuditQuery {
        action: Some(AuditAction::ConfigPublished),
        ..AuditQuery::default()
    };
    let oldest = AuditOrder::OldestFirst;
    let events = bob
        .audit(&shop, &query, oldest, &Paging::default())
        .await
        .expect("a page");
    let versions: Vec<_> = events
        .items
        .iter()
        .filter_map(|event| event.0.change.as_ref()?.new_version)
        .collect();
    assert_eq!(versions, [1, 2, 3]);
    let late = ada.withdraw(&request.id, None, None).await;
    assert!(late.is_err(), "it is published: {late:?}");
    dev.stop().await;
}

/// Reads `token` and `word` of a namespace by every listing and in every form.
async fn reads_in_every_form(program: &Client, tools: &NamespacePath, word: &ConfigKey) {
    let (mut paging, mut names) = (Some(one_a_page()), Vec::new());
    while let Some(page) = paging {
        let keys = program.keys(tools, &KeyFilter::default(), &page).await.expect("a page");
        names.extend(keys.items.iter().map(|item| item.key.to_string()));
        paging = keys.next_page();
    }
    assert_eq!(names, ["token", "word"]);
    let filter = KeyFilter {
        prefix: Some("wo".to_owned()),
        recursive: true,
    };
    let root = NamespacePath::root();
    let values = program
        .values(&root, &filter, &Paging::default())
        .await
        .expect("a page");
    let values: Vec<_> = values.items.iter().map(|item| item.value.get()).collect();
    assert_eq!(values, ["\"one\""]);
    let view = program
        .value(tools, word)
        .await
        .expect("an answer")
        .expect("it is there");
    let text = program.represented_value(tools, word, Representation::Text).await;
    let text = text.expect("an answer").expect("it is there");
    assert_eq!(text.bytes, b"one");
    assert_eq!(text.media_type, Representation::Text.media_type());
    assert_eq!((text.version, text.digest), (view.version, view.digest));
    let form = Representation::Octets;
    let seen = program.represented_effective_value(tools, word, form).await;
    assert_eq!(seen.expect("an answer").expect("it is there").bytes, b"one");
    let none = program.represented_value(tools, &key("none"), form).await;
    assert!(none.expect("an answer").is_none());
    let form = ViewRepresentation::Properties;
    let file = program.effective_file(tools, form).await.expect("a file");
    assert!(file.contains("word=one"), "{file}");

    let index = view.position.index;
    let own = program.with_consistency(Consistency::AtLeast(index));
    let own = own.with_max_age(Duration::from_mins(1));
    assert!(own.value(tools, word).await.expect("an answer").is_some());
    let all = KeyFilter::default();
    let waited = program.wait_for_keys(tools, &all, 1, Duration::from_secs(30)).await;
    let waited = waited.expect("something has changed");
    assert!(waited.index >= index);
    let WaitedChange::Found(page) = waited.change else {
        unreachable!("{:?}", waited.change)
    };
    assert_eq!(page.items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_does_goes_through_the_typed_client() {
    let dev = Dev::start();
    let program = &dev.program;
    let (tools, word) = (path("/tools"), key("word"));
    create(program, &tools, None).await;
    let first = program
        .write_value(&tools, &word, NewValue::Text("one".to_owned()), Precondition::Absent)
        .await
        .expect("a version");
    let again = program
        .write_value(&tools, &word, NewValue::Text("two".to_owned()), Precondition::Absent)
        .await;
    assert_eq!(kind(again), Some(ProblemType::PreconditionFailed));
    let secret = NewValue::SecretRef("env://TOKEN".to_owned());
    program
        .write_value(&tools, &key("token"), secret, Precondition::Any)
        .await
        .expect("a reference");
    let changes = MetaPatch {
        description: Some(Some("a word".to_owned())),
        ..MetaPatch::default()
    };
    let meta = in_force(program.describe(&tools, &word, &changes).await);
    let read = program.description(&tools, &word).await.expect("an answer");
    assert_eq!(read.as_ref(), Some(&meta));

    let schema = json("{\"properties\":{\"retries\":{\"type\":\"integer\"}}}");
    let stored = program
        .write_schema(&tools, &schema, Some(0))
        .await
        .expect("it is stored");
    assert_eq!(stored.revision, 1);
    let read = program.schema(&tools, None).await.expect("an answer");
    assert_eq!(read.expect("it is there").revision, 1);
    let binding = Some(SchemaBinding::Stored(SchemaReference {
        path: tools.clone(),
        revision: 1,
    }));
    let report = program
        .try_schema(&tools, binding.clone())
        .await
        .expect("it can be tried");
    assert!(report.live.is_empty() && report.requests.is_empty(), "{report:?}");
    in_force(program.bind_schema(&tools, binding.clone(), None).await);
    let bound = program.schema_binding(&tools).await.expect("an answer");
    assert_eq!(bound.expect("it is there").schema, binding);
    let wrong = program
        .write_value(
            &tools,
            &key("retries"),
            NewValue::Text("x".to_owned()),
            Precondition::Any,
        )
        .await;
    assert_eq!(kind(wrong), Some(ProblemType::ValidationFailed));

    reads_in_every_form(program, &tools, &word).await;
    let deleted = program
        .delete_value(
            &tools,
            &word,
            Precondition::Digest(first.digest.expect("a value is there")),
        )
        .await
        .expect("it is deleted");
    assert_eq!(deleted.version, 2);
    let gone = path("/gone");
    let created = create(program, &gone, None).await;
    let settings = NamespaceSettings::governed(Governance {
        owner: Some("platform".to_owned()),
        ..Governance::inherited()
    });
    let written = in_force(program.set_namespace(&gone, &settings, Some(created.revision)).await);
    let stale = program.delete_namespace(&gone, Some(created.revision)).await;
    assert_eq!(kind(stale), Some(ProblemType::PreconditionFailed));
    program
        .delete_namespace(&gone, Some(written.revision))
        .await
        .expect("it is deleted");
    assert!(program.namespace(&gone).await.expect("an answer").is_none());
    let listed = program.namespaces(&Paging::default()).await.expect("a page");
    let paths: Vec<_> = listed.items.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(paths, ["/", "/tools"]);

    assert_eq!(program.health().await.expect("it works").status, "ok");
    assert_eq!(program.readiness(true).await.expect("it is ready").status, "ready");
    assert!(program.openapi().await.expect("a text").contains("\"openapi\""));
    dev.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admins_look_after_the_cluster_and_two_of_them_add_a_stamp_key() {
    let dev = Dev::start();
    let Dev { program, ada, bob, .. } = &dev;
    let public_key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key();
    let in_a_day = confman_node::propose::now().as_millis() + 24 * 3_600_000;
    let key = StampKey {
        key_id: "second".to_owned(),
        public_key: public_key.as_bytes().to_vec(),
        not_after: Timestamp::from_millis(in_a_day),
    };
    let Governed::Pending(pending) = ada.add_stamp_key(&key).await.expect("it may be asked for") else {
        unreachable!("another admin decides")
    };
    assert!(ada.stamp_keys().await.expect("the keys").items.is_empty());
    let request = bob.publish_request(&pending.request_id).await.expect("an answer");
    let digest = request.expect("it is there").digest;
    assert_eq!(
        kind(ada.approve(&pending.request_id, digest, None).await),
        Some(ProblemType::SelfApproval)
    );
    let approved = bob.approve(&pending.request_id, digest, None).await;
    assert_eq!(approved.expect("it is approved").state, RequestState::Published);
    assert_eq!(
        ada.stamp_keys().await.expect("the keys").items,
        std::slice::from_ref(&key)
    );
    let again = ada.add_stamp_key(&key).await.expect("it is there already");
    assert_eq!(again, Governed::InForce(key));

    let status = program.cluster_status().await.expect("the status");
    let [member] = status.members.as_slice() else {
        unreachable!("dev mode is one node: {status:?}")
    };
    let led = program.transfer_leader(Some(&member.node_id)).await;
    assert_eq!(led.expect("it leads already").leader, member.node_id);
    let joined = program
        .add_member(&member.address)
        .await
        .expect("it is a member already");
    assert_eq!(joined.state, MembershipState::Voter);
    let last = program.remove_member(&member.node_id).await;
    assert_eq!(kind(last), Some(ProblemType::Conflict));
    assert!(program.take_snapshot().await.expect("a snapshot").snapshot_index > 0);
    dev.stop().await;
}
