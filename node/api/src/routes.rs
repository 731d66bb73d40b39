//! The route table: every route of every port, who may call it, and what it takes. What has no row is denied.
//!
//! The node maps each row to its handler, the tests walk the rows without credentials, and the description of the
//! interface is generated from them.

/// Port that a route is served on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// Clients.
    Public,
    /// The operator: TLS, certificate of the courier.
    Internal,
    /// Prometheus.
    Metrics,
}

/// Method of a route; a `Get` also answers HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET and HEAD.
    Get,
    /// PUT.
    Put,
    /// POST.
    Post,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call a route at all. What they may do with it is decided by their roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anyone.
    Open,
    /// Whoever is authenticated, by whatever the cluster accepts; without a credential only where it lets anybody read.
    Known,
    /// The operator, by the certificate of its connection.
    Courier,
}

/// A query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// Accepted values.
    pub about: &'static str,
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which one.
    pub id: RouteId,
    /// Port.
    pub port: Port,
    /// Method.
    pub method: Method,
    /// Path pattern; `{*name}` spans several segments.
    pub pattern: &'static str,
    /// Who.
    pub access: Access,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Query parameters; any other is refused.
    pub query: &'static [Parameter],
}

impl Route {
    /// True if it honours `If-Match`; elsewhere the header is refused, so that nobody believes in it.
    pub fn is_conditional(&self) -> bool {
        use RouteId as Id;
        [
            Id::WriteConfig,
            Id::DeleteConfig,
            Id::WriteDraft,
            Id::DeleteDraft,
            Id::WriteNamespace,
            Id::DeleteNamespace,
            Id::WriteSchema,
        ]
        .contains(&self.id)
    }

    /// The pattern before its first placeholder, without the slash at the end.
    pub fn prefix(&self) -> &'static str {
        self.pattern.split_once("/{").map_or(self.pattern, |(prefix, _)| prefix)
    }
}

macro_rules! routes {
    ($($id:ident: $port:ident $method:ident $pattern:literal, $access:ident, $summary:literal, $query:expr;)+) => {
        /// Name of a route; the node has one handler for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum RouteId {
            $(#[doc = $summary] $id,)+
        }

        /// The table.
        pub const ROUTES: &[Route] = &[$(Route {
            id: RouteId::$id,
            port: Port::$port,
            method: Method::$method,
            pattern: $pattern,
            access: Access::$access,
            summary: $summary,
            query: $query,
        },)+];
    };
}

