//! What namespaces see, what keys were, and what waits to be approved: the reading routes beside `/config`.

use confman_api::client::{Client, ClientOptions, CourierClient, Credential, RequestFilter};
use confman_api::listing::Paging;
use confman_api::publish_request::PublishRequestItem;
use confman_api::reading::ViewRepresentation;
use confman_core::access::Role;
use confman_core::ids::{ConfigKey, NamespacePath, RequestId};
use confman_core::principal::Principal;
use confman_core::publish_request::{Decision, RequestState};
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::workflow::{APPS, declare_apps, publish, reader, request_of};

/// `/apps`, `/apps/web` and `/apps/web/eu` without approval. The reader key publishes in all of them, the stranger key views
/// the last one only.
pub(crate) struct Tree {
    pub(crate) cluster: Cluster,
}

impl Tree {
    pub(crate) async fn new() -> Self {
        let cluster = Cluster::running(Settings::nodes(1).direct_writes()).await;
        let courier = cluster.courier(0);
        let publisher = (Role::Publisher, "key:reader");
        let viewer = (Role::Viewer, "key:stranger");
        for (name, path, roles) in [
            (APPS, "/apps", vec![publisher]),
            ("web", "/apps/web", Vec::new()),
            ("eu", "/apps/web/eu", vec![viewer]),
        ] {
            let body = cluster.stamper.declare(name, path, &roles, None);
            courier.declare_namespace(&body).await.expect("root may declare");
        }
        let tree = Self { cluster };
        for (path, json) in [
            ("/apps/colour", "\"blue\""),
            ("/apps/limit", "10"),
            ("/apps/web/colour", "\"red\""),
            ("/apps/web/eu/vat", "{\"rate\": 0.25}"),
            ("/apps/web-key", "true"),
        ] {
            tree.put(path, json).await;
        }
        tree
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.cluster.http_address(0))
    }

    pub(crate) async fn put(&self, path: &str, json: &str) {
        let call = Call::new(
            Method::PUT,
            self.url(&format!("/config{path}")),
            Some(&self.cluster.reader_key),
        );
        let written = call.body("application/json", json).send().await.expect("an answer");
        assert_eq!(written.status, 200, "{}", written.text);
    }

    /// As the caller who may read `/apps/web/eu` and nothing else.
    pub(crate) async fn get(&self, path: &str, accept: &str) -> Answer {
        let call = Call::new(Method::GET, self.url(path), Some(&self.cluster.stranger_key));
        call.header("accept", accept).send().await.expect("an answer")
    }

    fn client(&self) -> Client {
        let options = ClientOptions {
            endpoints: vec![format!("http://{}", self.cluster.http_address(0))],
            credential: Credential::ApiKey(self.cluster.stranger_key.clone()),
            ca_pem: None,
            timeout: std::time::Duration::from_secs(30),
        };
        Client::new(&options).expect("the client can be built")
    }
}

fn path(text: &str) -> NamespacePath {
    NamespacePath::parse(text).expect("a valid path")
}

