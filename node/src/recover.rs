//! `confman-node restore` and `recover`: make the volume of a new cluster's first node from what another cluster has left;
//! and `backups`, which lists what there is to restore.

use std::io::Write as _;

use anyhow::Context as _;
use confman_core::cluster::RecoveryCause;
use confman_store::{NewCluster, Rebuilt};

use crate::args::{BackupsArgs, NewClusterArgs, RecoverArgs, RestoreArgs};
use crate::backup::fetch::{self, Wanted};
use crate::propose::now;
use crate::run::block_on;

/// Lists the backups at a place.
pub fn list(args: &BackupsArgs) -> anyhow::Result<()> {
    block_on(async {
        let mut out = std::io::stdout();
        for backup in crate::backup::all(&args.backup_url).await? {
            writeln!(
                out,
                "{}  cluster {}  log {} to {}  {} bytes",
                backup.name, backup.cluster_id, backup.snapshot_index, backup.last_index, backup.bytes
            )?;
        }
        Ok(())
    })
}

/// Restores a backup into an empty volume.
pub fn restore(args: RestoreArgs) -> anyhow::Result<()> {
    crate::logs::init(args.new.log.log_format);
    block_on(async {
        let new = new_cluster(&args.new, RecoveryCause::Backup, args.at_index);
        let wanted = Wanted {
            cluster_id: args.from_cluster_id,
            name: args.backup,
        };
        let backup = fetch::find(&args.backup_url, &wanted).await?;
        let name = backup.name.clone();
        let Some(restore) = confman_store::Restore::begin(&args.new.data_dir, &new)? else {
            return resumed();
        };
        let fetched = fetch::fetch(&args.backup_url, backup, &restore.place())
            .await
            .with_context(|| format!("cannot bring the backup {name}"))?;
        let source = (fetched.snapshot.as_ref(), fetched.entries()?);
        let rebuilt = restore
            .finish(&confman_store::Options::default(), source, &new)
            .await
            .with_context(|| format!("cannot restore the backup {name}"))?;
        report(&args.new, &rebuilt)
    })
}

/// Recovers a volume in place.
pub fn recover(args: &RecoverArgs) -> anyhow::Result<()> {
    crate::logs::init(args.new.log.log_format);
    block_on(async {
        let options = confman_store::Options::default();
        if args.inspect {
            let end = confman_store::end_of_log(&args.new.data_dir, &options, &args.lost_cluster_id).await?;
            writeln!(
                std::io::stdout(),
                "the log ends at term {}, index {}",
                end.term,
                end.index
            )?;
            return Ok(());
        }
        let new = new_cluster(&args.new, RecoveryCause::Volume, None);
        let recovered = confman_store::recover(&args.new.data_dir, &options, &args.lost_cluster_id, &new)
            .await
            .with_context(|| format!("cannot recover {}", args.new.data_dir.display()))?;
        match recovered {
            Some(rebuilt) => report(&args.new, &rebuilt),
            None => resumed(),
        }
    })
}

fn resumed() -> anyhow::Result<()> {
    writeln!(
        std::io::stdout(),
        "what an interrupted run had made is in its place now"
    )?;
    Ok(())
}

fn new_cluster(args: &NewClusterArgs, cause: RecoveryCause, keep_until: Option<u64>) -> NewCluster {
    NewCluster {
        cluster_id: args.cluster_id.clone(),
        address: args.advertise.clone(),
        cause,
        time: now(),
        keep_until,
    }
}

fn report(args: &NewClusterArgs, rebuilt: &Rebuilt) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} is the volume of the first node of cluster {}:\n  kept:    everything up to log index {} of cluster {}\n  goes on: at log index {}, as node {}\nopen \
         publish requests were withdrawn. Start this node with the new cluster id, then add the others with empty volumes.",
        args.data_dir.display(),
        args.cluster_id,
        rebuilt.kept_index,
        rebuilt.lost,
        rebuilt.at_index,
        rebuilt.node_id
    )?;
    Ok(())
}
