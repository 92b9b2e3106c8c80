//! Remembered servers: one YAML file in the XDG configuration directory that only its owner may read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::args::Globals;
use crate::client::parse_server;
use crate::failure::Failure;

/// Where a server listens when nothing else is said.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:7420";

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Contexts {
    /// The one that is used when none is named.
    pub(crate) current: Option<String>,
    /// Servers by name.
    pub(crate) contexts: BTreeMap<String, Context>,
}

/// One remembered server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Context {
    /// Its address.
    pub(crate) server: String,
    /// The token to sign in with.
    pub(crate) token: String,
    /// Who that is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) user: String,
}

/// Which server to talk to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its address.
    pub(crate) server: String,
    /// The token, if there is one.
    pub(crate) token: Option<String>,
}

impl Target {
    /// Flags and environment first, then the named or current context, then the usual address.
    pub(crate) fn resolve(globals: &Globals) -> Result<Target, Failure> {
        if let (Some(server), Some(token)) = (&globals.server, &globals.token) {
            return Ok(Target {
                server: server.clone(),
                token: Some(token.clone()),
            });
        }
        let contexts = Contexts::read(&path()?)?;
        let remembered = contexts.chosen(globals.context.as_deref())?;
        let server = globals.server.clone();
        let token = globals.token.clone().or_else(|| {
            // A remembered token goes to the server it was given for, and to no other.
            let fits = |context: &&Context| {
                server
                    .as_ref()
                    .is_none_or(|url| same_server(url, &context.server))
            };
            remembered.filter(fits).map(|context| context.token.clone())
        });
        let remembered = remembered.map(|context| context.server.clone());
        let server = server
            .or(remembered)
            .unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        Ok(Target { server, token })
    }
}

/// Whether two addresses mean one server, however they are written.
fn same_server(one: &str, other: &str) -> bool {
    match (parse_server(one), parse_server(other)) {
        (Ok(one), Ok(other)) => {
            one.as_str().trim_end_matches('/') == other.as_str().trim_end_matches('/')
        }
        _ => false,
    }
}

impl Contexts {
    /// Reads the file; a missing one remembers nothing.
    pub(crate) fn read(path: &Path) -> Result<Contexts, Failure> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Contexts::default());
            }
            Err(error) => return Err(Failure::error(format!("`{}`: {error}", path.display()))),
        };
        serde_saphyr::from_str(&text)
            .map_err(|error| Failure::error(format!("`{}`: {error}", path.display())))
    }

    /// Writes the file as a whole, readable by its owner only.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = crate::output::yaml(self)?;
        write_private(path, text.as_bytes())
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
        Ok(())
    }

    /// The named context, or the current one; none if there is none.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<Option<&Context>, Failure> {
        match name {
            Some(name) => Ok(Some(self.named(name)?)),
            None => Ok(self
                .current
                .as_ref()
                .and_then(|name| self.contexts.get(name))),
        }
    }

    /// The named context.
    pub(crate) fn named(&self, name: &str) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            Failure::error(format!("there is no context `{name}`")).hint(
                "`trainmaster context list` shows the contexts, `trainmaster login URL` makes one",
            )
        })
    }
}

/// The file that remembers.
pub(crate) fn path() -> Result<PathBuf, Failure> {
    Ok(xdg("XDG_CONFIG_HOME", ".config")?
        .join("trainmaster")
        .join("config.yaml"))
}

/// An XDG base directory: from the environment if that is absolute, else below the home directory.
pub(crate) fn xdg(variable: &str, below_home: &str) -> Result<PathBuf, Failure> {
    let given = std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(below_home));
    given.or_else(home).ok_or_else(|| {
        Failure::error(format!(
            "neither `{variable}` nor `HOME` is set, so there is no place for files"
        ))
    })
}

/// Replaces a file by way of a neighbour, so that a reader finds the old or the new one, never half of it.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let neighbour = path.with_extension(format!("yaml.{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&neighbour)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&neighbour, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("trainmaster/config.yaml");
        let context = Context {
            server: DEFAULT_SERVER.into(),
            token: "tm_x".into(),
            user: "admin".into(),
        };
        let contexts = Contexts {
            current: Some("home".into()),
            contexts: [("home".into(), context)].into(),
        };
        contexts.write(&path).expect("written");
        assert_eq!(Contexts::read(&path).expect("read"), contexts);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_server_is_the_same_with_or_without_its_scheme_and_last_slash() {
        assert!(same_server("127.0.0.1:7420/", "http://127.0.0.1:7420"));
        assert!(!same_server(
            "https://127.0.0.1:7420",
            "http://127.0.0.1:7420"
        ));
        assert!(!same_server(
            "http://127.0.0.1:7421",
            "http://127.0.0.1:7420"
        ));
    }

    #[test]
    fn an_unknown_field_in_the_file_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("config.yaml");
        fs::write(&path, "curent: home\n").expect("written");
        assert!(Contexts::read(&path).is_err());
    }
}