const NONE: &[Parameter] = &[];
const CONSISTENCY: Parameter = Parameter {
    name: "consistency",
    about: "stale (default), linearizable, or index=N: at least log index N",
};
const MAX_AGE: Parameter = Parameter {
    name: "maxAge",
    about: "500ms or 5s: refuse to answer from a state that is older",
};
const LIMIT: Parameter = Parameter {
    name: "limit",
    about: "items on a page",
};
const CURSOR: Parameter = Parameter {
    name: "cursor",
    about: "nextCursor of the page before, with otherwise the same query",
};
/// For keys: `version`. For namespaces: the rest.
const READ_CONFIG: &[Parameter] = &[
    CONSISTENCY,
    MAX_AGE,
    Parameter {
        name: "wait",
        about: "1ms to 60s, with index: answer as soon as something has changed after it; 304 if nothing has",
    },
    Parameter {
        name: "index",
        about: "with wait: Confman-Index of the last answer",
    },
    Parameter {
        name: "version",
        about: "of a key: a retained version instead of the live one",
    },
    Parameter {
        name: "prefix",
        about: "of a namespace: only keys that begin with it",
    },
    Parameter {
        name: "recursive",
        about: "of a namespace: true to include the namespaces below it",
    },
    Parameter {
        name: "values",
        about: "of a namespace: true to include the values",
    },
    LIMIT,
    CURSOR,
];
const READ_AUDIT: &[Parameter] = &[
    CONSISTENCY,
    MAX_AGE,
    Parameter {
        name: "order",
        about: "newest (default) or oldest first",
    },
    Parameter {
        name: "actor",
        about: "only events of this principal, e.g. user:ada",
    },
    Parameter {
        name: "key",
        about: "only events of this key",
    },
    Parameter {
        name: "action",
        about: "only this action, e.g. config.published",
    },
    Parameter {
        name: "request",
        about: "only events of this publish request",
    },
    Parameter {
        name: "from",
        about: "only events at or after this time (RFC 3339)",
    },
    Parameter {
        name: "to",
        about: "only events before this time (RFC 3339)",
    },
    LIMIT,
    CURSOR,
];
const READ_ONE: &[Parameter] = &[CONSISTENCY, MAX_AGE];
const PAGED: &[Parameter] = &[CONSISTENCY, MAX_AGE, LIMIT, CURSOR];
const VERIFY_AUDIT: &[Parameter] = &[CONSISTENCY, MAX_AGE, CURSOR];
const WRITE_VALUE: &[Parameter] = &[Parameter {
    name: "type",
    about: "secret-ref: the body, as text/plain, is the address of a secret",
}];
const DRY_RUN: &[Parameter] = &[Parameter {
    name: "dryRun",
    about: "of `:schema`: true only reports what the schema would break",
}];
const WATCH: &[Parameter] = &[
    Parameter {
        name: "recursive",
        about: "true to include the namespaces below it",
    },
    Parameter {
        name: "from",
        about: "log index, or id of an event: begin after it; the header Last-Event-ID wins. Without: from now on",
    },
    Parameter {
        name: "types",
        about: "values (default), workflow and governance, separated by commas",
    },
    Parameter {
        name: "values",
        about: "true to include the values that went live",
    },
];
const READ_SCHEMA: &[Parameter] = &[
    CONSISTENCY,
    MAX_AGE,
    Parameter {
        name: "revision",
        about: "a revision instead of the last one",
    },
];
/// For `KEY:diff`: `from` and `to`. For keys: the rest.
const READ_HISTORY: &[Parameter] = &[
    CONSISTENCY,
    MAX_AGE,
    Parameter {
        name: "values",
        about: "of a key: true to include the values; those of sensitive versions never are",
    },
    LIMIT,
    CURSOR,
    Parameter {
        name: "from",
        about: "of KEY:diff: the earlier version, 0 for no value; by default the one before",
    },
    Parameter {
        name: "to",
        about: "of KEY:diff: the later version; by default the live one",
    },
];
const LIST_REQUESTS: &[Parameter] = &[
    CONSISTENCY,
    MAX_AGE,
    Parameter {
        name: "namespace",
        about: "only those of this namespace and the ones below it",
    },
    Parameter {
        name: "state",
        about: "PendingReview, Approved, Published, Rejected, Withdrawn or Superseded",
    },
    Parameter {
        name: "submitter",
        about: "only those that this principal asked for, such as user:ada",
    },
    Parameter {
        name: "waiting-for",
        about: "me: only those that the caller can approve, or publish, now",
    },
    LIMIT,
    CURSOR,
];
const BY_STATE: &[Parameter] = &[
    Parameter {
        name: "state",
        about: "PendingReview, Published, Rejected, Withdrawn or Superseded",
    },
    Parameter {
        name: "after",
        about: "next of the page before",
    },
    LIMIT,
];
const READY: &[Parameter] = &[Parameter {
    name: "level",
    about: "local (default) or linearizable: with a quorum",
}];

