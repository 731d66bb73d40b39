//! Config namespaces, as a whole and by parts, and stored schemas.

use confman_core::ids::NamespacePath;
use confman_core::namespace::{NamespaceSettings, RoleAssignments, SchemaBinding, Workflow};
use confman_core::webhook::WebhookTarget;
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::public::optional;
use super::{Client, ClientError, Governed};
use crate::listing::{Page, Paging};
use crate::namespaces::{
    CreateNamespaceBody, NamespaceView, NamespaceWrittenView, RolesView, SchemaBindingView, WorkflowView,
};
use crate::schema::{SchemaReport, SchemaView, SchemaWrittenView};
use crate::webhook::WebhooksView;

/// Everything of a namespace, as parts are named.
const WHOLE: &str = "settings";

impl Client {
    /// One page of the namespaces that the client may read.
    pub async fn namespaces(&self, paging: &Paging) -> Result<Page<NamespaceView>, ClientError> {
        self.get(self.fresh().page(paging).behind("/api/v1/namespaces")).await
    }

    /// Creates a namespace.
    pub async fn create_namespace(
        &self,
        body: &CreateNamespaceBody,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        let call = self.write_json(Method::POST, "/api/v1/namespaces".to_owned(), body)?;
        self.govern(&call).await
    }

    /// A namespace; none when there is none (or it may not be seen).
    pub async fn namespace(&self, namespace: &NamespacePath) -> Result<Option<NamespaceView>, ClientError> {
        self.part(namespace, WHOLE).await
    }

    /// Creates or replaces a namespace; what loosens it waits for others. `expected`: its revision, 0 for none.
    pub async fn set_namespace(
        &self,
        namespace: &NamespacePath,
        settings: &NamespaceSettings,
        expected: Option<u64>,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        self.set_part((namespace, WHOLE), settings, expected).await
    }

    /// Deletes an empty namespace. `expected`: its revision.
    pub async fn delete_namespace(&self, namespace: &NamespacePath, expected: Option<u64>) -> Result<(), ClientError> {
        let call = self.write(Method::DELETE, part_path(namespace, WHOLE));
        self.transport.send(&call.expecting_revision(expected)).await.map(drop)
    }

    /// The role assignments of a namespace.
    pub async fn roles(&self, namespace: &NamespacePath) -> Result<Option<RoleAssignments>, ClientError> {
        let part = self.part::<RolesView>(namespace, "roles").await?;
        Ok(part.map(|part| part.roles))
    }

    /// Replaces them; what loosens them waits for others. `expected`: the revision of the namespace, here and below.
    pub async fn set_roles(
        &self,
        namespace: &NamespacePath,
        roles: RoleAssignments,
        expected: Option<u64>,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        self.set_part((namespace, "roles"), &RolesView { roles }, expected)
            .await
    }

    /// The workflow of a namespace: a namespace without one of its own has none in it.
    pub async fn workflow(&self, namespace: &NamespacePath) -> Result<Option<WorkflowView>, ClientError> {
        self.part(namespace, "workflow").await
    }

    /// Replaces it; what loosens it waits for others.
    pub async fn set_workflow(
        &self,
        namespace: &NamespacePath,
        workflow: Option<Workflow>,
        expected: Option<u64>,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        self.set_part((namespace, "workflow"), &WorkflowView { workflow }, expected)
            .await
    }

    /// The schema that a namespace binds: a namespace that binds none has none in it.
    pub async fn schema_binding(&self, namespace: &NamespacePath) -> Result<Option<SchemaBindingView>, ClientError> {
        self.part(namespace, "schema").await
    }

    /// Replaces it; what loosens it waits for others.
    pub async fn bind_schema(
        &self,
        namespace: &NamespacePath,
        schema: Option<SchemaBinding>,
        expected: Option<u64>,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        self.set_part((namespace, "schema"), &SchemaBindingView { schema }, expected)
            .await
    }

    /// What a schema would break if a namespace bound it; nothing changes.
    pub async fn try_schema(
        &self,
        namespace: &NamespacePath,
        schema: Option<SchemaBinding>,
    ) -> Result<SchemaReport, ClientError> {
        let path = part_path(namespace, "schema") + "?dryRun=true";
        let call = self.write_json(Method::PUT, path, &SchemaBindingView { schema })?;
        self.change(&call).await
    }

    /// The webhooks of a namespace and how they do.
    pub async fn webhooks(&self, namespace: &NamespacePath) -> Result<Option<WebhooksView>, ClientError> {
        self.part(namespace, "webhooks").await
    }

    /// Replaces them; what loosens them waits for others. `expected`: the revision of the namespace, here and below.
    pub async fn set_webhooks(
        &self,
        namespace: &NamespacePath,
        webhooks: Vec<WebhookTarget>,
        expected: Option<u64>,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        let status = Vec::new();
        self.set_part((namespace, "webhooks"), &WebhooksView { webhooks, status }, expected)
            .await
    }

    /// A revision of a schema, the last one by default; none when there is none (or it may not be seen).
    pub async fn schema(&self, path: &NamespacePath, revision: Option<u64>) -> Result<Option<SchemaView>, ClientError> {
        let query = self.fresh().with("revision", revision);
        optional(self.get(query.behind(&format!("/api/v1/schemas{path}"))).await)
    }

    /// Stores the next revision of a schema. `expected`: the last revision, 0 for none.
    pub async fn write_schema(
        &self,
        path: &NamespacePath,
        schema: &RawValue,
        expected: Option<u64>,
    ) -> Result<SchemaWrittenView, ClientError> {
        let call = self.write_json(Method::PUT, format!("/api/v1/schemas{path}"), &schema)?;
        self.change(&call.expecting_revision(expected)).await
    }

    async fn part<T: DeserializeOwned>(
        &self,
        namespace: &NamespacePath,
        name: &'static str,
    ) -> Result<Option<T>, ClientError> {
        optional(self.get(self.fresh().behind(&part_path(namespace, name))).await)
    }

    async fn set_part(
        &self,
        (namespace, name): (&NamespacePath, &'static str),
        part: &impl Serialize,
        expected: Option<u64>,
    ) -> Result<Governed<NamespaceWrittenView>, ClientError> {
        let call = self.write_json(Method::PUT, part_path(namespace, name), part)?;
        self.govern(&call.expecting_revision(expected)).await
    }
}

fn part_path(namespace: &NamespacePath, name: &str) -> String {
    format!("/api/v1/namespaces{namespace}:{name}")
}
