//! The audit trail: `audit list`, `export`, `verify`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use trainmaster_api::{AuditDetail, AuditKey, AuditRecord, AuditVerdict};
use trainmaster_engine::checkpoint::{Anchors, Checkpoint, PublicKey};
use trainmaster_engine::journal::{Tampered, Verifier};

use super::{Column, Session, column, wide_column};
use crate::args::{AuditCommand, AuditListArgs, Format, Globals};
use crate::client;
use crate::failure::{Done, Exit, Failure};
use crate::output;

/// A line of a journal is longer than this only if it is no journal.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Runs a verb of `audit`.
pub(crate) async fn run(globals: &Globals, command: AuditCommand) -> Done {
    match command {
        AuditCommand::List(args) => list(&Session::new(globals)?, &args).await,
        AuditCommand::Export => {
            copy(&Session::new(globals)?, &["api", "v1", "audit", "export"]).await
        }
        AuditCommand::Show { position } => show(&Session::new(globals)?, position).await,
        AuditCommand::Checkpoints => {
            copy(
                &Session::new(globals)?,
                &["api", "v1", "audit", "checkpoints"],
            )
            .await
        }
        AuditCommand::Checkpoint => sign(&Session::new(globals)?).await,
        AuditCommand::Key => key(&Session::new(globals)?).await,
        AuditCommand::Verify {
            file: Some(file),
            checkpoints,
            key,
        } => {
            let anchors = match (checkpoints, key) {
                (Some(checkpoints), Some(key)) => anchors(&checkpoints, &key)?,
                _ => Anchors::default(),
            };
            verify_file(globals.output, &file, anchors)
        }
        AuditCommand::Verify { file: None, .. } => verify_server(&Session::new(globals)?).await,
    }
}

const COLUMNS: &[Column<AuditRecord>] = &[
    column("POSITION", |record, _| record.event.position.to_string()),
    column("TIME", |record, _| {
        let at = &record.event.at;
        at.parse().map_or_else(|_| at.clone(), crate::when::local)
    }),
    column("BY", |record, _| record.event.by.clone()),
    column("TYPE", |record, _| record.event.event_type.clone()),
    column("RELEASE", |record, _| {
        record.event.release.clone().unwrap_or_default()
    }),
    column("ACTIVITY", |record, _| {
        record.event.path.clone().unwrap_or_default()
    }),
    wide_column("HASH", |record, _| record.hash.chars().take(16).collect()),
];

async fn list(session: &Session, args: &AuditListArgs) -> Done {
    let mut query = Vec::new();
    if let Some(release) = &args.release {
        query.push((
            "release",
            super::release::resolve(&session.client, release).await?,
        ));
    }
    query.extend(args.user.clone().map(|user| ("by", format!("user:{user}"))));
    query.extend(
        args.event_type
            .clone()
            .map(|event_type| ("type", event_type)),
    );
    query.extend(args.object.clone().map(|object| ("object", object)));
    query.extend(args.from.map(|from| ("from", from.to_string())));
    query.extend(args.to.map(|to| ("to", to.to_string())));
    let path = ["api", "v1", "audit"];
    let items = client::list(&session.client, &path, &query, args.page.limit).await?;
    session.print_list(
        items,
        |record: &AuditRecord| record.event.position.to_string(),
        COLUMNS,
    )
}

async fn show(session: &Session, position: u64) -> Done {
    let position = position.to_string();
    let path = ["api", "v1", "audit", "records", &position];
    let answer: Value = session.client.get(&path, &[]).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let detail: AuditDetail = serde_json::from_value(answer)?;
    let event = &detail.record.event;
    let release = event.release.as_deref().unwrap_or_default();
    let path = event.path.as_deref().unwrap_or_default();
    output::data(
        format!(
            "{} {} by {} at {} {release} {path}",
            event.position, event.event_type, event.by, event.at
        )
        .trim_end(),
    );
    if detail.changes.is_empty() {
        output::data(serde_json::to_string_pretty(&event.data)?);
    }
    for change in &detail.changes {
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "(nothing)".to_owned(), ToString::to_string)
        };
        output::data(format!(
            "  {}: {} → {}",
            change.path,
            shown(&change.before),
            shown(&change.after)
        ));
    }
    Ok(())
}

async fn sign(session: &Session) -> Done {
    let path = ["api", "v1", "audit", "checkpoints"];
    let answer: Value = session.client.post(&path, &json!({})).await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    // One line, as the file of checkpoints holds it.
    let checkpoint: Checkpoint = serde_json::from_value(answer)?;
    output::data(serde_json::to_string(&checkpoint)?);
    Ok(())
}

async fn key(session: &Session) -> Done {
    let answer: Value = session
        .client
        .get(&["api", "v1", "audit", "key"], &[])
        .await?;
    if output::is_structured(session.format) {
        return output::structured(session.format, &answer);
    }
    let key: AuditKey = serde_json::from_value(answer)?;
    output::data(key.key);
    Ok(())
}

/// What signed checkpoints say about a journal.
fn anchors(checkpoints: &Path, key: &str) -> Result<Anchors, Failure> {
    let key: PublicKey = key
        .parse()
        .map_err(|error| Failure::usage(format!("--key: {error}")))?;
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::error(format!("checkpoints `{}`: {error}", checkpoints.display()))
    };
    let file = File::open(checkpoints).map_err(|error| wrong(&error))?;
    let mut signed: Vec<Checkpoint> = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| wrong(&error))?;
        if !line.trim().is_empty() {
            signed.push(serde_json::from_str(&line).map_err(|error| wrong(&error))?);
        }
    }
    if signed.is_empty() {
        return Err(wrong(&"there is no checkpoint in it"));
    }
    Anchors::new(signed, &key).map_err(|error| wrong(&error))
}

