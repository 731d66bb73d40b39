//! Pages that are generated from the code: `CONFMAN_WRITE_GENERATED=1` writes them again (`make generate`).

use std::fmt::Write as _;

use anyhow::Context as _;
use confman_api::{limits, openapi};
use confman_e2e::tidy;
use serde_json::{Map, Value};

const ABOVE_LIMITS: &str = "\
# Limits of the HTTP interface

Generated from `node/api/src/limits.rs` by `make generate`. A request that exceeds one is answered with a problem that names
the field and the limit, and changes nothing.

";

const ABOVE_OPERATIONS: &str = "\
# HTTP interface

Generated from the OpenAPI description by `make generate`. Every node serves that description at `/api/v1/openapi.json`; it is
[in the repository](../node/api/openapi.json) too, with the shape of each body that is named here.

Callers show an API key (`X-API-Key`), a bearer token or a client certificate: see [access](access.md). What they may not read does
not exist for them. Errors are [problems](problems/) (RFC 9457), sizes and times have [limits](limits.md). `{path}` spans several
segments. An answer carries `X-Correlation-Id` and `traceparent`, and `Confman-Index` where it is
read from the log: it holds everything up to that index at least.

Every operation may also be answered with: ";

/// What any operation that needs a login may be answered with; said once.
const USUAL: [&str; 11] = [
    "invalid-parameter",
    "unauthorized",
    "forbidden",
    "method-not-allowed",
    "request-timeout",
    "rate-limited",
    "header-too-large",
    "internal",
    "issuer-unavailable",
    "overloaded",
    "not-found",
];

/// Holds the committed page at `docs/NAME` to what is generated.
fn hold(name: &str, generated: &str) -> anyhow::Result<()> {
    let path = tidy::repository_root().join("docs").join(name);
    if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
        std::fs::write(&path, generated)?;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    anyhow::ensure!(
        committed == generated,
        "docs/{name} is not current; run `make generate`"
    );
    Ok(())
}

#[test]
fn the_committed_page_of_limits_is_the_table_of_the_code() -> anyhow::Result<()> {
    hold("limits.md", &format!("{ABOVE_LIMITS}{}", limits::table()))
}

#[test]
fn the_committed_page_of_the_interface_is_the_description() -> anyhow::Result<()> {
    let description: Value = serde_json::from_str(&openapi::document())?;
    let paths = description["paths"].as_object().context("a description has paths")?;
    let mut page = format!("{ABOVE_OPERATIONS}{}.\n", links(&USUAL.map(str::to_owned)));
    let mut area = "";
    for (path, operations) in paths {
        let of = area_of(path);
        if of != area {
            area = of;
            write!(page, "\n## {area}\n")?;
        }
        for (method, operation) in operations.as_object().context("a path has operations")? {
            write!(page, "\n### {} {path}\n\n", method.to_uppercase())?;
            write_operation(&mut page, operation)?;
        }
    }
    hold("http-api.md", &page)
}

/// `config` of `/api/v1/config/{path}`.
fn area_of(path: &str) -> &str {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let path = path.trim_start_matches('/');
    path.find(['/', ':']).map_or(path, |end| &path[..end])
}

fn write_operation(page: &mut String, operation: &Value) -> anyhow::Result<()> {
    writeln!(page, "{}.\n", text(&operation["summary"])?)?;
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let parameters: Vec<_> = parameters.filter(|parameter| parameter["in"] != "path").collect();
    if !parameters.is_empty() {
        writeln!(page, "| Parameter | In | Meaning |\n|---|---|---|")?;
        for parameter in parameters {
            let (name, place) = (text(&parameter["name"])?, text(&parameter["in"])?);
            let about = text(&parameter["description"])?.replace('|', "\\|");
            writeln!(page, "| `{name}` | {place} | {about} |")?;
        }
        writeln!(page)?;
    }
    if let Some(body) = operation["requestBody"]["content"].as_object() {
        writeln!(page, "- Body: {}", contents(body))?;
    }
    let mut problems = Vec::new();
    for (status, response) in operation["responses"].as_object().context("it is answered")? {
        if let Some(named) = response["$ref"].as_str() {
            let names = named.rsplit('/').next().unwrap_or(named).split('.');
            problems.extend(names.map(str::to_owned).filter(|name| !USUAL.contains(&name.as_str())));
            continue;
        }
        let about = text(&response["description"])?;
        match response["content"].as_object() {
            Some(content) => writeln!(page, "- {status}: {about}: {}", contents(content))?,
            None => writeln!(page, "- {status}: {about}")?,
        }
    }
    if !problems.is_empty() {
        writeln!(page, "- Problems: {}", links(&problems))?;
    }
    Ok(())
}

/// The media types, each with the name of the shape where it has one.
fn contents(content: &Map<String, Value>) -> String {
    let shown = content.iter().map(|(media_type, content)| {
        let schema = &content["schema"];
        let one_of = schema["oneOf"].as_array().into_iter().flatten();
        let names: Vec<_> = std::iter::once(schema)
            .chain(one_of)
            .filter_map(|schema| schema["$ref"].as_str()?.rsplit('/').next())
            .map(|name| format!("`{name}`"))
            .collect();
        match names.as_slice() {
            [] => format!("`{media_type}`"),
            names => format!("`{media_type}` ({})", names.join(" or ")),
        }
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn links(problems: &[String]) -> String {
    let links = problems.iter().map(|name| format!("[`{name}`](problems/{name}.md)"));
    links.collect::<Vec<_>>().join(", ")
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}
