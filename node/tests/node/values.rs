//! Reading values: representations, conditions, versions, listings, direct writes.

use confman_core::access::Role;
use reqwest::Method;

use crate::cluster::{Cluster, Settings};
use crate::http::{Answer, Call};
use crate::workflow::APPS;

struct Site {
    cluster: Cluster,
}

impl Site {
    async fn new() -> Self {
        let cluster = Cluster::running(Settings::nodes(1).direct_writes()).await;
        let courier = cluster.courier(0);
        let roles = [(Role::Publisher, "key:reader")];
        for (name, path) in [(APPS, "/apps"), ("web", "/apps/web"), ("other", "/apps-other")] {
            let body = cluster.stamper.declare(name, path, &roles, None);
            courier
                .declare_namespace(&body)
                .await
                .expect("root may declare a namespace");
        }
        Self { cluster }
    }

    fn call(&self, method: Method, path: &str) -> Call<'_> {
        let url = format!("http://{}/api/v1{path}", self.cluster.http_address(0));
        Call::new(method, url, Some(&self.cluster.reader_key))
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await.expect("an answer")
    }

    async fn put(&self, path: &str, media_type: &str, body: &[u8]) -> Answer {
        let call = self.call(Method::PUT, &format!("/config{path}"));
        call.body(media_type, body).send().await.expect("an answer")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_has_four_representations_and_one_digest() {
    let site = Site::new().await;
    let written = site
        .put("/apps/limits", "application/json", b"{\"b\": 1.0, \"a\": [true, null]}")
        .await;
    assert_eq!(written.status, 200, "{}", written.text);
    let etag = written.header("etag").to_owned();
    assert!(etag.starts_with("\"sha256:"), "{etag}");

    let json = site.get("/config/apps/limits").await;
    assert_eq!(json.json()["value"], serde_json::json!({"a": [true, null], "b": 1}));
    assert_eq!(
        (json.header("etag"), json.header("confman-version")),
        (etag.as_str(), "1")
    );
    assert!(!json.header("confman-index").is_empty() && !json.header("confman-age-ms").is_empty());
    assert!(!json.header("traceparent").is_empty() && !json.header("x-correlation-id").is_empty());

    let yaml = site
        .call(Method::GET, "/config/apps/limits")
        .header("accept", "application/yaml")
        .send()
        .await;
    let yaml = yaml.expect("an answer");
    let document: serde_json::Value = serde_yaml::from_str(&yaml.text).expect("YAML");
    assert_eq!(document, json.json(), "the same document");
    assert_eq!(
        (yaml.header("content-type"), yaml.header("etag")),
        ("application/yaml", etag.as_str())
    );

    let text = site
        .call(Method::GET, "/config/apps/limits")
        .header("accept", "text/plain")
        .send()
        .await;
    let text = text.expect("an answer");
    assert_eq!(
        text.text, "{\"a\":[true,null],\"b\":1}",
        "canonical JSON and nothing else"
    );
    assert_eq!(text.header("content-type"), "text/plain; charset=utf-8");

    let head = site
        .call(Method::HEAD, "/config/apps/limits")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (head.status, head.text.as_str(), head.header("etag")),
        (200, "", etag.as_str())
    );

    let unchanged = site
        .call(Method::GET, "/config/apps/limits")
        .header("if-none-match", &etag)
        .send()
        .await;
    let unchanged = unchanged.expect("an answer");
    assert_eq!(
        (unchanged.status, unchanged.text.as_str(), unchanged.header("etag")),
        (304, "", etag.as_str())
    );

    let image = site
        .call(Method::GET, "/config/apps/limits")
        .header("accept", "image/png")
        .send()
        .await;
    assert_eq!(image.expect("an answer").problem().status, 406);
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_values_come_back_as_they_went() {
    let site = Site::new().await;
    let bytes = [0, 159, 146, 150, 255];
    assert_eq!(
        site.put("/apps/blob", "application/octet-stream", &bytes).await.status,
        200
    );
    assert_eq!(site.get("/config/apps/blob").await.json()["value"], "AJ+Slv8=");
    let text = site
        .call(Method::GET, "/config/apps/blob")
        .header("accept", "text/plain")
        .send()
        .await;
    assert_eq!(
        text.expect("an answer").problem().status,
        406,
        "binary has no text form"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conditional_write_loses_no_update_and_an_equal_one_makes_no_version() {
    let site = Site::new().await;
    let first = site.put("/apps/colour", "text/plain", b"blue").await;
    let etag = first.header("etag").to_owned();
    let equal = site.put("/apps/colour", "text/plain", b"blue").await;
    assert_eq!(equal.json()["version"], 1);

    let call = site.call(Method::PUT, "/config/apps/colour").header("if-match", &etag);
    let second = call.body("text/plain", "green").send().await.expect("an answer");
    assert_eq!((second.status, second.header("confman-version")), (200, "2"));
    let call = site.call(Method::PUT, "/config/apps/colour").header("if-match", &etag);
    let stale = call.body("text/plain", "red").send().await.expect("an answer");
    assert_eq!(stale.problem().status, 412);

    let call = site.call(Method::PUT, "/config/apps/size").header("if-none-match", "*");
    let made = call.body("text/plain", "large").send().await.expect("an answer");
    assert_eq!((made.status, made.header("confman-version")), (200, "1"));
    let call = site.call(Method::PUT, "/config/apps/size").header("if-none-match", "*");
    let again = call.body("text/plain", "small").send().await.expect("an answer");
    assert_eq!(again.problem().status, 412);
    assert_eq!(site.get("/config/apps/size").await.json()["value"], "large");

    let index = second.header("confman-index").to_owned();
    let read = site
        .get(&format!("/config/apps/colour?consistency=index={index}"))
        .await;
    assert_eq!(read.json()["value"], "green");
    assert_eq!(site.get("/config/apps/colour?version=1").await.json()["value"], "blue");
    assert_eq!(site.get("/config/apps/colour?version=3").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_are_paged_filtered_and_bound_to_their_query() {
    let site = Site::new().await;
    for key in ["/apps/a-1", "/apps/a-2", "/apps/b-1", "/apps/web/port", "/apps-other/x"] {
        assert_eq!(site.put(key, "text/plain", b"v").await.status, 200);
    }
    let keys = |answer: &Answer| {
        let json = answer.json();
        let items = json["items"].as_array().expect("items").clone();
        let name = |item: &serde_json::Value| item["key"].as_str().expect("a key").to_owned();
        (
            items.iter().map(name).collect::<Vec<_>>(),
            json["pagination"]["nextCursor"].as_str().map(str::to_owned),
        )
    };
    let (all, next) = keys(&site.get("/config/apps").await);
    assert_eq!(
        (all, next),
        (vec!["a-1".to_owned(), "a-2".to_owned(), "b-1".to_owned()], None)
    );
    let (prefixed, _) = keys(&site.get("/config/apps?prefix=a-").await);
    assert_eq!(prefixed, ["a-1", "a-2"]);
    let (below, _) = keys(&site.get("/config/apps?recursive=true").await);
    assert_eq!(below, ["a-1", "a-2", "b-1", "port"], "namespaces below, not beside");

    let mut seen = Vec::new();
    let mut query = "limit=1&recursive=true".to_owned();
    loop {
        let (page, next) = keys(&site.get(&format!("/config/apps?{query}")).await);
        seen.extend(page);
        match next {
            Some(cursor) => query = format!("limit=1&recursive=true&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, below);
    let cursor = keys(&site.get("/config/apps?limit=1").await).1.expect("a next page");
    let foreign = site
        .get(&format!("/config/apps?prefix=b&cursor={cursor}"))
        .await
        .problem();
    assert_eq!((foreign.status, foreign.field.as_deref()), (400, Some("cursor")));

    let values = site.get("/config/apps?values=true&limit=1").await.json();
    assert_eq!(values["items"][0]["value"], "v");
    assert_eq!(values["pagination"]["hasMore"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_over_several_namespaces_is_bounded_in_bytes() {
    let site = Site::new().await;
    let value = vec![b'v'; 1_000_000];
    let keys = [
        "/apps/a",
        "/apps/b",
        "/apps/c",
        "/apps/web/d",
        "/apps/web/e",
        "/apps/web/f",
    ];
    for key in keys {
        assert_eq!(site.put(key, "text/plain", &value).await.status, 200);
    }
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("recursive=true&values=true&limit=1000{cursor}");
        let page = site.get(&format!("/config/apps?{query}")).await.json();
        pages.push(page["items"].as_array().expect("items").len());
        match page["pagination"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(pages, [5, 1], "a page ends with the value that passes 4 MiB");
    let without = site.get("/config/apps?recursive=true").await.json();
    assert_eq!(without["items"].as_array().map(Vec::len), Some(keys.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_read_learns_nothing_and_waits_for_nothing() {
    let site = Site::new().await;
    assert_eq!(site.put("/apps/colour", "text/plain", b"blue").await.status, 200);
    let queries = [
        // Wrong for a namespace, wrong for a key: which of them a path names is not told.
        "/config/apps?version=1",
        "/config/apps?cursor=nonsense",
        "/config/apps/colour?prefix=c",
        "/config/apps/colour?version=x",
        // An index that never comes.
        "/config/apps?consistency=index=99999999999",
        "/config/apps/colour?consistency=index=99999999999",
        "/audit/apps?consistency=index=99999999999",
        "/publish-requests/none?consistency=index=99999999999",
    ];
    for query in queries {
        let mut call = site.call(Method::GET, query);
        call.key = Some(&site.cluster.stranger_key);
        let answer = call.send().await.expect("an answer");
        assert_eq!(answer.problem().status, 404, "{query}");
    }
    let mut call = site.call(Method::PUT, "/config/apps/colour");
    call.key = Some(&site.cluster.stranger_key);
    let written = call.body("text/plain", "green").send().await.expect("an answer");
    assert_eq!(written.problem().status, 404);
}
