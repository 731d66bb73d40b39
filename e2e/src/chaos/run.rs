//! A run: a cluster under load, faults one after the other, and in the end everything that was promised is looked at.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::clients::Clients;
use super::cluster::Cluster;
use super::fault::{Kind, Tally};
use super::gaps::{self, Span};
use super::history::{Operation, Outcome, Recorder};
use super::monitor::Monitor;
use super::nemesis::Nemesis;
use super::oracle::{Broken, Judgement, Violation, judge};
use super::random::Random;
use super::watchers::{self, Watchers};
use super::{record, replicas};

/// How often kinds of faults that had no effect are done again.
const TRIES: usize = 4;
/// Most violations that are shown.
const SHOWN: usize = 20;

/// What a run does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Gives the same faults and operations again, as far as times allow.
    pub seed: u64,
    /// Nodes of the cluster: 3 or 5.
    pub nodes: usize,
    /// Clients that read and write.
    pub clients: usize,
    /// Kinds of faults.
    pub kinds: Vec<Kind>,
    /// Faults go on for so long,
    pub duration: Duration,
    /// and until every kind was done so often.
    pub rounds: u32,
    /// Whether the logs and the history stay there also if nothing was wrong.
    pub keeps_logs: bool,
    /// Says what is done.
    pub say: fn(&str),
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Report {
    seed: u64,
    took: Duration,
    operations: Vec<Operation>,
    tally: Tally,
    spans: Vec<Span>,
    terms: usize,
    resumed: usize,
    versions: usize,
    judgement: Judgement,
}

/// Runs `plan` with data and logs below `folder`; the logs and the history stay there if
/// anything was wrong.
pub async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Report> {
    std::fs::create_dir_all(folder).context("create the folder of the run")?;
    let data = tempfile::tempdir_in(folder).context("create the folder of the data")?;
    let logs = tempfile::tempdir_in(folder).context("create the folder of the logs")?;
    let ended = play(plan, data.path(), logs.path()).await;
    if let Ok(report) = &ended {
        let lines = report.operations.iter().map(|operation| format!("{operation}\n"));
        std::fs::write(logs.path().join("history"), lines.collect::<String>()).context("write the history")?;
        if report.verdict().is_ok() && !plan.keeps_logs {
            return ended;
        }
    }
    let kept: PathBuf = logs.keep();
    (plan.say)(&format!("the logs are in {}", kept.display()));
    ended
}

async fn play(plan: &Plan, data: &Path, logs: &Path) -> anyhow::Result<Report> {
    let began = Instant::now();
    let random = Random::new(plan.seed);
    let mut cluster = Cluster::start(plan.nodes, data, logs).await?;
    let monitor = Monitor::start(&cluster);
    let watchers = Watchers::start(&cluster, &random).await?;
    let recorder = Recorder::start();
    let clients = Clients::start(&cluster, plan.clients, &recorder, &random);
    let mut nemesis = Nemesis {
        cluster: &mut cluster,
        recorder: recorder.clone(),
        monitor: &monitor,
        random: random.branch(10_000),
        tally: Tally::of(&plan.kinds),
        spans: Vec::new(),
        violations: Vec::new(),
        say: plan.say,
    };
    attack(plan, &mut nemesis).await?;
    nemesis.heal().await?;
    let (tally, spans) = (nemesis.tally.clone(), nemesis.spans.clone());
    let mut violations = std::mem::take(&mut nemesis.violations);
    clients.stop().await?;
    let operations = recorder.operations();

    let (leader, _) = cluster.leader().await?;
    let (record, wrong) = record::read(&cluster.http()[leader], cluster.api_key()).await?;
    violations.extend(wrong);
    let mut judgement = judge(&operations, &record);
    let newest = record.values().flatten().map(|change| change.index).max().unwrap_or(0);
    let heard = watchers.heard_up_to(newest).await;
    violations.extend(heard.iter().flat_map(|heard| watchers::check(heard, &record)));
    let (terms, wrong) = monitor.findings();
    violations.extend(wrong);
    violations.extend(restart(&mut cluster).await?);
    judgement.violations.extend(violations);
    Ok(Report {
        seed: plan.seed,
        took: began.elapsed(),
        operations,
        tally,
        spans,
        terms,
        resumed: heard.iter().map(|heard| heard.resumed).sum(),
        versions: record.values().map(Vec::len).sum(),
        judgement,
    })
}

