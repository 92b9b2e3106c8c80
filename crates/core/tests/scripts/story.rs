//! Tells a test as a story: definitions, people, what executors report, time that passes.
//!
//! After every step the story checks what must always hold: the journal replayed makes the same rows,
//! the rows loaded make the same world, and everything that does not move says why.
#![allow(
    dead_code,
    reason = "each test file tells its stories with some of the words"
)]

use std::collections::BTreeMap;

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use trainmaster_core::access::{Holder, Role};
use trainmaster_core::command::{
    ActivityCommand, Decision, NewRelease, NewToken, ReleaseCommand, RestartFrom,
};
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::ids::{ActivityPath, ReleaseId, TokenId};
use trainmaster_core::notice::{Need, NoticeKind};
use trainmaster_core::release::{Activity, Release};
use trainmaster_core::status::{ActivityStatus, PhaseStatus, ReleaseStatus};
use trainmaster_core::uses::tasks::TaskStatus;
use trainmaster_core::{
    Actor, Change, Command, Effect, Envelope, Event, Outcome, Rejection, Waiting, World, definition,
};

/// A world with its journal and rows, at an instant.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    pub(crate) journal: Vec<Event>,
    rows: BTreeMap<EntityKey, String>,
    people: BTreeMap<String, TokenId>,
}

pub(crate) fn path(text: &str) -> ActivityPath {
    text.parse().expect("a path")
}

pub(crate) fn values(value: Value) -> BTreeMap<String, Value> {
    value
        .as_object()
        .expect("an object")
        .clone()
        .into_iter()
        .collect()
}

pub(crate) fn done() -> Outcome {
    Outcome::Succeeded { result: json!({}) }
}

pub(crate) fn handing_on(outputs: Value) -> Outcome {
    Outcome::Succeeded {
        result: json!({"outputs": outputs}),
    }
}

pub(crate) fn broken(error: &str) -> Outcome {
    Outcome::Failed {
        error: error.to_owned(),
        result: Value::Null,
    }
}

pub(crate) fn shaky(error: &str) -> Outcome {
    Outcome::Retryable {
        error: error.to_owned(),
        after: None,
        result: Value::Null,
    }
}

pub(crate) fn unknown(error: &str) -> Outcome {
    Outcome::Unknown {
        error: error.to_owned(),
    }
}

impl Story {
    /// Monday 2026-01-05, 08:00 UTC, with the definitions applied and Ada, the release manager, at hand.
    pub(crate) fn with(definitions: &str) -> Story {
        let mut story = Story {
            world: World::new(TimeZoneDatabase::bundled()),
            now: "2026-01-05T08:00:00Z".parse().expect("an instant"),
            journal: Vec::new(),
            rows: BTreeMap::new(),
            people: BTreeMap::new(),
        };
        story.person("root", &[], Role::Administrator);
        story.person("ada", &[], Role::ReleaseManager);
        story.apply(definitions);
        story
    }

    pub(crate) fn person(&mut self, user: &str, teams: &[&str], role: Role) {
        self.person_of(user, teams, role, None);
    }

    pub(crate) fn person_of(
        &mut self,
        user: &str,
        teams: &[&str],
        role: Role,
        organization: Option<&str>,
    ) {
        let token = NewToken {
            digest: format!("digest-of-{user}"),
            user: user.parse().expect("a name"),
            teams: teams
                .iter()
                .map(|team| team.parse().expect("a name"))
                .collect(),
            roles: vec![role],
            organization: organization.map(|name| name.parse().expect("a name")),
            kind: trainmaster_core::access::TokenKind::Service,
            scope: None,
            expires_at: Some(self.now + SignedDuration::from_hours(24 * 300)),
            description: String::new(),
        };
        self.command(Actor::System, Command::IssueToken(token))
            .expect("a token is issued");
        let id = self.holder_of(user).token;
        self.people.insert(user.to_owned(), id);
    }

    /// Somebody whose token was issued by name is at hand from now on.
    pub(crate) fn knows(&mut self, user: &str) {
        let id = self.holder_of(user).token;
        self.people.insert(user.to_owned(), id);
    }

