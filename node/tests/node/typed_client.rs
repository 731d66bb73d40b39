//! The main job through the typed client alone: a program by its key and two people by their tokens.

use std::process::{Command, Stdio};
use std::time::Duration;

use confman_api::client::{Client, ClientError, ClientOptions, Governed, NewValue, RolledBack};
use confman_api::config::MetaPatch;
use confman_api::namespaces::{CreateNamespaceBody, NamespaceWrittenView};
use confman_api::problem::ProblemType;
use confman_api::publish_request::{OpenRequestBody, RollbackBody};
use confman_core::idempotency::IdempotencyKey;
use confman_core::ids::{ConfigKey, NamespacePath};
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
            api_key: welcome.key,
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
    let drafts = ada.drafts(&shop, None).await.expect("a page");
    assert_eq!(drafts.items[0].digest, drafted.digest);
    let of_draft = OpenRequestBody::new(shop.clone(), rate.clone(), Operation::Put);
    let request = ada.open_request(&of_draft).await.expect("a request");
    assert_eq!(
        kind(ada.approve(&request.id, request.digest, None).await),
        Some(ProblemType::SelfApproval)
    );
    let rejected = bob.reject(&request.id, Some("too much")).await.expect("it is rejected");
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
    let live = program.value(&shop, &rate, None).await.expect("an answer");
    assert_eq!(live.expect("it is live").value.get(), "10");
    let second = program.value_of_version(&shop, &rate, 2).await.expect("an answer");
    assert_eq!(second.expect("it is retained").value.get(), "20");
    let late = ada.withdraw(&request.id, None).await;
    assert!(late.is_err(), "it is published: {late:?}");
    dev.stop().await;
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

    let keys = program.keys(&tools, None).await.expect("a page");
    let names: Vec<_> = keys.items.iter().map(|item| item.key.to_string()).collect();
    assert_eq!(names, ["token", "word"]);
    let deleted = program
        .delete_value(&tools, &word, Precondition::Digest(first.digest))
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
    let listed = program.namespaces(None).await.expect("a page");
    let paths: Vec<_> = listed.items.iter().map(|item| item.path.as_str()).collect();
    assert_eq!(paths, ["/", "/tools"]);

    assert_eq!(program.health().await.expect("it works").status, "ok");
    assert_eq!(program.readiness(true).await.expect("it is ready").status, "ready");
    assert!(program.openapi().await.expect("a text").contains("\"openapi\""));
    dev.stop().await;
}