fn key(text: &str) -> ConfigKey {
    ConfigKey::parse(text).expect("a valid key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_sees_what_it_inherits_and_says_where_it_is_from() {
    let tree = Tree::new().await;
    let page = tree.client().effective(&path("/apps/web/eu"), &Paging::default()).await;
    let items: Vec<_> = page
        .expect("the stranger may view /apps/web/eu")
        .items
        .into_iter()
        .map(|item| {
            (
                item.key.to_string(),
                item.origin.to_string(),
                item.value.get().to_owned(),
            )
        })
        .collect();
    let item = |key: &str, origin: &str, value: &str| (key.to_owned(), origin.to_owned(), value.to_owned());
    assert_eq!(
        items,
        [
            item("colour", "/apps/web", "\"red\""),
            item("limit", "/apps", "10"),
            item("vat", "/apps/web/eu", "{\"rate\":0.25}"),
            item("web-key", "/apps", "true"),
        ]
    );
    let one = tree
        .client()
        .effective_value(&path("/apps/web/eu"), &key("limit"))
        .await;
    let one = one.expect("an answer").expect("it is inherited");
    assert_eq!((one.origin.as_str(), one.version), ("/apps", 1));
    assert_eq!(
        tree.get("/effective/apps/web", "*/*").await.problem().status,
        404,
        "no role there"
    );
    assert_eq!(
        tree.get("/config/apps/limit", "*/*").await.problem().status,
        404,
        "nor by its own name"
    );
    assert_eq!(
        tree.get("/effective/apps/web/eu/none", "*/*").await.problem().status,
        404
    );
    assert_eq!(
        tree.get("/effective/apps/web/eu/later/colour", "*/*")
            .await
            .problem()
            .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_view_comes_in_pages_of_json_or_whole_as_a_file() {
    let tree = Tree::new().await;
    let first = tree
        .get("/effective/apps/web/eu?limit=3", "application/json")
        .await
        .json();
    let cursor = first["pagination"]["nextCursor"].as_str().expect("there is more");
    let rest = tree
        .get(&format!("/effective/apps/web/eu?limit=3&cursor={cursor}"), "*/*")
        .await
        .json();
    assert_eq!(rest["items"][0]["key"], "web-key");
    assert_eq!(
        (rest["items"].as_array().map(Vec::len), &rest["pagination"]["hasMore"]),
        (Some(1), &false.into())
    );

    let dotenv = tree.get("/effective/apps/web/eu", "text/x-dotenv").await;
    assert_eq!(dotenv.header("content-type"), "text/x-dotenv; charset=utf-8");
    assert_eq!(
        dotenv.text,
        "colour=red\nlimit=10\nvat='{\"rate\":0.25}'\nweb_key=true\n"
    );
    let properties = tree.get("/effective/apps/web/eu", "text/x-java-properties").await;
    assert!(properties.text.contains("web-key"), "{}", properties.text);
    let yaml = tree
        .client()
        .effective_file(&path("/apps/web/eu"), ViewRepresentation::Yaml)
        .await;
    assert!(
        yaml.expect("the view").contains("origin: /apps/web"),
        "each value names its origin"
    );
    let paged = tree.get("/effective/apps/web/eu?limit=3", "text/x-dotenv").await;
    assert_eq!(paged.problem().field.as_deref(), Some("limit"));

    let text = tree.get("/effective/apps/web/eu/colour", "text/plain").await;
    assert_eq!((text.text.as_str(), text.header("confman-version")), ("red", "1"));
    let call = Call::new(
        Method::GET,
        tree.url("/effective/apps/web/eu/colour"),
        Some(&tree.cluster.stranger_key),
    );
    let unchanged = call
        .header("if-none-match", text.header("etag"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(unchanged.status, 304);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_newest_first_and_tells_what_changed() {
    let tree = Tree::new().await;
    for rate in ["0.2", "0.21", "0.22"] {
        tree.put("/apps/web/eu/vat", &format!("{{\"rate\": {rate}, \"since\": 2026}}"))
            .await;
    }
    let client = tree.client();
    let (eu, vat) = (path("/apps/web/eu"), key("vat"));
    let versions = client
        .history(&eu, &vat, true, &Paging::default())
        .await
        .expect("an answer")
        .expect("there is a key")
        .items;
    let shown: Vec<_> = versions
        .iter()
        .map(|version| {
            (
                version.version,
                version.live,
                version.value.as_ref().map(|value| value.get()),
            )
        })
        .collect();
    assert_eq!(shown[0], (4, true, Some("{\"rate\":0.22,\"since\":2026}")));
    assert_eq!(shown[3], (1, false, Some("{\"rate\":0.25}")));
    let page = tree.get("/history/apps/web/eu/vat?limit=3", "*/*").await.json();
    assert_eq!(
        (&page["items"][0]["value"], &page["items"][0]["deleted"]),
        (&serde_json::Value::Null, &false.into())
    );
    let cursor = page["pagination"]["nextCursor"].as_str().expect("there is more");
    let rest = tree
        .get(&format!("/history/apps/web/eu/vat?limit=3&cursor={cursor}"), "*/*")
        .await
        .json();
    assert_eq!(rest["items"][0]["version"], 1);

    let last = client
        .version_diff(&eu, &vat, (None, None))
        .await
        .expect("an answer")
        .expect("a difference");
    assert_eq!((last.from, last.to, last.diff.entries.len()), (3, 4, 1));
    assert_eq!(last.diff.entries[0].pointer, "/rate");
    let all = client
        .version_diff(&eu, &vat, (Some(1), Some(4)))
        .await
        .expect("an answer")
        .expect("a difference");
    assert_eq!(all.diff.entries.len(), 2);
    let first = client
        .version_diff(&eu, &vat, (None, Some(1)))
        .await
        .expect("an answer")
        .expect("a difference");
    assert_eq!((first.from, first.diff.entries[0].op.as_str()), (0, "add"));
    let gone = tree.get("/history/apps/web/eu/vat:diff?from=9", "*/*").await.problem();
    assert_eq!((gone.status, gone.field.as_deref()), (404, Some("from")));
    assert_eq!(tree.get("/history/apps/web/eu/none", "*/*").await.problem().status, 404);
    assert_eq!(
        tree.get("/history/apps/limit", "*/*").await.problem().status,
        404,
        "another tenant's"
    );
    let misplaced = tree.get("/history/apps/web/eu/vat?from=1", "*/*").await.problem();
    assert_eq!((misplaced.status, misplaced.field.as_deref()), (400, Some("from")));
}

/// `/apps` with approval, and four requests in it: published, rejected, pending, pending.
async fn requests(cluster: &Cluster) -> CourierClient {
    declare_apps(cluster).await;
    let courier = cluster.courier(0);
    publish(cluster, &courier, "r1", "colour", "{\"a\":1,\"b\":2}").await;
    for (id, who, json) in [
        ("r2", "ada", "1"),
        ("r3", "bob", "{\"a\":1,\"b\":3}"),
        ("r4", "ada", "4"),
    ] {
        let submission = cluster
            .stamper
            .submit(id, who, (APPS, if id == "r3" { "colour" } else { id }), json);
        let submitted = courier.submit(&submission).await.expect("editors may submit");
        if id == "r2" {
            let request = request_of(submitted.outcome);
            let review = cluster.stamper.review(&request, "cyd", Decision::Reject);
            courier.review(&review).await.expect("cyd may reject");
        }
    }
    courier
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_listed_newest_first_by_whatever_is_asked() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    requests(&cluster).await;
    let client = reader(&cluster, 0);
    let listed = async |filter: RequestFilter| {
        let page = client
            .publish_requests(&filter, &Paging::default())
            .await
            .expect("the list is served");
        let ids = page
            .items
            .into_iter()
            .map(|item: PublishRequestItem| item.id.to_string());
        ids.collect::<Vec<_>>()
    };
    let all = RequestFilter::default;
    assert_eq!(listed(all()).await, ["r4", "r3", "r2", "r1"]);
    let pending = RequestFilter {
        state: Some(RequestState::PendingReview),
        ..all()
    };
    assert_eq!(listed(pending).await, ["r4", "r3"]);
    let rejected_of_ada = RequestFilter {
        state: Some(RequestState::Rejected),
        submitter: Some(Principal::user("ada")),
        namespace: Some(path("/apps")),
        ..all()
    };
    assert_eq!(listed(rejected_of_ada).await, ["r2"]);
    let waiting = RequestFilter {
        waiting_for_me: true,
        ..all()
    };
    assert_eq!(
        listed(waiting).await,
        [""; 0],
        "nothing waits for a key: it is no person"
    );

    let get = async |query: &str, key: &str| {
        let url = format!("http://{}/api/v1/publish-requests{query}", cluster.http_address(0));
        crate::http::get(&url, Some(key)).await.expect("an answer")
    };
    let first = get("?limit=3", &cluster.reader_key).await.json();
    let cursor = first["pagination"]["nextCursor"].as_str().expect("there is more");
    let rest = get(&format!("?limit=3&cursor={cursor}"), &cluster.reader_key)
        .await
        .json();
    assert_eq!(rest["items"][0]["id"], "r1");
    let foreign = get(&format!("?state=Rejected&cursor={cursor}"), &cluster.reader_key).await;
    assert_eq!(foreign.problem().field.as_deref(), Some("cursor"));
    let hidden = get("", &cluster.stranger_key).await.json();
    assert_eq!(
        hidden["items"],
        serde_json::json!([]),
        "another tenant sees none of them"
    );
    assert_eq!(
        get("?namespace=/apps", &cluster.stranger_key).await.problem().status,
        404
    );
    for (query, field) in [
        ("?state=Done", "state"),
        ("?submitter=ada", "submitter"),
        ("?waiting-for=bob", "waiting-for"),
        ("?namespace=apps", "namespace"),
    ] {
        let problem = get(query, &cluster.reader_key).await.problem();
        assert_eq!(
            (problem.status, problem.field.as_deref()),
            (400, Some(field)),
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_shows_what_it_changes_who_agreed_and_who_may() {
    let cluster = Cluster::running(Settings::nodes(1)).await;
    requests(&cluster).await;
    let client = reader(&cluster, 0);
    let review = async |id: &str| {
        let id = RequestId::parse(id).expect("an id");
        let request = client
            .publish_request(&id)
            .await
            .expect("an answer")
            .expect("it is there");
        request.review.expect("a reviewer is told")
    };
    let names = |people: Vec<&Principal>| people.iter().map(ToString::to_string).collect::<Vec<_>>();
    let open = review("r3").await;
    let diff = open.diff.expect("the version it was made against is retained");
    assert_eq!(
        (diff.entries.len(), diff.entries[0].pointer.as_str(), diff.masked),
        (1, "/b", false)
    );
    assert_eq!((open.live_version, open.approvals_needed), (Some(1), 1));
    assert_eq!(
        names(open.eligible_approvers.iter().collect()),
        ["user:cyd", "user:root"],
        "bob asked for it"
    );
    assert_eq!(open.approvals_counted, []);
    let done = review("r1").await;
    assert_eq!(names(done.approvals_counted.iter().collect()), ["user:bob"]);
    assert!(done.eligible_approvers.is_empty(), "nobody has a say any more");
}
