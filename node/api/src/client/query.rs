//! Queries: the parameters that are there, encoded.

use std::fmt::Display;

use reqwest::Url;

use crate::listing::Paging;

/// The parameters of a call.
#[derive(Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// With a parameter, if there is a value.
    pub(super) fn with(mut self, name: &'static str, value: Option<impl Display>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// With a parameter that is true, if it is.
    pub(super) fn flag(self, name: &'static str, is_set: bool) -> Self {
        self.with(name, is_set.then_some(true))
    }

    /// For one page of a list.
    pub(super) fn page(self, paging: &Paging) -> Self {
        let Paging { limit, cursor } = paging;
        self.with("limit", limit.as_ref()).with("cursor", cursor.as_ref())
    }

    /// The path with the query behind it.
    pub(super) fn behind(self, path: &str) -> String {
        let url = Url::parse_with_params("http://node", self.0);
        let query = url.ok().and_then(|url| url.query().map(str::to_owned));
        match query {
            Some(query) if !query.is_empty() => format!("{path}?{query}"),
            Some(_) | None => path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_what_is_there_and_encodes_it() {
        let nothing = Query::default().with("state", None::<&str>).flag("recursive", false);
        assert_eq!(nothing.page(&Paging::default()).behind("/keys"), "/keys");
        let paging = Paging {
            limit: Some(20),
            cursor: Some("x".to_owned()),
        };
        let all = Query::default()
            .with("submitter", Some("user:corp/a&b"))
            .flag("recursive", true)
            .page(&paging);
        let expected = "/keys?submitter=user%3Acorp%2Fa%26b&recursive=true&limit=20&cursor=x";
        assert_eq!(all.behind("/keys"), expected);
    }
}
