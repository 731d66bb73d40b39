//! Lists of publish requests: by state, of a namespace, and of a namespace with those below it.

use confman_core::ids::{NamespacePath, RequestId};
use confman_core::publish_request::{PublishRequest, RequestState};
use confman_core::state::StateView as _;

use super::SnapshotView;
use super::listing::{Page, Room, Scan};
use crate::keys::{self, Family};
use crate::state_machine::ReadError;
use crate::view::rows::Rows as _;

/// The requests of a namespace and those below it.
#[derive(Clone, Copy, Debug)]
pub struct RequestRange<'a> {
    /// The namespace.
    pub below: &'a NamespacePath,
    /// Whether only those are looked at on which people still have a say.
    pub only_open: bool,
    /// The request after the first: log index of its submission, and id.
    pub before: Option<&'a (u64, RequestId)>,
}

impl SnapshotView<'_> {
    /// Requests in `state`, by id.
    pub fn requests_by_state(
        &self,
        state: RequestState,
        after: Option<&RequestId>,
        limit: usize,
    ) -> Result<Page<PublishRequest, RequestId>, ReadError> {
        let prefix = keys::requests_by_state(state);
        let id_at = prefix.len();
        let scan = Scan::prefix(Family::State, prefix).after(after.map(|id| keys::request_by_state(state, id)));
        let mut items: Vec<PublishRequest> = Vec::new();
        let more = self.scan(scan, &mut Room::for_items(limit), |row_key, _| {
            let (request, bytes) = self.listed_request(&row_key[id_at..])?;
            items.push(request);
            Ok(bytes)
        })?;
        let next = items.last().filter(|_| more).map(|request| request.id.clone());
        Ok(Page { items, next })
    }

    /// How many requests are in `state`; stops to count at `limit`.
    pub fn count_requests(&self, state: RequestState, limit: usize) -> Result<usize, ReadError> {
        let scan = Scan::prefix(Family::State, keys::requests_by_state(state));
        let mut found = 0;
        self.scan(scan, &mut Room::for_items(limit), |_, _| {
            found += 1;
            Ok(0)
        })?;
        Ok(found)
    }

    /// The first `limit` open requests of `namespace`, by id.
    pub fn open_requests(&self, namespace: &NamespacePath, limit: usize) -> Result<Vec<PublishRequest>, ReadError> {
        let prefix = keys::open_requests(namespace);
        let rows = self.0.keys(Family::State, &prefix, limit)?;
        let requests = rows.iter().map(|row| self.listed_request(&row[prefix.len()..]));
        requests.map(|request| Ok(request?.0)).collect()
    }

    /// Hands each request of `range` to `keep`, the last submitted first, until it has kept `limit` of them or as many
    /// requests were looked at as there is room for: a page may have fewer items than asked for and not be the last.
    pub fn requests_below<T>(
        &self,
        range: RequestRange<'_>,
        limit: usize,
        room: &mut Room,
        mut keep: impl FnMut(PublishRequest) -> Option<T>,
    ) -> Result<Page<T, (u64, RequestId)>, ReadError> {
        let RequestRange {
            below,
            only_open,
            before,
        } = range;
        let prefix = keys::requests_of_subtree(below, only_open);
        let id_at = prefix.len() + size_of::<u64>();
        let end = before.map(|(submitted, id)| keys::request_of_subtree(below, only_open, (*submitted, id)));
        let scan = Scan::prefix(Family::State, prefix).backwards_from(end);
        let (mut items, mut last) = (Vec::new(), None);
        let more = self.scan(scan, room, |row_key, _| {
            let (request, bytes) = self.listed_request(&row_key[id_at..])?;
            let submitted = request.steps.first().map_or(0, |step| step.position.index);
            last = Some((submitted, request.id.clone()));
            items.extend(keep(request));
            // No room is left once the page is full.
            Ok(if items.len() == limit { usize::MAX } else { bytes })
        })?;
        Ok(Page {
            items,
            next: last.filter(|_| more),
        })
    }

    /// The request that an index row names, and about how many bytes it has.
    fn listed_request(&self, id: &[u8]) -> Result<(PublishRequest, usize), ReadError> {
        let missing = || ReadError::Missing { prefix: keys::REQUESTS };
        let id = std::str::from_utf8(id).ok().and_then(|id| RequestId::parse(id).ok());
        let request = self.request(&id.ok_or_else(missing)?)?.ok_or_else(missing)?;
        let value = request.new_value().map_or(0, |value| value.canonical_bytes().len());
        Ok((request, value + 512))
    }
}

