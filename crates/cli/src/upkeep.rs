//! Verbs for the files of a server that does not run: `doctor --data-dir`, `migrate`, `backup`, `restore`.

use std::path::PathBuf;

use serde_json::json;
use trainmaster_store::{Options, SqlStore, upkeep};

use crate::args::{BackupArgs, Format, PlaceArgs};
use crate::config::{database_path, default_data_dir};
use crate::failure::{Done, Failure};
use crate::output;
use crate::small_runtime;

fn folder(place: &PlaceArgs) -> Result<PathBuf, Failure> {
    let data_dir = place.data_dir.clone().map_or_else(default_data_dir, Ok)?;
    database_path(place.database.as_deref(), &data_dir)
}

/// Opens what is there; a folder without data is a mistake here, not a beginning.
async fn open(place: &PlaceArgs) -> Result<SqlStore, Failure> {
    let folder = folder(place)?;
    if !folder.join("trainmaster.db").is_file() {
        return Err(
            Failure::error(format!("`{}` holds no data", folder.display()))
                .hint("name the directory of the server with `--data-dir`"),
        );
    }
    SqlStore::open(Options::new(folder))
        .await
        .map_err(crate::serve::store_failure)
}

/// `doctor --data-dir`: whether the files are in order and the journal is intact.
pub(crate) fn check(format: Format, directory: PathBuf) -> Done {
    let place = PlaceArgs {
        database: None,
        data_dir: Some(directory),
    };
    let diagnosis = small_runtime()?.block_on(async {
        let store = open(&place).await?;
        store.diagnose().await.map_err(Failure::error)
    })?;
    let journal = diagnosis.journal.as_ref();
    if output::is_structured(format) {
        let answer = json!({
            "ok": diagnosis.is_healthy(),
            "faults": diagnosis.faults,
            "journal": journal.map_or_else(ToString::to_string, |_| "intact".to_owned()),
        });
        output::structured(format, &answer)?;
    }
    if diagnosis.is_healthy() {
        if !output::is_structured(format) {
            output::data("the files are in order and the journal is intact");
        }
        return Ok(());
    }
    let failure = Failure::error("the data are not in order");
    let failure = diagnosis
        .faults
        .iter()
        .fold(failure, |failure, fault| failure.detail(fault));
    let failure = journal
        .err()
        .into_iter()
        .fold(failure, |failure, fault| failure.detail(fault));
    Err(failure.hint("`trainmaster restore` puts a backup into another directory"))
}

/// `migrate`: opening does it.
pub(crate) fn migrate(place: &PlaceArgs) -> Done {
    small_runtime()?.block_on(open(place))?;
    output::data("the files fit this version");
    Ok(())
}

/// `backup`.
pub(crate) fn backup(args: &BackupArgs) -> Done {
    small_runtime()?.block_on(async {
        let store = open(&args.place).await?;
        store.backup(&args.file).await.map_err(Failure::error)
    })?;
    output::data(format_args!("backup written to {}", args.file.display()));
    Ok(())
}

/// `restore`.
pub(crate) fn restore(args: &BackupArgs) -> Done {
    let folder = folder(&args.place)?;
    let restored = small_runtime()?.block_on(upkeep::restore(&args.file, &folder));
    restored.map_err(Failure::error)?;
    output::data(format_args!("restored into {}", folder.display()));
    output::hint("the output of activities is not part of a backup; everything else is as it was");
    Ok(())
}