    fn holder_of(&self, user: &str) -> &Holder {
        self.world
            .holder_by_digest(&format!("digest-of-{user}"))
            .expect("a known person")
    }

    pub(crate) fn holder(&self, user: &str) -> &Holder {
        self.holder_of(user)
    }

    pub(crate) fn actor(&self, user: &str) -> Actor {
        Actor::Token(*self.people.get(user).expect("a known person"))
    }

    pub(crate) fn apply(&mut self, definitions: &str) {
        self.try_apply("ada", definitions)
            .expect("definitions that hold together");
    }

    pub(crate) fn try_apply(&mut self, user: &str, definitions: &str) -> Result<(), Rejection> {
        let parsed = definition::parse(definitions, None).map_err(Rejection::InvalidDefinition)?;
        for parsed in parsed {
            let command = Command::ApplyResource {
                definition: Box::new(parsed.definition),
                if_revision: None,
            };
            self.command(self.actor(user), command)?;
        }
        Ok(())
    }

    /// Judges a command, takes its events in and carries out what follows.
    pub(crate) fn command(
        &mut self,
        actor: Actor,
        command: Command,
    ) -> Result<Vec<Event>, Rejection> {
        let envelope = Envelope {
            at: self.now,
            actor,
            command,
        };
        let mut events = self.world.decide(&envelope)?;
        for event in &events {
            self.world.apply(event);
        }
        events.extend(self.world.settle(self.now, usize::MAX));
        self.written(&events);
        Ok(events)
    }

    fn written(&mut self, events: &[Event]) {
        for event in events {
            // What is written down is what is read back.
            let text = serde_json::to_string(event).expect("an event is JSON");
            let read: Event = serde_json::from_str(&text).expect("an event reads back");
            assert_eq!(read, *event, "an event reads back as it was written");
            self.journal.push(read);
        }
        for key in self.world.take_touched() {
            match self.world.entity(&key) {
                Some(row) => drop(self.rows.insert(key, row.body())),
                None => drop(self.rows.remove(&key)),
            }
        }
        self.check();
    }

    /// What holds after every step.
    fn check(&self) {
        let mut replayed = World::new(TimeZoneDatabase::bundled());
        for event in &self.journal {
            replayed.apply(event);
        }
        for (key, body) in &self.rows {
            let row = replayed.entity(key).map(|row| row.body());
            assert_eq!(
                row.as_deref(),
                Some(body.as_str()),
                "the journal makes the row `{key}`"
            );
        }
        let loaded = self.reload();
        assert_eq!(
            loaded.wanted(),
            self.world.wanted(),
            "the rows make the same wanted effects"
        );
        assert_eq!(
            loaded.policy(),
            self.world.policy(),
            "the rows make the same rights"
        );
        assert_eq!(
            replayed.policy(),
            self.world.policy(),
            "the journal makes the same rights"
        );
        assert_eq!(
            replayed.wanted(),
            self.world.wanted(),
            "the journal makes the same wanted effects"
        );
        for release in self.world.releases() {
            let waiting = self.world.waiting(release.id, self.now);
            assert_eq!(
                waiting.is_empty(),
                release.status().is_terminal(),
                "{} is {:?} and waits for {waiting:?}",
                release.id,
                release.status()
            );
            assert_eq!(loaded.waiting(release.id, self.now), waiting);
            if release.status().is_terminal() {
                let open = self
                    .world
                    .activities(release.id)
                    .iter()
                    .find(|activity| !activity.is_settled());
                assert!(
                    open.is_none(),
                    "an ended release has no open activity: {open:?}"
                );
                assert!(
                    release
                        .phases
                        .iter()
                        .all(|phase| phase.status.is_terminal())
                );
            }
        }
    }

    /// The world as a server would find it after a restart.
    pub(crate) fn reload(&self) -> World {
        let rows = self
            .rows
            .iter()
            .map(|(key, body)| Entity::parse(key, body).expect("a row reads back"));
        World::from_entities(TimeZoneDatabase::bundled(), rows).expect("rows that fit together")
    }

