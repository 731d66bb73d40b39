//! The network of a run: each node in a network namespace of its own, all of them and the clients on one bridge.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Context as _;

use super::enclosure::{run, run_command};

/// Where the clients are.
const CLIENTS: &str = "10.77.0.254/24";

/// The namespaces, which end with the room that they are in.
#[derive(Debug)]
pub struct Network {
    nodes: usize,
}

/// How packets from one node do not reach another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// They vanish.
    Drop,
    /// They are answered with a reset.
    Reset,
}

impl Network {
    /// Lays cables for so many nodes. To be called in a room of its own.
    pub fn lay(nodes: usize) -> anyhow::Result<Self> {
        // Names of namespaces are files, and other rooms have the same ones.
        std::fs::create_dir_all("/run/netns").context("create /run/netns")?;
        run("mount", ["-t", "tmpfs", "tmpfs", "/run/netns"])?;
        run("ip", ["link", "set", "lo", "up"])?;
        run("ip", ["link", "add", "bridge", "type", "bridge"])?;
        run("ip", ["address", "add", CLIENTS, "dev", "bridge"])?;
        run("ip", ["link", "set", "bridge", "up"])?;
        for node in 0..nodes {
            let (namespace, cable) = (namespace(node), format!("cable{node}"));
            run("ip", ["netns", "add", &namespace])?;
            let peer = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
            run("ip", ["link", "add", &cable].into_iter().chain(peer))?;
            run("ip", ["link", "set", &cable, "master", "bridge", "up"])?;
            let address = format!("{}/24", address(node));
            run("ip", ["-n", &namespace, "address", "add", &address, "dev", "eth0"])?;
            run("ip", ["-n", &namespace, "link", "set", "eth0", "up"])?;
            run("ip", ["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        Ok(Self { nodes })
    }

    /// The command that runs `command` where `node` is.
    pub fn at(node: usize, command: &Command) -> Command {
        // It becomes the command: the process has the same id. Unlike `ip netns exec` it copies no mounts.
        let mut entered = Command::new("nsenter");
        entered
            .arg(format!("--net=/run/netns/{}", namespace(node)))
            .arg(command.get_program())
            .args(command.get_args());
        entered
    }

    /// From now on nothing that one of `cuts` sends (the first of each pair) reaches the other (the second).
    pub fn cut(cuts: &[(usize, usize)], how: Cut) -> anyhow::Result<()> {
        let verdict = match how {
            Cut::Drop => "counter drop",
            Cut::Reset => "meta l4proto tcp counter reject with tcp reset",
        };
        for (_, to) in cuts {
            let mut rules = String::from("flush ruleset\ntable ip chaos {\nchain input {\n");
            rules.push_str("type filter hook input priority 0; policy accept;\n");
            for (from, _) in cuts.iter().filter(|(_, other)| other == to) {
                let _ = writeln!(rules, "ip saddr {} {verdict}", address(*from));
            }
            rules.push_str("}\n}\n");
            run_command(&mut Self::at(*to, Command::new("nft").arg(rules)))?;
        }
        Ok(())
    }

    /// Packets that did not arrive since the last heal.
    pub fn lost_packets(&self) -> anyhow::Result<u64> {
        let mut packets = 0;
        for node in 0..self.nodes {
            let rules = run_command(&mut Self::at(node, Command::new("nft").args(["list", "ruleset"])))?;
            let mut words = rules.split_whitespace();
            while let Some(word) = words.next() {
                if word == "packets" {
                    packets += words.next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
                }
            }
        }
        Ok(packets)
    }

    /// From now on `node` sends no more than 256 kbit/s.
    pub fn slow_down(node: usize) -> anyhow::Result<()> {
        let discipline = ["root", "tbf", "rate", "256kbit", "burst", "4kb", "latency", "400ms"];
        run_command(&mut Self::at(
            node,
            Command::new("tc")
                .args(["qdisc", "replace", "dev", "eth0"])
                .args(discipline),
        ))?;
        Ok(())
    }

    /// Packets that `node` had to hold back.
    pub fn held_back(node: usize) -> anyhow::Result<u64> {
        let show = ["-s", "qdisc", "show", "dev", "eth0"];
        let shown = run_command(&mut Self::at(node, Command::new("tc").args(show)))?;
        let mut words = shown.split_whitespace();
        let held = words.find(|word| *word == "overlimits").and_then(|_| words.next());
        Ok(held.and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    /// Everything arrives again.
    pub fn heal(&self) -> anyhow::Result<()> {
        for node in 0..self.nodes {
            run_command(&mut Self::at(node, Command::new("nft").args(["flush", "ruleset"])))?;
            // Fails where nothing is slowed down.
            let _ = run_command(&mut Self::at(
                node,
                Command::new("tc").args(["qdisc", "del", "dev", "eth0", "root"]),
            ));
        }
        Ok(())
    }
}

/// The address of a node.
pub fn address(node: usize) -> String {
    format!("10.77.0.{}", node + 1)
}

fn namespace(node: usize) -> String {
    format!("node{node}")
}

/// Both ways between every node of one side and every node of the other.
pub fn between(one: &[usize], other: &[usize]) -> Vec<(usize, usize)> {
    let pairs = one.iter().flat_map(|a| other.iter().map(|b| (*a, *b)));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}
