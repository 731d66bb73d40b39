//! The bytes of every record are pinned: an old disk and an old peer must stay readable.
//!
//! `CONFMAN_UPDATE_GOLDEN=1 cargo test -p confman-store golden` writes the files of *new* records. A changed file is a
//! broken format: give the record a new kind, tag or cluster version instead.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use confman_core::audit::{AuditEvent, AuditHead};
use confman_core::cluster::{ClusterRecord, Recovery, RecoveryCause};
use confman_core::digest::Digest;
use confman_core::entry::ConfigEntry;
use confman_core::outcome::{Outcome, Rejection};
use confman_core::principal::Principal;
use confman_core::proposal::Checkpoint;
use confman_core::publish_request::{Operation, RequestState};
use confman_core::value::{ConfigValue, ValueError};
use confman_core::webhook::{DeliveryResult, TargetHealth};
use confman_store::codec::{
    AppliedRow, AppliedSpec, ClaimedPath, FloorRecord, Kind, LiveRow, NonceUse, Record, Revision, decode, encode,
};
use confman_store::types::{
    AppendRequest, AppendResponse, AppendResult, Entry, LogId, Membership, SnapshotMeta, StoredMembership,
    TransferRequest, Vote, VoteRequest, VoteResponse,
};
use confman_store::{
    Answer, EncodedProposal, Identity, Member, ReplicaHash, SnapshotChunk, SnapshotFile, SnapshotManifest,
};
use openraft::EntryPayload;
use openraft::raft::StreamAppendError;

use crate::fixtures::{entry, log_id};
use crate::samples::commands::commands;
use crate::samples::{
    api_key, audit_event, cluster_id, delivery, draft, governance_request, idempotency, identity, key, meta, namespace,
    path, position, proposal, put, request, request_id, schema, stamp_key, time, version,
};

/// Stem of the golden files of a kind.
fn stem(kind: Kind) -> &'static str {
    match kind {
        Kind::Proposal => "proposal",
        Kind::LogEntry => "log-entry",
        Kind::Vote => "vote",
        Kind::LogId => "log-id",
        Kind::Applied => "applied",
        Kind::ClusterRecord => "cluster-record",
        Kind::StampKey => "stamp-key",
        Kind::NonceUse => "nonce-use",
        Kind::ConfigNamespace => "config-namespace",
        Kind::ClaimedPath => "claimed-path",
        Kind::ConfigEntry => "config-entry",
        Kind::LiveRow => "live-row",
        Kind::Version => "version",
        Kind::PublishRequest => "publish-request",
        Kind::AuditEvent => "audit-event",
        Kind::AuditHead => "audit-head",
        Kind::AppliedSpec => "applied-spec",
        Kind::Draft => "draft",
        Kind::StoredSchema => "stored-schema",
        Kind::ApiKeyRecord => "api-key",
        Kind::Revision => "revision",
        Kind::Delivery => "delivery",
        Kind::TargetHealth => "target-health",
        Kind::IdempotencyRecord => "idempotency",
        Kind::SnapshotManifest => "snapshot-manifest",
        Kind::Identity => "identity",
        Kind::Floor => "floor",
        Kind::AppendRequest => "append-request",
        Kind::AppendResult => "append-result",
        Kind::VoteRequest => "vote-request",
        Kind::VoteResponse => "vote-response",
        Kind::TransferRequest => "transfer-request",
        Kind::SnapshotChunk => "snapshot-chunk",
        Kind::Answer => "answer",
        Kind::AppendResponse => "append-response",
    }
}

/// Compares samples with their files, and remembers which files there are.
#[derive(Default)]
struct Golden {
    seen: BTreeSet<String>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

impl Golden {
    fn check<R: Record + PartialEq + std::fmt::Debug>(&mut self, variant: &str, sample: &R) {
        let stored = self.check_bytes(variant, sample);
        let decoded: R = decode(stored.into()).expect("the golden bytes decode");
        assert_eq!(&decoded, sample, "{variant}");
    }

    /// The stored bytes, which are those of `sample`.
    fn check_bytes<R: Record>(&mut self, variant: &str, sample: &R) -> Vec<u8> {
        let name = match variant {
            "" => format!("{}.hex", stem(R::KIND)),
            variant => format!("{}-{variant}.hex", stem(R::KIND)),
        };
        let file = folder().join(&name);
        let bytes = encode(sample);
        if !file.exists() && std::env::var_os("CONFMAN_UPDATE_GOLDEN").is_some() {
            fs::write(&file, hex(&bytes)).expect("the golden file is written");
        }
        let stored = fs::read_to_string(&file)
            .unwrap_or_else(|error| unreachable!("no golden file {name} ({error}); CONFMAN_UPDATE_GOLDEN=1 writes it"));
        assert_eq!(hex(&bytes), stored, "{name}: the format has changed");
        self.seen.insert(name);
        unhex(&stored)
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        for byte in line {
            write!(text, "{byte:02x}").expect("a String grows as needed");
        }
        text.push('\n');
    }
    text
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.as_chunks::<2>().0.iter();
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("digits are ASCII");
            u8::from_str_radix(pair, 16).expect("two hex digits")
        })
        .collect()
}