    /// The server is killed and starts again.
    pub(crate) fn restart_server(&mut self) {
        self.world = self.reload();
        let events = self.world.settle(self.now, usize::MAX);
        self.written(&events);
    }

    /// The server is killed and starts again with what has not ended, and brings back what that asks about.
    pub(crate) fn restart_with_what_runs(&mut self) {
        let ended = |id: &ReleaseId| self.release(*id).status().is_terminal();
        let of = |key: &EntityKey| match key {
            EntityKey::Release(id) | EntityKey::Activity(id, _) => Some(*id),
            _ => None,
        };
        let read = |wanted: &dyn Fn(Option<ReleaseId>) -> bool| -> Vec<Entity> {
            let rows = self.rows.iter().filter(|(key, _)| wanted(of(key)));
            rows.map(|(key, body)| Entity::parse(key, body).expect("a row reads back"))
                .collect()
        };
        let living = read(&|id| id.is_none_or(|id| !ended(&id)));
        let mut world =
            World::from_entities(TimeZoneDatabase::bundled(), living).expect("rows that fit");
        while let Some(lacking) = world.lacking() {
            world
                .adopt(read(&|id| id == Some(lacking)))
                .expect("rows that fit");
        }
        self.world = world;
        let events = self.world.settle(self.now, usize::MAX);
        self.written(&events);
    }

    /// Lets time pass, waking the world whenever it asks to be woken.
    pub(crate) fn passes(&mut self, time: &str) {
        let span: SignedDuration = time.parse().expect("a duration");
        self.until(self.now + span);
    }

