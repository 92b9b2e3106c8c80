//! `serve`: wires store, executors, engine and HTTP together, and lets go of them in the right order.
//!
//! Commands that run when the server ends go on under their supervisors and are taken up at the next start.

use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZoneDatabase;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use trainmaster_engine::checkpoint::Signer;
use trainmaster_engine::clock::SystemClock;
use trainmaster_engine::ports::{Clock, Executors, StoreError};
use trainmaster_engine::{Engine, Faults, Limits};
use trainmaster_executors::callback;
use trainmaster_executors::command::Supervisor;
use trainmaster_executors::egress::{Allow, Egress};
use trainmaster_executors::outlets::Outlets;
use trainmaster_executors::secrets::Secrets;
use trainmaster_server::{App, Dispatcher, Notary, OutletParts, Parts};
use trainmaster_store::SqlStore;

use crate::args::{LogFormat, ServeArgs};
use crate::config::Config;
use crate::failure::{Done, Failure};
use crate::output;

mod key;
mod outgoing;
mod welcome;

/// How long requests that are under way may take to finish once the server is asked to end.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the engine may take to stop after that.
const STOP: Duration = Duration::from_secs(10);

/// Runs the server until it is asked to end.
pub(crate) fn run(args: &ServeArgs) -> Done {
    let config = Config::resolve(args)?;
    if args.print_config {
        output::data(output::yaml(&config)?.trim_end());
        return Ok(());
    }
    let faults = faults(args.fault.as_deref())?;
    start_logging(config.log_format, "info,sqlx=warn,sea_orm_migration=warn");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(serve(&config, faults));
    // Executors that still watch their work do not hold the process up.
    runtime.shutdown_background();
    done
}

/// Supervises one command, as the server asks for it.
pub(crate) fn supervise(directory: &Path) -> ExitCode {
    trainmaster_executors::supervise(directory)
}

async fn serve(config: &Config, faults: Faults) -> Done {
    make_private(&config.data_dir)?;
    let store = open_store(config, faults.clone()).await?;
    let clock = Arc::new(SystemClock);
    let standing = stand(config, store, clock.clone(), clock, faults, |executors| {
        executors
    })
    .await?;
    welcome::first_administrator(&standing.engine, standing.store.as_ref(), &config.data_dir)
        .await?;
    output::note(format_args!("listening on http://{}", standing.address));
    standing.answer().await
}

/// A server with everything wired together, which does not answer yet.
pub(crate) struct Standing {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its engine, at work.
    pub(crate) engine: Engine,
    /// Its memory.
    pub(crate) store: Arc<SqlStore>,
    listener: TcpListener,
    app: App,
    outlets: Dispatcher,
}

impl Standing {
    /// Answers requests until the process is asked to end.
    pub(crate) async fn answer(self) -> Done {
        tokio::spawn(trainmaster_server::keeper::keep(self.app.clone()));
        answer_until_asked_to_end(self.listener, self.app, self.engine, self.outlets).await
    }
}

/// Wires a server together around a store and a clock; `around` may wrap what acts on the outside world.
///
/// `watch` shows the same time to those who only look after things now and then: the keeper, the notary, the outlets.
pub(crate) async fn stand(
    config: &Config,
    store: Arc<SqlStore>,
    clock: Arc<dyn Clock>,
    watch: Arc<dyn Clock>,
    faults: Faults,
    around: impl FnOnce(Executors) -> Executors,
) -> Result<Standing, Failure> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on `{}`", config.listen))?;
    let address = listener.local_addr()?;
    let public_url = config
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let sign_in = config
        .sign_in
        .options(address, &public_url, &allowed_inside(config)?)?;
    let callback_secret = key::read_or_make(&config.data_dir.join("callback.key"))?;
    let zones = TimeZoneDatabase::bundled();
    let vault = outgoing::vault(config, &store).await?;
    let secrets: Arc<dyn Secrets> = Arc::new(outgoing::Kept(vault.clone()));
    let egress = egress(config)?;
    let carrier = Arc::new(Outlets {
        egress: egress.clone(),
        secrets: secrets.clone(),
        mail: outgoing::mail(config)?,
    });
    let executors = executors(
        config,
        &public_url,
        callback_secret.clone(),
        egress,
        secrets,
    )?;
    let engine = Engine::start(trainmaster_engine::Options {
        store: store.clone(),
        executors: around(executors),
        logs: store.clone(),
        clock,
        zones: zones.clone(),
        faults: faults.clone(),
        limits: Limits::default(),
    })
    .await
    .map_err(store_failure)?;
    let outlets = Dispatcher::start(OutletParts {
        engine: engine.clone(),
        store: store.clone(),
        clock: watch.clone(),
        zones: zones.clone(),
        carrier,
        public_url,
        faults,
    });
    let seed = key::read_or_make(&config.data_dir.join("audit.key"))?;
    let notary = Notary {
        signer: Arc::new(Signer::from_seed(&seed).context("the key of the audit trail")?),
        file: config.checkpoint_file.clone(),
    };
    let options = trainmaster_server::Options {
        notary: Some(notary),
        callbacks: Some(Arc::new(move |token: &str| {
            callback::verify(token, &callback_secret)
        })),
        outlets: Some(outlets.clone()),
        vault: Some(vault),
        sign_in,
        ..Default::default()
    };
    let parts = Parts {
        engine: engine.clone(),
        store: store.clone(),
        logs: store.clone(),
        clock: watch,
        zones,
        options,
    };
    Ok(Standing {
        address,
        engine,
        store,
        listener,
        app: App::new(parts),
        outlets,
    })
}

