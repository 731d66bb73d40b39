//! Faults of the network.

use std::time::Duration;

use rand::RngExt as _;

use super::{Faults, names};
use crate::network::Links;
use crate::runtime::sleep;
use crate::types::NodeId;

impl Faults {
    /// One fault of the network after the other, with some rest between them.
    pub async fn disturb_network(mut self) {
        loop {
            let rest = self.random.random_range(200..2_000);
            sleep(Duration::from_millis(rest)).await;
            self.disturb_once();
            let lasts = self.random.random_range(200..4_000);
            sleep(Duration::from_millis(lasts)).await;
            self.cluster.with_links(|links| *links = Links::default());
        }
    }

    fn disturb_once(&mut self) {
        let ids = self.shuffled();
        match self.random.random_range(0..6_u32) {
            0 => self.partition(&ids),
            1 => {
                if let [one, others @ ..] = ids.as_slice() {
                    self.one_way(*one, others);
                }
            }
            2 => {
                if let [bridge, others @ ..] = ids.as_slice() {
                    let (left, right) = others.split_at(others.len() / 2);
                    self.cut_apart(left, right);
                    self.tell(
                        "fault: bridge",
                        &format!("{bridge:x} between {} and {}", show(left), show(right)),
                    );
                }
            }
            3 => {
                let delay = self.random.random_range(5..400);
                self.cluster.with_links(|links| links.delay = delay);
                self.tell("fault: delay", &format!("up to {delay} ms"));
            }
            4 => {
                let loss = self.random.random_range(2..40);
                self.cluster.with_links(|links| links.loss = loss);
                self.tell("fault: loss", &format!("{loss} %"));
            }
            5.. => {
                let repeats = self.random.random_range(5..50);
                self.cluster.with_links(|links| {
                    links.repeats = repeats;
                    links.delay = 50;
                });
                self.tell("fault: repeats", &format!("{repeats} %"));
            }
        }
    }

    /// Cuts the leader and a few off, or any two groups.
    fn partition(&mut self, ids: &[NodeId]) {
        if ids.len() < 2 {
            return;
        }
        let mut ids = ids.to_vec();
        if let Some(leader) = self.cluster.leader().filter(|_| self.random.random_bool(0.5)) {
            ids.sort_by_key(|id| *id != leader);
        }
        let (left, right) = ids.split_at(self.random.random_range(1..ids.len()));
        self.cut_apart(left, right);
        self.tell("fault: partition", &format!("{} from {}", show(left), show(right)));
    }

    fn one_way(&mut self, one: NodeId, others: &[NodeId]) {
        let is_mute = self.random.random_bool(0.5);
        self.cluster.with_links(|links| {
            for other in others {
                let (from, to) = if is_mute { (one, *other) } else { (*other, one) };
                links.cut(from, to);
            }
        });
        let what = if is_mute { "is not heard" } else { "hears nobody" };
        self.tell("fault: one-way cut", &format!("{one:x} {what}"));
    }

    fn cut_apart(&self, left: &[NodeId], right: &[NodeId]) {
        self.cluster.with_links(|links| {
            for one in left {
                for other in right {
                    links.cut(*one, *other);
                    links.cut(*other, *one);
                }
            }
        });
    }
}

fn show(ids: &[NodeId]) -> String {
    names(ids.iter().copied())
}
