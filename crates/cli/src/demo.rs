//! `demo`: a server with people, a repository and a release train under way, for a first look.
//!
//! Everything in it is real: activities commit to a Git repository, run its builds and ask its services,
//! and people approve through the same doors as everywhere. Only the waiting between two days is skipped.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::{ReleaseId, TokenId};
use trainmaster_core::status::ActivityStatus;
use trainmaster_core::{Change, Event};
use trainmaster_engine::ports::{Clock as _, Store as _};
use trainmaster_engine::{Engine, Faults};
use trainmaster_store::SqlStore;

use crate::args::LogFormat;
use crate::config::Config;
use crate::config::signin::SignIn;
use crate::context::xdg;
use crate::failure::{Done, Failure};
use crate::output;
use crate::serve::{self, Standing};

mod clock;
mod house;
mod pace;
mod people;
mod sample;
mod service;
mod words;

use clock::{Bystander, SkippingClock};
use house::{House, Memory};
use pace::Pace;
use people::Tokens;
use sample::Hand;
use service::Services;

/// `demo`.
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Minutes of waiting that pass in one second; work and people get the time they need
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) speed: u32,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 7420)))]
    pub(crate) listen: SocketAddr,
    /// Where the demo keeps everything [default: trainmaster-demo in the XDG data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How far it goes by itself
    #[arg(long, value_enum, default_value_t = Until::SignOff)]
    pub(crate) until: Until,
    /// Throw away what an earlier demo left in its directory
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// How far the demo goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// People, repository and services, and nothing to do: bring your own releases.
    Setup,
    /// A train that waits for its QA sign-off.
    SignOff,
    /// The whole train; the demo signs off as two people.
    End,
}

/// Runs the demo until it is asked to end.
pub(crate) fn run(args: &DemoArgs) -> Done {
    serve::start_logging(LogFormat::Text, "warn");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(demo(args));
    // Executors that still watch their work do not hold the process up.
    runtime.shutdown_background();
    done
}

async fn demo(args: &DemoArgs) -> Done {
    let root = match &args.data_dir {
        Some(directory) => directory.clone(),
        None => xdg("XDG_DATA_HOME", ".local/share")?.join("trainmaster-demo"),
    };
    let house = House::at(root)?;
    let mut config = Config {
        listen: args.listen,
        database: house.server(),
        data_dir: house.server(),
        allow_internal: Vec::new(),
        public_url: None,
        checkpoint_file: None,
        mail: Default::default(),
        secret_keys: Default::default(),
        // Time runs faster here, and whoever looks around is not to be signed out by it.
        sign_in: SignIn {
            session_idle: Some("30d".to_owned()),
            session_max: Some("30d".to_owned()),
            ..SignIn::default()
        },
        log_format: LogFormat::Text,
    };
    serve::make_private(&config.data_dir)?;
    let mut store = serve::open_store(&config, Faults::none()).await?;
    if args.fresh {
        // Having opened the store, nobody else works on it.
        drop(store);
        house.empty()?;
        serve::make_private(&config.data_dir)?;
        store = serve::open_store(&config, Faults::none()).await?;
    }
    let mut memory = house.memory()?;
    house.move_in_repository()?;
    let services = Services {
        repository: house.repository(),
        announcements: house.announcements(),
    };
    memory.services_port = services.open(memory.services_port).await?;
    house.remember(&memory)?;
    house.move_in(memory.services_port)?;
    config.allow_internal = vec![format!("127.0.0.1:{}", memory.services_port)];

    let clock = SkippingClock::new(time_to_go_on(&store).await?);
    let around = |executors| clock.around(executors);
    let shared = Arc::new(clock.clone());
    let watch = Arc::new(Bystander(clock.clone()));
    let standing = serve::stand(&config, store, shared, watch, Faults::none(), around).await?;
    let stage = Stage {
        args: args.clone(),
        clock,
        house,
        memory,
        tokens: Tokens::new(),
        engine: standing.engine.clone(),
        store: standing.store.clone(),
        hands: BTreeMap::new(),
    };
    play(stage, standing).await
}

/// Answers requests while the demo goes on.
async fn play(mut stage: Stage, standing: Standing) -> Done {
    let address = standing.address;
    let performance = async move {
        stage.open(address).await?;
        stage.go_on().await
    };
    let mut performance = Box::pin(performance);
    let mut answering = Box::pin(standing.answer());
    tokio::select! {
        done = &mut answering => done,
        played = &mut performance => match played {
            Ok(()) => answering.await,
            Err(error) => Err(Failure::from(error)),
        },
    }
}

