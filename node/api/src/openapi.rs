//! The description (`OpenAPI` 3.1) of the public port, generated from the route table and the bodies; committed as `openapi.json`.

mod bodies;
mod components;
mod headers;
mod problems;
mod responses;

use std::fmt::Write as _;

use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Content, ContentBuilder, Info, License, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
    Schema, Type,
};

use crate::limits;
use crate::problem::ProblemType;
use crate::routes::{Access, Method, Port, ROUTES, Route};

/// Name of the security scheme of keys; the one of tokens is `bearer`, and client certificates need none in a request.
const API_KEY_SCHEME: &str = "apiKey";
const BEARER_SCHEME: &str = "bearer";

/// The document as JSON text with a newline at its end, exactly as committed.
///
/// # Panics
/// Never: the document has text keys only.
pub fn document() -> String {
    let mut text = openapi()
        .to_pretty_json()
        .expect("the document is made of our own literals");
    text.push('\n');
    text
}

fn openapi() -> OpenApi {
    let mut info = Info::new("Confman", env!("CARGO_PKG_VERSION"));
    info.description = Some(description());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let mut paths = Paths::new();
    for route in ROUTES.iter().filter(|route| route.port == Port::Public) {
        let pattern = route.pattern.replace("{*", "{");
        paths.add_path_operation(&pattern, vec![http_method(route.method)], operation(route));
    }
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components::components().build()))
        .build()
}

fn description() -> String {
    let mut text = String::from(
        "A governed, hierarchical configuration store. Values are published by reviewed requests and read here.\n\n\
         Every error is a problem (RFC 9457). Its `type` is one of:\n\n| Type | Status | Title |\n|---|---|---|\n",
    );
    for kind in ProblemType::ALL {
        let row = writeln!(text, "| `{}` | {} | {} |", kind.uri(), kind.status(), kind.title());
        row.expect("writing to a string does not fail");
    }
    text.push_str("\nLimits:\n\n");
    text.push_str(&limits::table());
    text
}

fn http_method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Put => HttpMethod::Put,
        Method::Post => HttpMethod::Post,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
    }
}

fn operation(route: &Route) -> utoipa::openapi::path::Operation {
    let mut builder = OperationBuilder::new()
        .operation_id(Some(format!("{:?}", route.id)))
        .summary(Some(route.summary));
    for part in route.pattern.split('{').skip(1) {
        let name = part.split('}').next().unwrap_or("").trim_start_matches('*');
        builder = builder.parameter(parameter(name, ParameterIn::Path, "as in the pattern"));
    }
    for query in route.query {
        builder = builder.parameter(parameter(query.name, ParameterIn::Query, query.about));
    }
    for (name, about) in headers::precondition(route).iter().chain(headers::headers(route.id)) {
        builder = builder.parameter(parameter(name, ParameterIn::Header, about));
    }
    builder = builder.request_body(bodies::body(route.id));
    if route.access == Access::Known {
        for scheme in [API_KEY_SCHEME, BEARER_SCHEME] {
            builder = builder.security(SecurityRequirement::new(scheme, Vec::<String>::new()));
        }
    }
    builder.responses(responses::responses(route)).build()
}

fn parameter(name: &str, place: ParameterIn, about: &str) -> ParameterBuilder {
    let required = if matches!(place, ParameterIn::Path) {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
}

fn reference(schema: &str) -> Content {
    let schema: RefOr<Schema> = Ref::from_schema_name(schema).into();
    ContentBuilder::new().schema(Some(schema)).build()
}

fn any_content() -> Content {
    ContentBuilder::new()
        .schema(Some(utoipa::openapi::schema::empty()))
        .build()
}

fn text_content() -> Content {
    let text = ObjectBuilder::new().schema_type(Type::String);
    ContentBuilder::new().schema(Some(text)).build()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_schema_and_response_that_is_named_is_there() {
        let document: serde_json::Value = serde_json::from_str(&super::document()).expect("the document is JSON");
        let text = document.to_string();
        for kind in ["schemas", "responses"] {
            for named in text.split(&format!("#/components/{kind}/")).skip(1) {
                let name = named.split('"').next().expect("a name");
                assert!(document["components"][kind][name].is_object(), "{kind}: {name}");
            }
        }
    }

    /// `CONFMAN_WRITE_GENERATED=1 cargo test -p confman-api openapi` writes it again.
    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let generated = super::document();
        if std::env::var_os("CONFMAN_WRITE_GENERATED").is_some() {
            std::fs::write(&path, &generated).expect("the document can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "node/api/openapi.json is not current; run `make generate`"
        );
    }
}
