//! Sends the commands of a plan. Each is idempotent by the object's UID, so that none is lost or counted twice.

use confman_api::client::CourierClient;
use confman_api::internal::{Outcome, PublishRequest as Recorded, Recorded as At};
use confman_crds::{RefusedReview, Review};
use kube::ResourceExt as _;

use super::observe::{Observed, View};
use super::plan::{Plan, Relay, refused};
use crate::context::{Context, Error};
use crate::reach::{Verdict, verdict};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// The request as the cluster has it afterwards.
    pub request: Option<Recorded>,
    /// The submission was refused: reason and message.
    pub refused: Option<(String, String)>,
    /// Every review that is refused.
    pub refused_reviews: Vec<RefusedReview>,
}

/// Does it.
pub(super) async fn execute(
    plan: &Plan,
    observed: &Observed,
    courier: Option<&CourierClient>,
    context: &Context,
) -> Result<Done, Error> {
    let mut done = Done::default();
    if let View::Known(known) = &observed.view {
        done.request = Some(known.as_ref().clone());
    }
    let Some(courier) = courier else {
        return Ok(done);
    };
    match plan {
        Plan::Nothing | Plan::Wait(..) | Plan::Stall(..) => {}
        Plan::Submit(command) => match verdict(courier.submit(command).await, "submit the request")? {
            Verdict::Accepted(recorded) => done.take(recorded),
            Verdict::Refused(reason, message) => done.refused = Some((reason, message)),
        },
        Plan::Relay(relays) => {
            for relay in relays {
                send(relay, observed, courier, context, &mut done).await?;
            }
        }
    }
    Ok(done)
}

async fn send(
    relay: &Relay,
    observed: &Observed,
    courier: &CourierClient,
    context: &Context,
    done: &mut Done,
) -> Result<(), Error> {
    let (review, answer) = match relay {
        Relay::Refused(refused) => {
            done.refused_reviews.push(refused.clone());
            return Ok(());
        }
        Relay::Review(review, command) => (review, courier.review(command).await),
        Relay::Withdraw(review, command) => (review, courier.withdraw(command).await),
    };
    match verdict(answer, "relay a review")? {
        Verdict::Accepted(recorded) => done.take(recorded),
        Verdict::Refused(reason, message) => done.refuse(observed, review, (&reason, &message), context),
    }
    Ok(())
}

impl Done {
    fn take(&mut self, recorded: At<Outcome>) {
        if let Outcome::Request(request) = recorded.outcome {
            self.request = Some(*request);
        }
    }

    fn refuse(&mut self, observed: &Observed, review: &Review, (reason, message): (&str, &str), context: &Context) {
        let refused = refused(review, reason, message);
        let uid = observed.object.uid().unwrap_or_default();
        context.refusals.remember(&uid, observed.revision, review, &refused);
        self.refused_reviews.push(refused);
    }
}