fn membership() -> Membership {
    let member = |port: u32| Member {
        address: format!("node-{port}.confman:{port}"),
    };
    let configs = vec![BTreeSet::from([1, 2, 3]), BTreeSet::from([2, 3, 4])];
    let members = [
        (1, member(1)),
        (2, member(2)),
        (3, member(3)),
        (4, member(4)),
        (5, member(5)),
    ];
    Membership::new(configs, std::collections::BTreeMap::from(members)).expect("a joint membership")
}

fn snapshot_meta() -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: Some(log_id(3, 77)),
        last_membership: StoredMembership::new(Some(log_id(2, 5)), membership()),
    }
}

#[test]
fn every_record_has_its_golden_bytes() {
    let mut golden = Golden::default();
    check_proposals(&mut golden);
    check_raft(&mut golden);
    check_rows(&mut golden);
    check_rows_beside_versions(&mut golden);
    check_files(&mut golden);
    check_wire(&mut golden);
    let files = fs::read_dir(folder()).expect("the folder of golden files");
    let files: BTreeSet<String> = files
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files, golden.seen, "files and samples differ");
}

fn check_proposals(golden: &mut Golden) {
    for (name, command) in commands() {
        golden.check(name, &proposal(command));
    }
}

fn check_raft(golden: &mut Golden) {
    golden.check("blank", &entry(3, 7, EntryPayload::Blank));
    let encoded = EncodedProposal::encode(&proposal(put("/a", "K", "v")));
    golden.check("normal", &entry(3, 8, EntryPayload::Normal(encoded)));
    golden.check("membership", &entry(3, 9, EntryPayload::Membership(membership())));
    golden.check("", &Vote::new(7, 9));
    golden.check("committed", &Vote::new_committed(7, 9));
    golden.check("", &log_id(3, u64::from(u32::MAX) + 9));
    golden.check("empty", &AppliedRow::default());
    golden.check(
        "",
        &AppliedRow {
            last_applied: Some(log_id(3, 77)),
            membership: StoredMembership::new(Some(log_id(2, 5)), membership()),
            replica_hash: ReplicaHash::default(),
        },
    );
    golden.check(
        "compared",
        &AppliedRow {
            replica_hash: ReplicaHash {
                rolling: Digest::of(b"rolling"),
                version: "1.2.3".to_owned(),
                checkpoint: Some(Checkpoint {
                    index: 70,
                    hash: Digest::of(b"checkpoint"),
                    version: "1.2.2".to_owned(),
                }),
            },
            ..AppliedRow::default()
        },
    );
    golden.check(
        "",
        &FloorRecord {
            sequence: 4,
            last: Some(log_id(3, 77)),
            vote: Some(Vote::new_committed(3, 1)),
        },
    );
}

fn sealed() -> Result<ConfigValue, ValueError> {
    ConfigValue::from_text("five")?.sealed(vec![1, 2, 3], "2026", Digest::of(b"five"))
}

/// An event that says by which policy its request was decided.
fn event_with_policy() -> AuditEvent {
    let mut event = audit_event("/teams/payments", 21, 1);
    if let Some(workflow) = &mut event.workflow {
        workflow.operation = Some(Operation::Put);
        workflow.base_version = Some(4);
        workflow.to_version = Some(2);
        workflow.required_approvals = Some(2);
        workflow.contributors = [Principal::user("ada"), Principal::user("eve")].into();
    }
    event
}

fn check_rows(golden: &mut Golden) {
    let cluster = ClusterRecord {
        cluster_id: cluster_id(),
        kubernetes_namespace: "confman".to_owned(),
        name: "main".to_owned(),
        initialised_at: time(0),
        identity: identity(),
        recoveries: Vec::new(),
    };
    golden.check("", &cluster);
    golden.check(
        "recovered",
        &ClusterRecord {
            recoveries: vec![Recovery {
                from: cluster_id(),
                cause: RecoveryCause::Backup,
                kept_index: 70,
                at_index: 4_294_967_366,
                at: time(5),
            }],
            ..cluster
        },
    );
    golden.check("", &stamp_key());
    let request_id = request_id("request-1");
    golden.check(
        "",
        &NonceUse {
            request_id: request_id.clone(),
        },
    );
    golden.check("", &AppliedSpec { request_id });
    golden.check("", &namespace("/teams/payments"));
    golden.check(
        "",
        &ClaimedPath {
            path: path("/teams/payments"),
        },
    );
    let entry = ConfigEntry {
        namespace: path("/teams/payments"),
        key: key("MAX_RETRIES"),
        live: Some(5),
        last_version: 6,
        oldest_version: 2,
        meta: meta(),
        rotation_noted: 0,
    };
    golden.check("", &entry);
    golden.check(
        "rotation-noted",
        &ConfigEntry {
            rotation_noted: 5,
            ..entry.clone()
        },
    );
    golden.check("deleted", &ConfigEntry { live: None, ..entry });
    let text = version("/teams/payments", "MAX_RETRIES", 5, "five");
    golden.check("inline", &LiveRow::Inline(Box::new(text.clone())));
    golden.check("stored", &LiveRow::Stored(5));
    let values = [
        ("number", ConfigValue::from_json_text("-1.5e3")),
        ("boolean", ConfigValue::from_json_text("true")),
        ("null", ConfigValue::from_json_text("null")),
        ("json", ConfigValue::from_json_text("{\"b\":[1],\"a\":2}")),
        ("binary", ConfigValue::from_bytes(vec![0, 255])),
        ("secret-ref", ConfigValue::from_reference("vault://payments/stripe")),
        ("sealed", sealed()),
    ];
    for (name, value) in values {
        let value = Some(value.expect("a value"));
        golden.check(name, &confman_core::entry::Version { value, ..text.clone() });
    }
    golden.check(
        "tombstone",
        &confman_core::entry::Version {
            value: None,
            digest: None,
            request_id: None,
            approvers: Vec::new(),
            ..text.clone()
        },
    );
    golden.check("text", &text);
}

