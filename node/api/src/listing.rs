//! Pages of lists.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// How to go on.
    pub pagination: Pagination,
}

impl<T> Page<T> {
    /// A page of at most `limit` items; `next_cursor` where more are left.
    pub fn new(items: Vec<T>, limit: usize, next_cursor: Option<String>) -> Self {
        Self {
            items,
            pagination: Pagination {
                limit,
                has_more: next_cursor.is_some(),
                next_cursor,
            },
        }
    }

    /// The next page, as long as this one; none behind the last.
    pub fn next_page(&self) -> Option<Paging> {
        let cursor = self.pagination.next_cursor.clone()?;
        Some(Paging {
            limit: Some(self.pagination.limit),
            cursor: Some(cursor),
        })
    }
}

/// Which page of a list is asked for; by default the first, as long as nodes make pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paging {
    /// Most items on it: 1 to the limit `page`. None: the limit `page-default`.
    pub limit: Option<usize>,
    /// `nextCursor` of the page before, of otherwise the same query.
    pub cursor: Option<String>,
}

/// How to get the next page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pagination {
    /// Most items on a page, as asked for.
    pub limit: usize,
    /// Whether there is a next page.
    pub has_more: bool,
    /// Pass as `cursor` with otherwise the same query; opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