#[cfg(test)]
mod tests {
    use confman_core::state::Change;
    use tempfile::TempDir;

    use super::*;
    use crate::Store;
    use crate::samples::{path, request};
    use crate::test_store::{open, write};

    fn put(store: &Store, (id, at): (&str, &str), state: RequestState, submitted: u64) {
        let request = PublishRequest {
            namespace: path(at),
            ..request(id, state, submitted)
        };
        write(store, submitted, vec![Change::PutRequest(Box::new(request))]);
    }

    fn store() -> (TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        (folder, store)
    }

    /// Ids of a page, and where the next one begins.
    fn page(
        store: &Store,
        (below, only_open): (&str, bool),
        before: Option<&(u64, RequestId)>,
        (limit, looked_at): (usize, usize),
    ) -> (Vec<String>, Option<(u64, RequestId)>) {
        let below = path(below);
        let range = RequestRange {
            below: &below,
            only_open,
            before,
        };
        let mut room = Room::for_items(looked_at);
        let page = store.reader.read(|view| {
            view.requests_below(range, limit, &mut room, |request| {
                (request.id.as_str() != "hidden").then(|| request.id.to_string())
            })
        });
        let page = page.expect("a page");
        (page.items, page.next)
    }

    #[test]
    fn requests_of_a_subtree_are_listed_newest_first_and_open_ones_only_while_they_are() {
        let (_folder, store) = store();
        let pending = RequestState::PendingReview;
        for (id, at, index) in [
            ("r1", "/a", 1),
            ("r2", "/a/b", 2),
            ("r3", "/a-b", 300),
            ("r4", "/a", 301),
        ] {
            put(&store, (id, at), pending, index);
        }
        let all = |below, only_open| page(&store, (below, only_open), None, (9, 9)).0;
        assert_eq!(all("/", false), ["r4", "r3", "r2", "r1"]);
        assert_eq!(all("/a", false), ["r4", "r2", "r1"]);
        assert_eq!(all("/a/b", true), ["r2"]);
        put(&store, ("r2", "/a/b"), RequestState::Approved, 2);
        assert_eq!(
            all("/a", true),
            ["r4", "r2", "r1"],
            "what waits for a publisher is open"
        );
        put(&store, ("r2", "/a/b"), RequestState::Published, 2);
        assert_eq!(all("/a", true), ["r4", "r1"]);
        assert_eq!(all("/", true), ["r4", "r3", "r1"]);
        assert_eq!(all("/a", false), ["r4", "r2", "r1"]);
        put(&store, ("r5", "/a"), RequestState::Published, 400);
        assert_eq!(all("/a", true), ["r4", "r1"], "what begins as published never was open");
    }

    #[test]
    fn a_page_goes_on_where_it_ended_and_looks_at_so_many_only() {
        let (_folder, store) = store();
        for index in 1..=4 {
            let id = format!("r{index}");
            put(&store, (&id, "/a"), RequestState::PendingReview, index);
        }
        put(&store, ("hidden", "/a"), RequestState::PendingReview, 5);
        let (first, next) = page(&store, ("/a", false), None, (3, 2));
        assert_eq!(first, ["r4"], "one of the two that were looked at is not shown");
        let (second, next) = page(&store, ("/a", false), next.as_ref(), (2, 99));
        assert_eq!(second, ["r3", "r2"]);
        let (third, next) = page(&store, ("/a", false), next.as_ref(), (2, 99));
        assert_eq!((third, next), (vec!["r1".to_owned()], None));
    }
}