fn check_rows_beside_versions(golden: &mut Golden) {
    golden.check("", &draft());
    golden.check("", &schema());
    golden.check("", &api_key());
    golden.check("", &Revision(7));
    let mut health = TargetHealth::new(&delivery().namespace, &delivery().target);
    assert!(health.take_place());
    let result = DeliveryResult::Refused {
        status: 503,
        retry_after_s: Some(60),
    };
    health.attempted(&delivery(), result, time(17));
    golden.check("", &health);
    golden.check("", &delivery());
    golden.check("", &idempotency());
    golden.check("governance", &governance_request());
    golden.check("", &request("request-1", RequestState::Published, 20));
    let mut by_group = request("request-2", RequestState::Published, 20);
    for step in &mut by_group.steps {
        step.groups.insert(Principal::group("payments"));
    }
    golden.check("by-group", &by_group);
    golden.check("", &audit_event("/teams/payments", 21, 1));
    golden.check("with-policy", &event_with_policy());
    golden.check(
        "",
        &AuditHead {
            count: 9,
            hash: Digest::from_bytes([7; 32]),
            time: time(5),
        },
    );
}

fn manifest() -> SnapshotManifest {
    let file = |name: &str, length, crc32c| SnapshotFile {
        name: name.to_owned(),
        length,
        crc32c,
    };
    SnapshotManifest {
        meta: snapshot_meta(),
        files: vec![file("CURRENT", 16, 0x1234_5678), file("000012.sst", 1 << 33, 0)],
    }
}

fn check_files(golden: &mut Golden) {
    golden.check("", &manifest());
    golden.check(
        "",
        &Identity {
            node_id: (1 << 53) - 1,
            incarnation: 3,
            cluster_id: Some(cluster_id()),
        },
    );
}

fn check_wire(golden: &mut Golden) {
    let entries: Vec<Entry> = vec![
        entry(3, 8, EntryPayload::Blank),
        entry(
            3,
            9,
            EntryPayload::Normal(EncodedProposal::encode(&proposal(put("/a", "K", "v")))),
        ),
    ];
    let stored = golden.check_bytes(
        "",
        &AppendRequest {
            vote: Vote::new_committed(3, 1),
            prev_log_id: Some(log_id(2, 7)),
            entries: entries.clone(),
            leader_commit: Some(log_id(2, 6)),
        },
    );
    let decoded: AppendRequest = decode(stored.into()).expect("the golden bytes decode");
    assert_eq!((decoded.entries, decoded.prev_log_id), (entries, Some(log_id(2, 7))));
    let matching: Option<LogId> = Some(log_id(3, 9));
    golden.check::<AppendResult>("appended", &Ok(matching));
    golden.check::<AppendResult>("conflict", &Err(StreamAppendError::Conflict(log_id(2, 7))));
    golden.check::<AppendResult>("higher-vote", &Err(StreamAppendError::HigherVote(Vote::new(9, 2))));
    golden.check("success", &AppendResponse::Success);
    golden.check("partial", &AppendResponse::PartialSuccess(matching));
    golden.check("conflict", &AppendResponse::Conflict);
    golden.check("higher-vote", &AppendResponse::HigherVote(Vote::new(9, 2)));
    let mut vote_request = VoteRequest::new(Vote::new(9, 2), matching);
    vote_request.leadership_transfer = true;
    golden.check("", &vote_request);
    golden.check("", &VoteResponse::new(Vote::new(9, 2), matching, true));
    golden.check("", &TransferRequest::new(Vote::new_committed(3, 1), 2, matching));
    golden.check(
        "",
        &SnapshotChunk {
            file: 1,
            offset: 1 << 32,
            bytes: bytes::Bytes::from_static(b"piece"),
        },
    );
    let outcome = Outcome::EntryWritten {
        version: 5,
        digest: Some(Digest::from_bytes([5; 32])),
        position: position(20),
    };
    let rejection = Rejection::SelfApproval {
        principal: Principal::user("ada"),
    };
    for (name, verdict) in [
        ("accepted", Some(Ok(outcome))),
        ("refused", Some(Err(rejection))),
        ("membership", None),
    ] {
        golden.check(
            name,
            &Answer {
                position: position(20),
                verdict,
            },
        );
    }
}
