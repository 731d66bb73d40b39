//! What an admin does with the cluster itself.

use confman_core::cluster::StampKey;
use reqwest::Method;

use super::{Client, ClientError, Governed};
use crate::cluster::{
    BackupView, BackupsView, ClusterStatusView, LeaderView, MembershipBody, MembershipView, SnapshotView,
    StampKeysView, TransferBody,
};

impl Client {
    /// How every member of the cluster does.
    pub async fn cluster_status(&self) -> Result<ClusterStatusView, ClientError> {
        self.get("/api/v1/admin/status".to_owned()).await
    }

    /// Makes whoever is at `address` (`host:port`) a member: it must be started for this cluster, with an empty volume.
    /// Asked again it says how far that is.
    pub async fn add_member(&self, address: &str) -> Result<MembershipView, ClientError> {
        self.change_membership(MembershipBody {
            add: Some(address.to_owned()),
            remove: None,
        })
        .await
    }

    /// Ends the membership of a node.
    pub async fn remove_member(&self, node_id: &str) -> Result<MembershipView, ClientError> {
        self.change_membership(MembershipBody {
            add: None,
            remove: Some(node_id.to_owned()),
        })
        .await
    }

    async fn change_membership(&self, body: MembershipBody) -> Result<MembershipView, ClientError> {
        let call = self.write_json(Method::POST, "/api/v1/admin/membership".to_owned(), &body)?;
        self.change(&call).await
    }

    /// Hands the leadership over: to the voter with this id, or to the one that is closest to the leader.
    pub async fn transfer_leader(&self, to: Option<&str>) -> Result<LeaderView, ClientError> {
        let body = TransferBody {
            to: to.map(str::to_owned),
        };
        let call = self.write_json(Method::POST, "/api/v1/admin/transfer-leader".to_owned(), &body)?;
        self.change(&call).await
    }

    /// Takes a snapshot of the node that answers.
    pub async fn take_snapshot(&self) -> Result<SnapshotView, ClientError> {
        let call = self.write(Method::POST, "/api/v1/admin/snapshot".to_owned());
        self.change(&call).await
    }

    /// Takes a backup from the node that answers.
    pub async fn take_backup(&self) -> Result<BackupView, ClientError> {
        let call = self.write(Method::POST, "/api/v1/admin/backup".to_owned());
        self.change(&call).await
    }

    /// The complete backups of the cluster, the oldest first.
    pub async fn backups(&self) -> Result<BackupsView, ClientError> {
        self.get(self.fresh().behind("/api/v1/admin/backups")).await
    }

    /// The keys that admission stamps with.
    pub async fn stamp_keys(&self) -> Result<StampKeysView, ClientError> {
        self.get(self.fresh().behind("/api/v1/admin/stamp-keys")).await
    }

    /// Asks another admin to agree to a stamp key that no present one vouches for.
    pub async fn add_stamp_key(&self, key: &StampKey) -> Result<Governed<StampKey>, ClientError> {
        let call = self.write_json(Method::POST, "/api/v1/admin/stamp-keys".to_owned(), key)?;
        self.govern(&call).await
    }
}
