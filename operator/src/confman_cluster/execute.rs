//! Does what the plan says, in order. Each step may be done again.

use confman_api::ids::ClusterId;
use confman_api::internal::Initialise;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Resource as _, ResourceExt as _};

use super::certificates::{Authority, Leaf};
use super::children;
use super::names::Names;
use super::observe::{CLUSTER_ID, Observed, TOKEN};
use super::plan::{Plan, Step};
use crate::context::{Context, Error, FIELD_MANAGER, with_causes};
use crate::courier::{CA, CERTIFICATE, KEY, address_of};
use crate::hex;

/// Entry of the CA's Secret: its key.
const AUTHORITY_KEY: &str = "ca.key";
/// Leaves live as long as their CA until they are rotated.
const LEAF_DAYS: i64 = 3600;
const TOKEN_BYTES: usize = 32;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// The cluster was bootstrapped now.
    pub initialised: bool,
    /// Why bootstrap did not succeed; nothing is lost, it is tried again.
    pub refused: Option<String>,
}

/// Does it.
pub(super) async fn execute(plan: &Plan, observed: &Observed, context: &Context) -> Result<Done, Error> {
    let mut done = Done::default();
    let secrets = Secrets::new(observed, context);
    for step in &plan.steps {
        match step {
            Step::MakeAuthority => secrets.make_authority().await?,
            Step::MakeNodesCertificate => secrets.make_nodes_certificate(observed).await?,
            Step::MakeCourierCertificate => {
                secrets.make_courier_certificate().await?;
                context.couriers.forget(&observed.id());
            }
            Step::MakeToken => secrets.make_token(observed).await?,
            Step::Apply(objects) => apply(objects, observed, context).await?,
            Step::Initialise(body) => initialise(body, observed, context, &mut done).await?,
            Step::DeleteToken => secrets.delete_token().await?,
        }
    }
    Ok(done)
}

async fn apply(objects: &[DynamicObject], observed: &Observed, context: &Context) -> Result<(), Error> {
    for object in objects {
        let api = children::api(object, &context.client)?;
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let applied = api.patch(&object.name_any(), &params, &Patch::Apply(object)).await;
        applied.map_err(Error::kubernetes("apply an object of the cluster"))?;
    }
    context.applied.done(&observed.id(), objects);
    Ok(())
}

async fn initialise(body: &Initialise, observed: &Observed, context: &Context, done: &mut Done) -> Result<(), Error> {
    let courier = context.couriers.get(&observed.cluster).await?;
    match courier.initialise(body).await {
        Ok(recorded) => {
            let (term, index) = (recorded.position.term, recorded.position.index);
            tracing::info!(cluster = body.name, id = %body.cluster_id, term, index, "bootstrapped");
            done.initialised = true;
        }
        Err(error) => done.refused = Some(with_causes(&error)),
    }
    Ok(())
}

/// The Secrets of one cluster.
struct Secrets {
    api: Api<Secret>,
    names: Names,
    id: String,
}

impl Secrets {
    fn new(observed: &Observed, context: &Context) -> Self {
        let names = Names::of(&observed.cluster);
        Self {
            api: Api::namespaced(context.client.clone(), &names.namespace),
            names,
            id: observed.id(),
        }
    }

    fn authority_name(&self) -> String {
        format!("confman {}/{}", self.names.namespace, self.names.cluster)
    }

    async fn make_authority(&self) -> Result<(), Error> {
        let authority = Authority::new(&self.authority_name())?;
        let data = [
            (CA, authority.certificate_pem().to_owned()),
            (AUTHORITY_KEY, authority.key_pem()),
        ];
        // Made by another operator meanwhile: that one holds.
        self.create(self.secret(self.names.authority_secret(), &data)).await
    }

