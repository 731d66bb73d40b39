//! Who leads: every node is asked again and again, and no term may have two leaders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use confman_api::client::CourierClient;
use confman_api::internal::MemberRole;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::oracle::{Broken, Violation};

/// How often a node is asked.
const INTERVAL: Duration = Duration::from_millis(150);

/// The leader of each term, by node id, as far as somebody saw it.
#[derive(Clone, Debug, Default)]
struct Terms {
    leaders: BTreeMap<u64, String>,
    violations: Vec<Violation>,
}

/// Asks until it is dropped.
pub struct Monitor {
    terms: Arc<Mutex<Terms>>,
    _tasks: JoinSet<()>,
}

impl Monitor {
    /// Begins to ask the nodes of `cluster`.
    pub fn start(cluster: &Cluster) -> Self {
        let terms: Arc<Mutex<Terms>> = Arc::default();
        let mut tasks = JoinSet::new();
        for courier in cluster.couriers() {
            tasks.spawn(ask(courier, Arc::clone(&terms)));
        }
        Self { terms, _tasks: tasks }
    }

    /// The highest term that somebody led in.
    pub fn term(&self) -> u64 {
        let terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        terms.leaders.keys().next_back().copied().unwrap_or(0)
    }

    /// How many terms had a leader, and what was wrong with them.
    pub fn findings(&self) -> (usize, Vec<Violation>) {
        let terms = self.terms.lock().unwrap_or_else(PoisonError::into_inner);
        (terms.leaders.len(), terms.violations.clone())
    }
}

async fn ask(courier: CourierClient, terms: Arc<Mutex<Terms>>) {
    loop {
        if let Ok(status) = courier.status().await
            && status.role == MemberRole::Leader
        {
            let mut terms = terms.lock().unwrap_or_else(PoisonError::into_inner);
            terms.led(status.term, &status.node_id);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

impl Terms {
    fn led(&mut self, term: u64, node: &str) {
        let leader = self.leaders.entry(term).or_insert_with(|| node.to_owned());
        if *leader != node {
            let evidence = format!("{leader} and {node} led in term {term}");
            self.violations.push(Violation::new(Broken::TwoLeaders, evidence));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leaders_of_a_term_are_caught_and_one_of_each_is_let_through() {
        let mut terms = Terms::default();
        for (term, node) in [(1, "a"), (2, "b"), (1, "a"), (4, "a")] {
            terms.led(term, node);
        }
        assert_eq!(terms.violations, []);
        terms.led(4, "b");
        assert_eq!(terms.violations.len(), 1);
    }
}