/// Makes the data directory, for the eyes of its owner only.
pub(crate) fn make_private(directory: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(directory);
    made.with_context(|| {
        format!(
            "the data directory `{}` cannot be made",
            directory.display()
        )
    })
}

/// Opens the store of a data directory that is there.
pub(crate) async fn open_store(config: &Config, faults: Faults) -> Result<Arc<SqlStore>, Failure> {
    let mut options = trainmaster_store::Options::new(&config.database);
    options.faults = faults;
    Ok(Arc::new(
        SqlStore::open(options).await.map_err(store_failure)?,
    ))
}

/// A store that cannot be opened, in words for whoever starts the server.
pub(crate) fn store_failure(error: StoreError) -> Failure {
    match error {
        StoreError::Locked(what) => Failure::error(format!(
            "another server works on this data directory: {what}"
        ))
        .hint("stop the other server, or give this one a directory of its own with `--data-dir`"),
        other => Failure::error(other),
    }
}

fn faults(text: Option<&str>) -> Result<Faults, Failure> {
    match text {
        None => Ok(Faults::none()),
        Some(text) => {
            let points: Vec<&'static str> = trainmaster_store::POINTS
                .into_iter()
                .chain(trainmaster_server::outlets::POINTS)
                .collect();
            Faults::parse(text, &points).map_err(Failure::usage)
        }
    }
}

/// Where requests may go.
fn egress(config: &Config) -> Result<Egress, Failure> {
    Ok(Egress::new(allowed_inside(config)?))
}

/// Targets inside of the house that requests may go to.
fn allowed_inside(config: &Config) -> Result<Vec<Allow>, Failure> {
    let read = |text: &String| {
        text.parse()
            .map_err(|error| Failure::usage(format!("--allow-internal: {error}")))
    };
    config.allow_internal.iter().map(read).collect()
}

fn executors(
    config: &Config,
    public_url: &str,
    callback_secret: Vec<u8>,
    egress: Egress,
    secrets: Arc<dyn Secrets>,
) -> Result<Executors, Failure> {
    let program = std::env::current_exe().context("the path of this program is not known")?;
    Ok(trainmaster_executors::all(trainmaster_executors::Options {
        work_root: config.data_dir.join("work"),
        supervisor: Supervisor {
            program,
            args: vec!["supervise".to_owned()],
        },
        egress,
        public_url: public_url.to_owned(),
        callback_secret,
        secrets,
        limits: Default::default(),
    }))
}

/// Answers requests until a signal comes or the engine gives up; then lets everything under way finish.
async fn answer_until_asked_to_end(
    listener: TcpListener,
    app: App,
    engine: Engine,
    outlets: Dispatcher,
) -> Done {
    let asked = asked_to_end()?;
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let stopping = async { _ = stopping.await };
    tokio::spawn(app.clone().keep_checkpoints());
    let serving = tokio::spawn(trainmaster_server::serve(listener, app, stopping));
    let broken = tokio::select! {
        name = asked => {
            tracing::info!(signal = name, "asked to end");
            None
        }
        reason = engine.stopped() => reason,
    };
    _ = stop.send(());
    if tokio::time::timeout(DRAIN, serving).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    outlets.stop(STOP).await;
    if tokio::time::timeout(STOP, engine.shutdown()).await.is_err() {
        tracing::warn!("the engine did not stop in time");
    }
    match broken {
        None => Ok(()),
        Some(reason) => Err(Failure::error(format!("the engine has stopped: {reason}"))
            .hint("nothing that was acknowledged is lost; start the server again")),
    }
}

/// Completes with the name of the first signal that asks the process to end.
fn asked_to_end() -> Result<impl Future<Output = &'static str>, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// Logs to standard error; `TRAINMASTER_LOG` chooses what, for example `debug` or `trainmaster_engine=trace`.
pub(crate) fn start_logging(format: LogFormat, usual: &str) {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;
    let filter =
        EnvFilter::try_from_env("TRAINMASTER_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second subscriber in one process is refused; then the first one goes on.
    _ = match format {
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
}