/// Copies what the server sends as it is: what is printed is what `verify` reads.
async fn copy(session: &Session, path: &[&str]) -> Done {
    let request = session
        .client
        .request(Method::GET, path, &[])
        .accept("application/x-ndjson");
    let mut body = session.client.stream(&request).await?.bytes_stream();
    let mut out = std::io::stdout().lock();
    while let Some(bytes) = body.next().await {
        let bytes =
            bytes.map_err(|error| Failure::error(format!("the export broke off: {error}")))?;
        out.write_all(&bytes)?;
    }
    Ok(out.flush()?)
}

async fn verify_server(session: &Session) -> Done {
    let answer: Value = session
        .client
        .get(&["api", "v1", "audit", "verify"], &[])
        .await?;
    let verdict: AuditVerdict = serde_json::from_value(answer.clone())?;
    if output::is_structured(session.format) {
        output::structured(session.format, &answer)?;
    } else if verdict.intact {
        output::data(intact(verdict.records, &verdict.hash, verdict.checkpoints));
    }
    match verdict.problem.filter(|_| !verdict.intact) {
        None => Ok(()),
        Some(problem) => Err(Failure::error(problem)),
    }
}

/// Checks an exported journal record by record; needs neither server nor memory.
fn verify_file(format: Format, file: &Path, anchors: Anchors) -> Done {
    let verdict = if file == Path::new("-") {
        verify(std::io::stdin().lock(), anchors)?
    } else {
        let opened = File::open(file);
        let opened =
            opened.map_err(|error| Failure::error(format!("`{}`: {error}", file.display())))?;
        verify(BufReader::new(opened), anchors)?
    };
    let Verdict {
        verifier,
        met,
        tampered,
    } = verdict;
    if verifier.position() == 0 && tampered.is_none() {
        return Err(Failure::error("there is no record in it")
            .hint("every journal begins with its first administrator; `trainmaster audit export` writes it"));
    }
    if output::is_structured(format) {
        output::structured(
            format,
            &json!({
                "intact": tampered.is_none(),
                "records": verifier.position(),
                "hash": verifier.hash(),
                "checkpoints": met,
                "problem": tampered.as_ref().map(ToString::to_string),
            }),
        )?;
        return tampered.map_or(Ok(()), |_| Err(Failure::silent(Exit::Error)));
    }
    match tampered {
        None => {
            output::data(intact(verifier.position(), verifier.hash(), met as u64));
            Ok(())
        }
        Some(tampered) => Err(Failure::error(&tampered).detail(format!(
            "the {} records before it are intact",
            verifier.position()
        ))),
    }
}

fn intact(records: u64, hash: &str, checkpoints: u64) -> String {
    let anchored = match checkpoints {
        0 => String::new(),
        1 => "; 1 signed checkpoint is met".to_owned(),
        many => format!("; {many} signed checkpoints are met"),
    };
    format!("intact: {records} records, the last with hash {hash}{anchored}")
}

struct Verdict {
    verifier: Verifier,
    met: usize,
    tampered: Option<Tampered>,
}

fn verify(mut journal: impl BufRead, mut anchors: Anchors) -> Result<Verdict, Failure> {
    let mut verifier = Verifier::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let ended = journal.read_until(b'\n', &mut line)? == 0;
        let checked = if ended {
            anchors.end(verifier.position())
        } else {
            check(&mut verifier, &line)
                .and_then(|()| anchors.check(verifier.position(), verifier.hash()))
                .map(|()| 0)
        };
        match checked {
            Ok(_) if !ended => (),
            Ok(met) => {
                return Ok(Verdict {
                    verifier,
                    met,
                    tampered: None,
                });
            }
            Err(tampered) => {
                return Ok(Verdict {
                    verifier,
                    met: 0,
                    tampered: Some(tampered),
                });
            }
        }
    }
}

/// Checks one line; a last line without its end was cut short even if it can be read.
fn check(verifier: &mut Verifier, line: &[u8]) -> Result<(), Tampered> {
    let tampered = |what: &str| Tampered {
        position: verifier.position() + 1,
        what: what.to_owned(),
    };
    let line = line
        .strip_suffix(b"\n")
        .ok_or_else(|| tampered("the line has no end"))?;
    if line.len() > LINE_BYTES_MAX {
        return Err(tampered("the line is longer than any record"));
    }
    let text = std::str::from_utf8(line).map_err(|_| tampered("the line is not UTF-8"))?;
    verifier.check_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(lines: &str) -> Verdict {
        verify(lines.as_bytes(), Anchors::default()).expect("readable")
    }

    #[test]
    fn an_empty_journal_is_intact() {
        let verdict = journal("");
        assert_eq!(verdict.verifier.position(), 0);
        assert!(verdict.tampered.is_none());
    }

    #[test]
    fn the_first_bad_line_is_named_by_its_position() {
        for lines in ["nonsense\n", "{}\n", "\n", "no end"] {
            let tampered = journal(lines).tampered.expect("not intact");
            assert_eq!(tampered.position, 1, "{lines:?}");
        }
    }
}
