//! The server's configuration: one YAML file, over it the environment, over that the flags.

pub(crate) mod signin;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::signin::SignIn;
use crate::args::{LogFormat, ServeArgs};
use crate::context::xdg;
use crate::failure::Failure;

/// What holds, with nothing left open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The folder of the SQLite database.
    pub(crate) database: PathBuf,
    /// Where the server keeps its files.
    pub(crate) data_dir: PathBuf,
    /// Internal targets that activities may call.
    pub(crate) allow_internal: Vec<String>,
    /// Address under which people reach the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    /// A file that signed checkpoints of the journal are appended to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) checkpoint_file: Option<PathBuf>,
    /// The mail server.
    #[serde(skip_serializing_if = "Mail::is_none")]
    pub(crate) mail: Mail,
    /// Keys of the secrets that the server keeps.
    #[serde(skip_serializing_if = "SecretKeys::is_none")]
    pub(crate) secret_keys: SecretKeys,
    /// How people sign in.
    pub(crate) sign_in: SignIn,
    /// How the server logs.
    pub(crate) log_format: LogFormat,
}

/// The mail server, as far as it is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Mail {
    /// `smtps://host`, or `smtp://host` for STARTTLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// The file that holds the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
}

impl Mail {
    fn is_none(&self) -> bool {
        *self == Mail::default()
    }
}

/// Keys of the secrets that the server keeps, as far as they are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct SecretKeys {
    /// The file of the key that seals; made in the data directory if it is not named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<PathBuf>,
    /// Files of keys that sealed before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) older: Vec<PathBuf>,
}

impl SecretKeys {
    fn is_none(&self) -> bool {
        *self == SecretKeys::default()
    }
}

/// The configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    database: Option<String>,
    data_dir: Option<PathBuf>,
    allow_internal: Vec<String>,
    public_url: Option<String>,
    checkpoint_file: Option<PathBuf>,
    mail: Mail,
    secret_keys: SecretKeys,
    sign_in: SignIn,
    log_format: Option<LogFormat>,
}

impl Config {
    /// Puts file, environment and flags together; clap has already let flags win over the environment.
    pub(crate) fn resolve(args: &ServeArgs) -> Result<Config, Failure> {
        let file = match &args.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let data_dir = args.data_dir.clone().or(file.data_dir);
        // Commands outlive the server and its working directory, so paths are made absolute here.
        let data_dir = std::path::absolute(data_dir.map_or_else(default_data_dir, Ok)?)?;
        let database = args.database.clone().or(file.database);
        let nothing_said = args.allow_internal.is_empty();
        let allow_internal = if nothing_said {
            file.allow_internal
        } else {
            args.allow_internal.clone()
        };
        Ok(Config {
            listen: args
                .listen
                .or(file.listen)
                .unwrap_or((Ipv4Addr::LOCALHOST, 7420).into()),
            database: std::path::absolute(database_path(database.as_deref(), &data_dir)?)?,
            data_dir,
            allow_internal,
            public_url: args.public_url.clone().or(file.public_url),
            checkpoint_file: args
                .checkpoint_file
                .clone()
                .or(file.checkpoint_file)
                .map(std::path::absolute)
                .transpose()?,
            mail: Mail {
                url: args.smtp_url.clone().or(file.mail.url),
                from: args.smtp_from.clone().or(file.mail.from),
                password_file: args.smtp_password_file.clone().or(file.mail.password_file),
            },
            secret_keys: SecretKeys {
                newest: args.secret_key_file.clone().or(file.secret_keys.newest),
                older: match args.old_secret_key_file.is_empty() {
                    true => file.secret_keys.older,
                    false => args.old_secret_key_file.clone(),
                },
            },
            sign_in: file.sign_in.with(&args.sign_in),
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
        })
    }
}

impl File {
    fn read(path: &Path) -> Result<File, Failure> {
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::error(format!("configuration `{}`: {error}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        serde_saphyr::from_str(&text).map_err(|error| wrong(&error))
    }
}

/// `trainmaster` in the XDG data directory.
pub(crate) fn default_data_dir() -> Result<PathBuf, Failure> {
    Ok(xdg("XDG_DATA_HOME", ".local/share")?.join("trainmaster"))
}

/// The folder of the database: a path or `sqlite:PATH`, none is the data directory.
///
/// The database consists of several files with names of their own, so a path to one of them means its folder.
pub(crate) fn database_path(database: Option<&str>, data_dir: &Path) -> Result<PathBuf, Failure> {
    let Some(database) = database else {
        return Ok(data_dir.to_owned());
    };
    if database.starts_with("postgres:") || database.starts_with("postgresql:") {
        return Err(Failure::usage(
            "this version keeps its data in SQLite; PostgreSQL is not supported yet",
        )
        .hint("give a folder such as `--database /var/lib/trainmaster`, or leave it out"));
    }
    let path = database.strip_prefix("sqlite:").unwrap_or(database);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains("://") {
        return Err(
            Failure::usage(format!("`{database}` is not a database that is known here"))
                .hint("write the path of a folder, or `sqlite:PATH`"),
        );
    }
    let path = Path::new(path);
    Ok(match path.parent() {
        Some(folder) if path.extension().is_some_and(|extension| extension == "db") => {
            if folder.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                folder.to_owned()
            }
        }
        _ => path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> ServeArgs {
        use clap::Parser as _;
        let words = ["trainmaster", "serve"].iter().chain(words);
        match crate::args::Cli::parse_from(words).command {
            crate::args::Command::Serve(args) => *args,
            other => panic!("`serve` was read as {other:?}"),
        }
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("server.yaml");
        std::fs::write(&path, text).expect("written");
        let path = path.display().to_string();
        (directory, path)
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_what_is_usual() {
        let (_directory, path) = file("listen: 127.0.0.1:9000\ndataDir: /var/lib/trains\n");
        let config = Config::resolve(&args(&["--config", &path])).expect("a configuration");
        assert_eq!(config.listen.port(), 9000);
        assert_eq!(config.database, Path::new("/var/lib/trains"));
        assert_eq!(config.log_format, LogFormat::Text);
        let flags = args(&["--config", &path, "--listen", "127.0.0.1:9001"]);
        assert_eq!(
            Config::resolve(&flags)
                .expect("a configuration")
                .listen
                .port(),
            9001
        );
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let (_directory, path) = file("listen: 127.0.0.1:9000\nlisten_on: x\n");
        let failure = Config::resolve(&args(&["--config", &path])).expect_err("refused");
        let text = failure.lines().join("\n");
        assert!(text.contains("listen_on"), "{text}");
        assert!(text.contains("line 2"), "{text}");
    }

    #[test]
    fn postgresql_is_refused_in_words() {
        let failure = database_path(Some("postgres://host/db"), Path::new("/d")).expect_err("no");
        assert!(failure.lines()[0].contains("PostgreSQL is not supported yet"));
        for (given, expected) in [
            ("sqlite:/x", "/x"),
            ("sqlite:///x/trainmaster.db", "/x"),
            ("y.db", "."),
        ] {
            let path = database_path(Some(given), Path::new("/d")).expect("a path");
            assert_eq!(path, Path::new(expected));
        }
    }
}
