//! Backups of the suite's PostgreSQL for the restore drill: a copy of its files while it runs, and named points of its log. By SQL alone, since a
//! packaged server may come without `pg_basebackup`.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use crate::client;

/// Directories of which only the name belongs to a base backup.
const EMPTY: [&str; 8] =
    ["pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_snapshots", "pg_stat_tmp", "pg_subtrans", "pg_wal"];
/// What speaks of the process that runs.
const OF_THE_PROCESS: [&str; 2] = ["postmaster.pid", "postmaster.opts"];
/// How long the archive may take.
const PATIENCE: Duration = Duration::from_secs(120);

async fn server() -> anyhow::Result<PgConnection> {
    PgConnection::connect(&client::setting("DAFEI_TEST_DATABASE_URL")?).await.context("PostgreSQL")
}

pub(super) async fn base(data: &Path, to: &Path) -> anyhow::Result<()> {
    let mut server = server().await?;
    sqlx::query("SELECT pg_backup_start('drill', true)").execute(&mut server).await?;
    copy(data, to)?;
    // Waits until the log that the copy needs is archived.
    let (label,): (String,) = sqlx::query_as("SELECT labelfile FROM pg_backup_stop()").fetch_one(&mut server).await?;
    let file = to.join("backup_label");
    fs::write(&file, label)?;
    own_like(data, &file)
}

/// Files may come and go and change while they are copied: the log mends that.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    own_like(from, to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            if EMPTY.contains(&&*name) {
                fs::create_dir_all(&target)?;
                fs::set_permissions(&target, entry.metadata()?.permissions())?;
                own_like(from, &target)?;
            } else {
                copy(&entry.path(), &target)?;
            }
        } else if !OF_THE_PROCESS.contains(&&*name) {
            match fs::copy(entry.path(), &target) {
                Ok(_) => own_like(from, &target)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| entry.path().display().to_string()),
            }
        }
    }
    Ok(())
}

/// The copy belongs to whom the original belongs to: PostgreSQL reads no other.
fn own_like(original: &Path, copy: &Path) -> anyhow::Result<()> {
    let (wanted, found) = (fs::metadata(original)?, fs::metadata(copy)?);
    if (wanted.uid(), wanted.gid()) != (found.uid(), found.gid()) {
        chown(copy, Some(wanted.uid()), Some(wanted.gid())).with_context(|| copy.display().to_string())?;
    }
    Ok(())
}

pub(super) async fn mark(name: &str) -> anyhow::Result<()> {
    let mut server = server().await?;
    let (file,): (String,) =
        sqlx::query_as("SELECT pg_walfile_name(pg_create_restore_point($1))").bind(name).fetch_one(&mut server).await?;
    sqlx::query("SELECT pg_switch_wal()").execute(&mut server).await?;
    let end = Instant::now() + PATIENCE;
    loop {
        let (archived,): (bool,) =
            sqlx::query_as("SELECT COALESCE(last_archived_wal >= $1, false) FROM pg_stat_archiver")
                .bind(&file)
                .fetch_one(&mut server)
                .await?;
        if archived {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{file} was not archived within {} s", PATIENCE.as_secs());
        sleep(Duration::from_millis(50)).await;
    }
}
