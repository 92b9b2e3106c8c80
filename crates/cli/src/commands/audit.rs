//! The audit trail: `audit list`, `export`, `verify`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use trainmaster_api::{AuditRecord, AuditVerdict};
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
        AuditCommand::Export => export(&Session::new(globals)?).await,
        AuditCommand::Verify { file: Some(file) } => verify_file(globals.output, &file),
        AuditCommand::Verify { file: None } => verify_server(&Session::new(globals)?).await,
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
    let path = ["api", "v1", "audit"];
    let items = client::list(&session.client, &path, &query, args.page.limit).await?;
    session.print_list(
        items,
        |record: &AuditRecord| record.event.position.to_string(),
        COLUMNS,
    )
}

/// Copies the journal as it is: what is printed is what `verify` reads.
async fn export(session: &Session) -> Done {
    let path = ["api", "v1", "audit", "export"];
    let request = session
        .client
        .request(Method::GET, &path, &[])
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
        output::data(intact(verdict.records, &verdict.hash));
    }
    match verdict.problem.filter(|_| !verdict.intact) {
        None => Ok(()),
        Some(problem) => Err(Failure::error(problem)),
    }
}

/// Checks an exported journal record by record; needs neither server nor memory.
fn verify_file(format: Format, file: &Path) -> Done {
    let verdict = if file == Path::new("-") {
        verify(std::io::stdin().lock())?
    } else {
        let opened = File::open(file);
        let opened =
            opened.map_err(|error| Failure::error(format!("`{}`: {error}", file.display())))?;
        verify(BufReader::new(opened))?
    };
    let Verdict { verifier, tampered } = verdict;
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
                "problem": tampered.as_ref().map(ToString::to_string),
            }),
        )?;
        return tampered.map_or(Ok(()), |_| Err(Failure::silent(Exit::Error)));
    }
    match tampered {
        None => {
            output::data(intact(verifier.position(), verifier.hash()));
            Ok(())
        }
        Some(tampered) => Err(Failure::error(&tampered).detail(format!(
            "the {} records before it are intact",
            verifier.position()
        ))),
    }
}

fn intact(records: u64, hash: &str) -> String {
    format!("intact: {records} records, the last with hash {hash}")
}

struct Verdict {
    verifier: Verifier,
    tampered: Option<Tampered>,
}

fn verify(mut journal: impl BufRead) -> Result<Verdict, Failure> {
    let mut verifier = Verifier::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if journal.read_until(b'\n', &mut line)? == 0 {
            return Ok(Verdict {
                verifier,
                tampered: None,
            });
        }
        if let Err(tampered) = check(&mut verifier, &line) {
            return Ok(Verdict {
                verifier,
                tampered: Some(tampered),
            });
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
        verify(lines.as_bytes()).expect("readable")
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
