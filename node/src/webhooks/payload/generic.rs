//! Confman's own payload: `type`, `timestamp` and `data`, as Standard Webhooks 1.0 recommends.

use serde_json::{Map, Value, json};

use super::EventFacts;

pub(super) fn body(facts: &EventFacts) -> Value {
    let EventFacts {
        event,
        event_id,
        time,
        cluster_id,
        namespace,
        key,
        version,
        request_id,
        state,
        actor,
        digest,
    } = facts;
    let data = [
        ("eventId", Some(json!(event_id))),
        ("clusterId", Some(json!(cluster_id))),
        ("namespace", Some(json!(namespace))),
        ("key", key.as_ref().map(|key| json!(key))),
        ("version", version.map(|version| json!(version))),
        ("requestId", request_id.as_ref().map(|id| json!(id))),
        ("state", state.as_ref().map(|state| json!(state))),
        ("actor", Some(json!(actor))),
        ("digest", digest.as_ref().map(|digest| json!(digest))),
    ];
    let data = data
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    json!({
        "type": event.payload_type(),
        "timestamp": time,
        "data": data.collect::<Map<_, _>>(),
    })
}