/// Does faults until the plan is fulfilled. Kinds without effect are done again, but not for ever.
async fn attack(plan: &Plan, nemesis: &mut Nemesis<'_>) -> anyhow::Result<()> {
    let end = Instant::now() + plan.duration;
    let (mut rounds, mut tries) = (0, 0);
    loop {
        let is_over = Instant::now() >= end && rounds >= plan.rounds;
        rounds += 1;
        let mut deck = if is_over {
            nemesis.tally.vain()
        } else {
            plan.kinds.clone()
        };
        tries += usize::from(is_over);
        if deck.is_empty() || tries > TRIES {
            return Ok(());
        }
        nemesis.random.shuffle(&mut deck);
        for kind in deck {
            nemesis.play(kind).await?;
        }
    }
}

/// Compares all nodes, ends and starts them all, and compares again: what was replayed is what was there.
async fn restart(cluster: &mut Cluster) -> anyhow::Result<Vec<Violation>> {
    let (before, mut violations) = replicas::read(cluster).await?;
    for node in cluster.all() {
        cluster.kill(node);
    }
    for node in cluster.all() {
        cluster.start_node(node)?;
    }
    cluster.wait_ready().await?;
    let (after, wrong) = replicas::read(cluster).await?;
    violations.extend(wrong);
    if after != before {
        let ends = |replicas: &[replicas::Replica]| format!("{:?}", replicas.first().map(|replica| &replica.head));
        let evidence = format!("before it ended at {}, after it at {}", ends(&before), ends(&after));
        violations.push(Violation::new(Broken::RestartChangedState, evidence));
    }
    Ok(violations)
}

impl Report {
    /// Fails when a promise was broken, or when the run says nothing about something that it is for.
    pub fn verdict(&self) -> anyhow::Result<()> {
        let broken = self.judgement.violations.len();
        anyhow::ensure!(broken == 0, "{broken} violations");
        let vain = self.tally.vain();
        anyhow::ensure!(vain.is_empty(), "without effect, so that nothing is known: {vain:?}");
        let Judgement { ordered, undecided, .. } = self.judgement;
        anyhow::ensure!(
            ordered > undecided,
            "{undecided} of {} histories are undecided",
            ordered + undecided
        );
        anyhow::ensure!(self.resumed > 0, "no watch went on after a break");
        // The others come with the faults, and each kind of fault has shown its effect.
        for (what, count) in self.outcomes().into_iter().take(2) {
            anyhow::ensure!(count > 0, "nothing was {what}");
        }
        Ok(())
    }

    /// How often operations failed for each reason.
    fn reasons(&self) -> BTreeMap<&str, usize> {
        let mut reasons = BTreeMap::new();
        for operation in &self.operations {
            if let Outcome::Refused(reason) | Outcome::Unknown(reason) = &operation.outcome {
                *reasons.entry(reason.as_str()).or_default() += 1;
            }
        }
        reasons
    }

    fn outcomes(&self) -> [(&'static str, usize); 5] {
        let count = |holds: fn(&Outcome) -> bool| {
            let outcomes = self.operations.iter().map(|operation| &operation.outcome);
            outcomes.filter(|outcome| holds(outcome)).count()
        };
        [
            ("written", count(|outcome| matches!(outcome, Outcome::Written { .. }))),
            ("seen", count(|outcome| matches!(outcome, Outcome::Seen { .. }))),
            (
                "not as expected",
                count(|outcome| matches!(outcome, Outcome::Mismatch | Outcome::Absent)),
            ),
            ("refused", count(|outcome| matches!(outcome, Outcome::Refused(_)))),
            ("unknown", count(|outcome| matches!(outcome, Outcome::Unknown(_)))),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "seed {}, {:.0} s", self.seed, self.took.as_secs_f64())?;
        writeln!(formatter, "{} faults:\n{}", self.tally.done(), self.tally)?;
        let outcomes = self.outcomes().map(|(what, count)| format!("{count} {what}"));
        writeln!(
            formatter,
            "{} operations: {}",
            self.operations.len(),
            outcomes.join(", ")
        )?;
        let reasons = self.reasons();
        let reasons = reasons.iter().map(|(reason, count)| format!("{count} {reason}"));
        writeln!(
            formatter,
            "refused or unknown: {}",
            reasons.collect::<Vec<_>>().join(", ")
        )?;
        writeln!(
            formatter,
            "{} versions, {} terms with a leader, watches went on {} times, {} histories put in order, {} undecided",
            self.versions, self.terms, self.resumed, self.judgement.ordered, self.judgement.undecided
        )?;
        write!(formatter, "{}", gaps::render(&self.operations, &self.spans))?;
        writeln!(formatter, "{} violations", self.judgement.violations.len())?;
        for violation in self.judgement.violations.iter().take(SHOWN) {
            writeln!(formatter, "  {violation}")?;
        }
        Ok(())
    }
}