routes! {
    ListRoot: Public Get "/api/v1/config", Known, "Lists the keys of the root namespace", READ_CONFIG;
    ReadConfig: Public Get "/api/v1/config/{*path}", Known,
        "Reads the value of a key, or lists the keys of a namespace, whichever the path names", READ_CONFIG;
    WriteConfig: Public Put "/api/v1/config/{*path}", Known,
        "Writes a key directly, where the namespace does not require approval", WRITE_VALUE;
    DeleteConfig: Public Delete "/api/v1/config/{*path}", Known,
        "Deletes a key directly, where the namespace does not require approval", NONE;
    DescribeConfig: Public Patch "/api/v1/config/{*path}", Known,
        "Changes description, tags, final or pins of a key: the path ends with `:meta`", NONE;
    EffectiveRoot: Public Get "/api/v1/effective", Known, "Reads all values of the root namespace", PAGED;
    Effective: Public Get "/api/v1/effective/{*path}", Known,
        "Reads what a namespace sees, its own values and those it inherits: all of it, or one key", PAGED;
    History: Public Get "/api/v1/history/{*path}", Known,
        "Lists the versions of a key, newest first; of `KEY:diff`: what changed between two of them", READ_HISTORY;
    DraftsRoot: Public Get "/api/v1/drafts", Known, "Lists the drafts of the root namespace", PAGED;
    ReadDraft: Public Get "/api/v1/drafts/{*path}", Known,
        "Reads the draft of a key, or lists the drafts of a namespace, whichever the path names", PAGED;
    WriteDraft: Public Put "/api/v1/drafts/{*path}", Known, "Writes the draft of a key", WRITE_VALUE;
    DeleteDraft: Public Delete "/api/v1/drafts/{*path}", Known, "Throws the draft of a key away", NONE;
    ListPublishRequests: Public Get "/api/v1/publish-requests", Known,
        "Lists publish requests, the last submitted first; a page may have few items and not be the last", LIST_REQUESTS;
    OpenPublishRequest: Public Post "/api/v1/publish-requests", Known,
        "Asks for a change of a key: of a draft, of a value in the body, a deletion or a rollback", NONE;
    DecidePublishRequest: Public Post "/api/v1/publish-requests/{id}/{action}", Known,
        "Decides: the action is `approve`, `reject`, `withdraw` or `publish`", NONE;
    RollBack: Public Post "/api/v1/rollback/{*path}", Known,
        "Goes back to an earlier version: at once, or by a publish request where the namespace says so", NONE;
    AdminRollBack: Public Post "/api/v1/admin/rollback", Known,
        "The same, with namespace and key in the body", NONE;
    ListNamespaces: Public Get "/api/v1/namespaces", Known, "Lists the namespaces that the caller may read", PAGED;
    CreateNamespace: Public Post "/api/v1/namespaces", Known, "Creates a namespace", NONE;
    ReadNamespace: Public Get "/api/v1/namespaces/{*path}", Known,
        "Reads a namespace, or with `:roles`, `:schema`, `:workflow` or `:webhooks` at the end that part; \
         webhooks come with how they do, for admins", READ_ONE;
    WriteNamespace: Public Put "/api/v1/namespaces/{*path}", Known,
        "Creates or replaces a namespace, or that part of it; what loosens it becomes a publish request", DRY_RUN;
    DeleteNamespace: Public Delete "/api/v1/namespaces/{*path}", Known, "Deletes an empty namespace", NONE;
    ReadSchema: Public Get "/api/v1/schemas/{*path}", Known, "Reads a schema", READ_SCHEMA;
    WriteSchema: Public Put "/api/v1/schemas/{*path}", Known, "Stores the next revision of a schema", NONE;
    ReadPublishRequest: Public Get "/api/v1/publish-requests/{id}", Known, "Reads one publish request", READ_ONE;
    AuditRoot: Public Get "/api/v1/audit", Known, "Reads the audit trail of the whole cluster", READ_AUDIT;
    Audit: Public Get "/api/v1/audit/{*path}", Known,
        "Reads the audit trail of a namespace and those below it", READ_AUDIT;
    AdminAuditRoot: Public Get "/api/v1/admin/audit", Known, "The same as `/audit`", READ_AUDIT;
    AdminAudit: Public Get "/api/v1/admin/audit/{*path}", Known, "The same as `/audit/{path}`", READ_AUDIT;
    WatchRoot: Public Get "/api/v1/watch", Known, "Streams the changes of the root namespace", WATCH;
    Watch: Public Get "/api/v1/watch/{*path}", Known, "Streams the changes of a namespace, in log order", WATCH;
    VerifyAudit: Public Get "/api/v1/audit:verify", Known,
        "Walks the chain of the audit trail on this node; for admins of the root namespace", VERIFY_AUDIT;
    IssueKey: Public Post "/api/v1/keys", Known, "Issues an API key and shows its text, once", NONE;
    ListKeys: Public Get "/api/v1/keys", Known,
        "Lists the API keys of the cluster whose admin the caller is; their hashes are never shown", PAGED;
    RevokeKey: Public Delete "/api/v1/keys/{name}", Known, "Ends an API key at once", NONE;
    ClusterStatus: Public Get "/api/v1/admin/status", Known,
        "Tells how every member of the cluster does; for admins of the root namespace", NONE;
    ReadIdentity: Public Get "/api/v1/admin/identity", Known, "Reads what can authenticate a person", READ_ONE;
    WriteIdentity: Public Put "/api/v1/admin/identity", Known,
        "Changes what can authenticate a person, which becomes a publish request", NONE;
    ReadStampKeys: Public Get "/api/v1/admin/stamp-keys", Known, "Lists the keys that admission stamps with", READ_ONE;
    AddStampKey: Public Post "/api/v1/admin/stamp-keys", Known, "Adds a stamp key once another admin agrees", NONE;
    ChangeMembership: Public Post "/api/v1/admin/membership", Known, "Adds or removes a member of the cluster", NONE;
    TransferLeader: Public Post "/api/v1/admin/transfer-leader", Known, "Hands the leadership to another node", NONE;
    TakeSnapshot: Public Post "/api/v1/admin/snapshot", Known, "Takes a snapshot of the node that answers", NONE;
    TakeBackup: Public Post "/api/v1/admin/backup", Known, "Takes a backup from the node that answers", NONE;
    ListBackups: Public Get "/api/v1/admin/backups", Known, "Lists the complete backups of the cluster", NONE;
    Whoami: Public Get "/api/v1/whoami", Known, "Tells who the caller is and which roles they have", NONE;
    OpenApi: Public Get "/api/v1/openapi.json", Open, "This description", NONE;
    Health: Public Get "/health", Open, "Tells whether the process works; never depends on a quorum", NONE;
    Ready: Public Get "/health/ready", Open, "Tells whether this node should be sent requests", READY;
    Metrics: Metrics Get "/metrics", Open, "Metrics in the text format of Prometheus", NONE;
    InternalStatus: Internal Get "/internal/v1/status", Courier, "How this node sees the cluster", NONE;
    Initialise: Internal Post "/internal/v1/initialise", Courier, "Bootstraps the cluster, once", NONE;
    RegisterStampKey: Internal Post "/internal/v1/stamp-keys", Courier, "Adds a stamp key", NONE;
    StampKeys: Internal Get "/internal/v1/stamp-keys", Courier, "Lists the stamp keys", NONE;
    DeclareNamespace: Internal Put "/internal/v1/namespaces", Courier, "Creates or updates a namespace", NONE;
    Namespaces: Internal Get "/internal/v1/namespaces", Courier, "Lists every namespace", NONE;
    ReleaseNamespace: Internal Post "/internal/v1/namespaces:release", Courier, "Frees the claim on a namespace", NONE;
    SubmitRequest: Internal Post "/internal/v1/publish-requests", Courier, "Opens a publish request", NONE;
    PublishRequests: Internal Get "/internal/v1/publish-requests", Courier, "Lists publish requests by state", BY_STATE;
    PublishRequest: Internal Get "/internal/v1/publish-requests/{id}", Courier, "Reads one publish request", NONE;
    ActOnRequest: Internal Post "/internal/v1/publish-requests/{id}", Courier,
        "Relays a review (`{id}:review`) or a withdrawal (`{id}:withdraw`)", NONE;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_answer_the_same_call() {
        for (index, first) in ROUTES.iter().enumerate() {
            for second in &ROUTES[index + 1..] {
                let same = (first.port, first.method, first.pattern) == (second.port, second.method, second.pattern);
                assert!(!same, "{:?} and {:?}", first.id, second.id);
            }
        }
    }

    #[test]
    fn only_the_internal_port_serves_the_courier_and_nothing_else() {
        for row in ROUTES {
            assert_eq!(
                row.port == Port::Internal,
                row.access == Access::Courier,
                "{:?}",
                row.id
            );
        }
    }
}
