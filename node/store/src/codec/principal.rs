//! Principals and actors as messages.

use confman_core::access::Role;
use confman_core::principal::{Actor, Principal, PrincipalKind};

use super::CodecError;
use super::field::{Tagged, repeated, required, tags};

tags!(PrincipalKind, "principal kind": User = 1, Group = 2, ServiceAccount = 3, ApiKey = 4);
tags!(Role, "role": Viewer = 1, Editor = 2, Publisher = 3, Admin = 4);

/// A [`Principal`], field by field: its text form drops the realm of service accounts.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PrincipalBody {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    realm: String,
    #[prost(string, tag = "3")]
    name: String,
}

impl From<&Principal> for PrincipalBody {
    fn from(principal: &Principal) -> Self {
        let Principal { kind, realm, name } = principal;
        Self {
            kind: kind.tag(),
            realm: realm.clone(),
            name: name.clone(),
        }
    }
}

impl TryFrom<PrincipalBody> for Principal {
    type Error = CodecError;
    fn try_from(body: PrincipalBody) -> Result<Self, CodecError> {
        let PrincipalBody { kind, realm, name } = body;
        Ok(Self {
            kind: PrincipalKind::from_tag(kind)?,
            realm,
            name,
        })
    }
}

/// An [`Actor`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct ActorBody {
    #[prost(message, optional, tag = "1")]
    principal: Option<PrincipalBody>,
    #[prost(message, repeated, tag = "2")]
    groups: Vec<PrincipalBody>,
    #[prost(string, optional, tag = "3")]
    ip: Option<String>,
}

impl From<&Actor> for ActorBody {
    fn from(actor: &Actor) -> Self {
        let Actor { principal, groups, ip } = actor;
        Self {
            principal: Some(principal.into()),
            groups: groups.iter().map(Into::into).collect(),
            ip: ip.clone(),
        }
    }
}

impl TryFrom<ActorBody> for Actor {
    type Error = CodecError;
    fn try_from(body: ActorBody) -> Result<Self, CodecError> {
        let ActorBody { principal, groups, ip } = body;
        Ok(Self {
            principal: required(principal, "actor.principal")?.try_into()?,
            groups: repeated(groups)?,
            ip,
        })
    }
}