/// When something last happened, or the morning on which the sample begins.
async fn time_to_go_on(store: &SqlStore) -> anyhow::Result<Timestamp> {
    let position = store.load().await?.position;
    let Some(before) = position.checked_sub(1) else {
        return sample::first_morning(Timestamp::now());
    };
    let records = store.events_after(before, 1).await?;
    let last = records.first().context("the journal has no last record")?;
    Ok(last.event()?.at)
}

/// Everything that the demo plays with.
struct Stage {
    args: DemoArgs,
    clock: SkippingClock,
    house: House,
    memory: Memory,
    tokens: Tokens,
    engine: Engine,
    store: Arc<SqlStore>,
    hands: BTreeMap<&'static str, TokenId>,
}

impl Stage {
    /// Lets the people in, makes the sample if it is not there, and says where everything is.
    async fn open(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        self.tokens = people::tokens(&self.house.people())?;
        let now = self.clock.now();
        let year = SignedDuration::from_hours(365 * 24);
        let until = now.checked_add(year)?;
        self.hands = people::let_in(&self.engine, &self.store, &self.tokens, until).await?;
        let url = format!("http://{address}");
        words::welcome(&url, &self.tokens, &self.house.definitions());
        if self.args.until == Until::Setup || self.memory.is_settled {
            return Ok(());
        }
        let rita = self.hand("rita");
        rita.apply(&self.house.definition_texts(self.memory.services_port))
            .await?;
        self.memory.train = rita.make_releases(now).await?;
        self.memory.began = Some(now);
        self.memory.is_settled = true;
        self.house.remember(&self.memory)
    }

    /// Moves the clock, tells what happens, and does what the people of the demo do by themselves.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        let pace = Pace {
            clock: self.clock.clone(),
            engine: self.engine.clone(),
            store: self.store.clone(),
            speed: self.args.speed,
        };
        // The position comes before what is looked at, so that nothing falls between the two.
        let mut events = self.engine.subscribe(self.engine.position());
        self.catch_up().await?;
        tokio::spawn(pace.keep());
        while let Some(record) = events.next().await {
            let event = record?.event()?;
            if let Some(line) = words::told(&event, self.memory.began) {
                output::data(line);
            }
            self.respond(&event).await?;
        }
        Ok(())
    }

    /// Does what an earlier start may have left undone.
    async fn catch_up(&self) -> anyhow::Result<()> {
        let Ok(train) = self.memory.train.parse::<ReleaseId>() else {
            return Ok(());
        };
        let rows = self.store.load_release(train).await?;
        let waits = rows.iter().any(|row| match row {
            Entity::Activity { activity, .. } => {
                activity.path.as_str() == sample::SIGN_OFF
                    && activity.status() == ActivityStatus::OnHold
            }
            _ => false,
        });
        if waits {
            self.sign_off(train).await?;
        }
        Ok(())
    }

    async fn respond(&self, event: &Event) -> anyhow::Result<()> {
        let Some(release) = event
            .release
            .filter(|release| release.to_string() == self.memory.train)
        else {
            return Ok(());
        };
        match &event.change {
            Change::AttemptStarted(_)
                if event.path.as_ref().map(|path| path.as_str()) == Some(sample::SIGN_OFF) =>
            {
                self.sign_off(release).await?;
            }
            Change::PhaseStarted { phase, .. } if phase.as_str() == sample::FIXES => {
                self.house.push_a_fix(sample::BRANCH)?;
                output::data("                            a developer pushed an approved fix");
            }
            Change::ReleaseFinished { .. } => words::ended(&self.memory.train),
            _ => (),
        }
        Ok(())
    }

    /// Signs off as two people if the demo goes to the end, or says how people can.
    async fn sign_off(&self, train: ReleaseId) -> anyhow::Result<()> {
        if self.args.until != Until::End {
            words::waits_for_sign_off(&self.memory.train);
            return Ok(());
        }
        for (person, comment) in [
            ("anna", "the customers wait for it"),
            ("ben", "all tests are green"),
        ] {
            self.hand(person).approve(train, comment).await?;
        }
        Ok(())
    }

    fn hand(&self, person: &str) -> Hand {
        Hand {
            engine: self.engine.clone(),
            token: self.hands[person],
        }
    }
}