    pub(crate) fn until(&mut self, end: Timestamp) {
        for _ in 0..10_000 {
            match self.world.wake_at() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    let events = self.world.settle(self.now, usize::MAX);
                    self.written(&events);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("the world asks to be woken again and again");
    }

    pub(crate) fn until_day(&mut self, instant: &str) {
        self.until(instant.parse().expect("an instant"));
    }

    // ---- releases

    /// Ada creates a release of a process and starts it.
    pub(crate) fn start(&mut self, process: &str, inputs: Value) -> ReleaseId {
        self.try_start(process, inputs)
            .expect("a release that may start")
    }

    pub(crate) fn try_start(
        &mut self,
        process: &str,
        inputs: Value,
    ) -> Result<ReleaseId, Rejection> {
        self.create(
            "ada",
            NewRelease {
                start: true,
                ..new(process, inputs)
            },
        )
    }

    pub(crate) fn draft(&mut self, process: &str, inputs: Value) -> ReleaseId {
        self.create("ada", new(process, inputs)).expect("a draft")
    }

    pub(crate) fn create(
        &mut self,
        user: &str,
        release: NewRelease,
    ) -> Result<ReleaseId, Rejection> {
        let events = self.command(self.actor(user), Command::CreateRelease(Box::new(release)))?;
        Ok(events[0].release.expect("a creation names its release"))
    }

    pub(crate) fn does(
        &mut self,
        user: &str,
        release: ReleaseId,
        action: ReleaseCommand,
    ) -> Result<(), Rejection> {
        self.command(self.actor(user), Command::Release { release, action })
            .map(drop)
    }

    pub(crate) fn pause(&mut self, release: ReleaseId) {
        let reason = "a look round".to_owned();
        self.does("ada", release, ReleaseCommand::Pause { reason })
            .expect("it can be paused");
    }

    pub(crate) fn resume(&mut self, release: ReleaseId) {
        self.does("ada", release, ReleaseCommand::Resume)
            .expect("it can be resumed");
    }

    pub(crate) fn abort(&mut self, release: ReleaseId) {
        let reason = "not today".to_owned();
        self.does("ada", release, ReleaseCommand::Abort { reason })
            .expect("it can be aborted");
    }

    pub(crate) fn restart(&mut self, release: ReleaseId, from: RestartFrom) {
        let reason = "again".to_owned();
        let action = ReleaseCommand::Restart {
            from,
            at: None,
            reason,
        };
        self.does("ada", release, action)
            .expect("it can be restarted");
    }

    pub(crate) fn release(&self, release: ReleaseId) -> &Release {
        self.world.release(release).expect("a release in memory")
    }

    pub(crate) fn status(&self, release: ReleaseId) -> ReleaseStatus {
        self.release(release).status()
    }

    pub(crate) fn phase(&self, release: ReleaseId, id: &str) -> PhaseStatus {
        let phase = self
            .release(release)
            .phases
            .iter()
            .find(|phase| phase.id.as_str() == id);
        phase.expect("a phase").shown()
    }

    // ---- activities

    pub(crate) fn activity(&self, release: ReleaseId, at: &str) -> &Activity {
        self.world
            .activity(release, &path(at))
            .unwrap_or_else(|| panic!("there is `{at}`"))
    }

    pub(crate) fn stands(&self, release: ReleaseId, at: &str) -> ActivityStatus {
        self.activity(release, at).status()
    }

    /// All activities with their status, one a line.
    pub(crate) fn board(&self, release: ReleaseId) -> String {
        let activities = self.world.activities(release).iter();
        let lines = activities.map(|activity| format!("{} {:?}", activity.path, activity.status()));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Paths of the effects of a release that should be in flight.
    pub(crate) fn in_flight(&self, release: ReleaseId) -> Vec<&str> {
        let wanted = self
            .world
            .wanted()
            .keys()
            .filter(|id| id.release == release);
        wanted.map(|id| id.path.as_str()).collect()
    }

    pub(crate) fn effect(&self, release: ReleaseId, at: &str) -> &Effect {
        let wanted = self.world.wanted().values();
        let mut found =
            wanted.filter(|effect| effect.id.release == release && effect.id.path.as_str() == at);
        found
            .next()
            .unwrap_or_else(|| panic!("`{at}` should be in flight"))
    }

    /// The executor reports how the effect in flight there ended.
    pub(crate) fn finish(&mut self, release: ReleaseId, at: &str, outcome: Outcome) {
        let attempt = self.effect(release, at).id.clone();
        self.command(Actor::System, Command::FinishAttempt { attempt, outcome })
            .expect("an open attempt");
    }

    pub(crate) fn person_does(
        &mut self,
        user: &str,
        release: ReleaseId,
        at: &str,
        action: ActivityCommand,
    ) -> Result<(), Rejection> {
        self.command(
            self.actor(user),
            Command::Activity {
                release,
                path: path(at),
                action,
            },
        )
        .map(drop)
    }

    pub(crate) fn approve(
        &mut self,
        user: &str,
        release: ReleaseId,
        at: &str,
    ) -> Result<(), Rejection> {
        self.person_does(user, release, at, deciding(Decision::Approve))
    }

    pub(crate) fn reject(
        &mut self,
        user: &str,
        release: ReleaseId,
        at: &str,
    ) -> Result<(), Rejection> {
        self.person_does(user, release, at, deciding(Decision::Reject))
    }

    pub(crate) fn retry(&mut self, release: ReleaseId, at: &str) -> Result<(), Rejection> {
        self.fix(release, at, json!({}))
    }

    pub(crate) fn fix(
        &mut self,
        release: ReleaseId,
        at: &str,
        changes: Value,
    ) -> Result<(), Rejection> {
        let (inputs, reason) = (values(changes), "mended".to_owned());
        let action = ActivityCommand::Retry {
            inputs,
            remedy: None,
            save_to: None,
            reason,
        };
        self.person_does("ada", release, at, action)
    }

    pub(crate) fn ignore(
        &mut self,
        release: ReleaseId,
        at: &str,
        outputs: Value,
    ) -> Result<(), Rejection> {
        let action = ActivityCommand::Ignore {
            outputs: values(outputs),
            reason: "known".to_owned(),
        };
        self.person_does("ada", release, at, action)
    }

    pub(crate) fn give_up(&mut self, release: ReleaseId, at: &str) -> Result<(), Rejection> {
        self.person_does(
            "ada",
            release,
            at,
            ActivityCommand::Fail {
                reason: "hopeless".to_owned(),
            },
        )
    }

    pub(crate) fn submit(
        &mut self,
        user: &str,
        release: ReleaseId,
        at: &str,
        given: Value,
    ) -> Result<(), Rejection> {
        self.person_does(
            user,
            release,
            at,
            ActivityCommand::Submit {
                values: values(given),
            },
        )
    }

    pub(crate) fn task(
        &mut self,
        user: &str,
        release: ReleaseId,
        at: &str,
        task: &str,
        status: TaskStatus,
    ) -> Result<(), Rejection> {
        let action = ActivityCommand::UpdateTask {
            task: task.parse().expect("a name"),
            status,
            comment: String::new(),
            evidence: Vec::new(),
        };
        self.person_does(user, release, at, action)
    }

    pub(crate) fn waiting(&self, release: ReleaseId) -> Vec<Waiting> {
        self.world.waiting(release, self.now)
    }

    /// What the release waits for, as compact JSON a line each.
    pub(crate) fn waits(&self, release: ReleaseId) -> Vec<Value> {
        let waiting = self.waiting(release);
        waiting
            .iter()
            .map(|waiting| serde_json::to_value(waiting).expect("JSON"))
            .collect()
    }

    /// Types of the events about a release, or about one activity of it, oldest first.
    pub(crate) fn told(&self, release: ReleaseId, at: Option<&str>) -> Vec<String> {
        let about = |event: &&Event| {
            event.release == Some(release)
                && (at.is_none() || event.path.as_ref().map(|path| path.as_str()) == at)
        };
        self.journal.iter().filter(about).map(kind).collect()
    }

    /// Who was told what about a release, oldest first; that it has started is left out.
    pub(crate) fn notified(&self, release: ReleaseId) -> Vec<(Vec<String>, String)> {
        let events = self
            .journal
            .iter()
            .filter(|event| event.release == Some(release));
        let notices = events.filter_map(|event| match &event.change {
            Change::OwnersNotified {
                owners,
                message,
                kind,
                ..
            } if *kind != Some(NoticeKind::Started) => Some((
                owners.iter().map(ToString::to_string).collect(),
                message.clone(),
            )),
            _ => None,
        });
        notices.collect()
    }
}

impl Story {
    /// Who was told something of one kind about a release, oldest first.
    pub(crate) fn notices(&self, release: ReleaseId, wanted: NoticeKind) -> Vec<Notice> {
        let events = self
            .journal
            .iter()
            .filter(|event| event.release == Some(release));
        let notices = events.filter_map(|event| match &event.change {
            Change::OwnersNotified {
                owners,
                message,
                kind,
                need,
                urgent,
                ..
            } if *kind == Some(wanted) => Some(Notice {
                at: event.at,
                owners: owners.iter().map(ToString::to_string).collect(),
                message: message.clone(),
                need: *need,
                urgent: *urgent,
            }),
            _ => None,
        });
        notices.collect()
    }
}

/// What people were told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) at: Timestamp,
    pub(crate) owners: Vec<String>,
    pub(crate) message: String,
    pub(crate) need: Option<Need>,
    pub(crate) urgent: bool,
}

pub(crate) fn kind(event: &Event) -> String {
    let json = serde_json::to_value(event).expect("an event is JSON");
    json["type"]
        .as_str()
        .expect("an event has a type")
        .to_owned()
}

pub(crate) fn new(process: &str, inputs: Value) -> NewRelease {
    NewRelease {
        process: Some(process.parse().expect("a name")),
        inputs: values(inputs),
        ..NewRelease::default()
    }
}

pub(crate) fn deciding(decision: Decision) -> ActivityCommand {
    ActivityCommand::Decide {
        decision,
        comment: String::new(),
        digest: None,
    }
}

/// A process document around phases written in YAML, indented by four.
pub(crate) fn process(name: &str, phases: &str) -> String {
    format!(
        "apiVersion: trainmaster.dev/v1\nkind: Process\nmetadata: {{name: {name}}}\nspec:\n  phases:\n{phases}\n"
    )
}