    async fn authority(&self) -> Result<Authority, Error> {
        let name = self.names.authority_secret();
        let secret = self.api.get(&name).await.map_err(Error::kubernetes("read the CA"))?;
        let entry = |entry: &str| {
            let bytes = secret.data.as_ref().and_then(|data| data.get(entry));
            let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
            text.ok_or_else(|| Error::DamagedSecret {
                name: name.clone(),
                detail: format!("it has no entry {entry}"),
            })
        };
        Ok(Authority::load(
            &self.authority_name(),
            entry(CA)?,
            &entry(AUTHORITY_KEY)?,
        )?)
    }

    fn holder(&self, holder: &str) -> Result<String, Error> {
        let id = ClusterId::parse(&self.id).map_err(|_| Error::Incomplete("usable uid"))?;
        Ok(format!("spiffe://confman.io/{id}/{holder}"))
    }

    /// One certificate for all nodes, with the name of each pod.
    async fn make_nodes_certificate(&self, observed: &Observed) -> Result<(), Error> {
        let mut hosts: Vec<_> = (0..observed.cluster.spec.replicas)
            .map(|ordinal| self.names.host(ordinal))
            .collect();
        hosts.extend(
            observed
                .nodes
                .iter()
                .filter_map(|node| Some(address_of(&node.peer_address)?.to_string())),
        );
        let authority = self.authority().await?;
        let leaf = authority.leaf("confman-node", &hosts, Some(&self.holder("node")?), LEAF_DAYS)?;
        let mut secret = self.leaf(self.names.nodes_secret(), &authority, leaf);
        secret.metadata.owner_references = Some(observed.cluster.controller_owner_ref(&()).into_iter().collect());
        self.write(secret).await
    }

    async fn make_courier_certificate(&self) -> Result<(), Error> {
        let authority = self.authority().await?;
        let leaf = authority.leaf("confman-courier", &[], Some(&self.holder("courier")?), LEAF_DAYS)?;
        self.write(self.leaf(self.names.courier_secret(), &authority, leaf))
            .await
    }

    async fn make_token(&self, observed: &Observed) -> Result<(), Error> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| Error::Randomness)?;
        let token = hex::encode(&bytes);
        let mut secret = self.secret(self.names.bootstrap_secret(), &[(TOKEN, token)]);
        secret.metadata.owner_references = Some(observed.cluster.controller_owner_ref(&()).into_iter().collect());
        self.create(secret).await
    }

    async fn delete_token(&self) -> Result<(), Error> {
        let deleted = self
            .api
            .delete(&self.names.bootstrap_secret(), &DeleteParams::default())
            .await;
        match deleted {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(Error::kubernetes("delete the bootstrap token")(error)),
        }
    }

    fn leaf(&self, name: String, authority: &Authority, leaf: Leaf) -> Secret {
        let data = [
            (CA, authority.certificate_pem().to_owned()),
            (CERTIFICATE, leaf.certificate_pem),
            (KEY, leaf.key_pem),
        ];
        self.secret(name, &data)
    }

    fn secret(&self, name: String, data: &[(&str, String)]) -> Secret {
        let labels = serde_json::from_value(children::labels(&self.names));
        let data = data
            .iter()
            .map(|(name, text)| ((*name).to_owned(), ByteString(text.clone().into_bytes())));
        Secret {
            metadata: ObjectMeta {
                name: Some(name),
                namespace: Some(self.names.namespace.clone()),
                labels: Some(labels.expect("labels are names and texts")),
                annotations: Some([(CLUSTER_ID.to_owned(), self.id.clone())].into()),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            ..Secret::default()
        }
    }

    async fn create(&self, secret: Secret) -> Result<(), Error> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match self.api.create(&params, &secret).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(Error::kubernetes("create a Secret of the cluster")(error)),
        }
    }

    async fn write(&self, secret: Secret) -> Result<(), Error> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = self
            .api
            .patch(&secret.name_any(), &params, &Patch::Apply(&secret))
            .await;
        written
            .map(|_| ())
            .map_err(Error::kubernetes("write a Secret of the cluster"))
    }
}
