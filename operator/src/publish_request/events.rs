//! What is told about a request: each step that is new, and each review that was refused, with the actor's name.

use confman_crds::{PublishRequestStatus, RecordedStep, RefusedReview};

use crate::context::Happened;

/// Everything in `new` that is not in `old`.
pub(super) fn events(old: &PublishRequestStatus, new: &PublishRequestStatus) -> Vec<Happened> {
    let steps = new.recorded.iter().filter(|step| !old.recorded.contains(step));
    let refused = new
        .refused_reviews
        .iter()
        .filter(|refused| !old.refused_reviews.contains(refused));
    steps
        .map(|step| recorded(step, new))
        .chain(refused.map(review_refused))
        .collect()
}

fn recorded(step: &RecordedStep, status: &PublishRequestStatus) -> Happened {
    let RecordedStep {
        step: kind,
        actor,
        time: _,
        term,
        index,
    } = step;
    let (counted, required) = (
        status.counted_approvals.unwrap_or(0),
        status.required_approvals.unwrap_or(0),
    );
    let (reason, note) = match kind.as_str() {
        "Approved" => (
            "ApprovalRecorded",
            format!("approved by {actor} ({counted} of {required})"),
        ),
        "Rejected" => ("RejectionRecorded", format!("rejected by {actor}")),
        "Published" => {
            let version = status.published_version.unwrap_or(0);
            ("Published", format!("published as version {version} by {actor}"))
        }
        other => (other, format!("{} by {actor}", other.to_lowercase())),
    };
    Happened {
        is_warning: matches!(reason, "RejectionRecorded" | "Superseded"),
        reason: reason.to_owned(),
        action: format!("{kind} by {actor}"),
        note: format!("{note}, term {term}, index {index}"),
    }
}

fn review_refused(refused: &RefusedReview) -> Happened {
    let RefusedReview {
        reviewer,
        decision,
        reason,
        message,
    } = refused;
    Happened {
        is_warning: true,
        reason: "ReviewRefused".to_owned(),
        action: format!("{decision} by {reviewer}: {reason}"),
        note: format!("{decision} by {reviewer} was refused: {message}"),
    }
}
