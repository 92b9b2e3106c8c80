//! Ten thousand planned instants, with crashes at every moment: each yields one release, none two (reliability.md, 32).

use std::collections::BTreeMap;

use jiff::tz::TimeZoneDatabase;
use jiff::{SignedDuration, Timestamp};
use trainmaster_core::entity::{Entity, EntityKey};
use trainmaster_core::{Actor, Change, Command, Envelope, Event, definition};
use trainmaster_engine::kernel::Kernel;
use trainmaster_engine::memory::MemoryStore;
use trainmaster_engine::ports::Store;

/// Its releases end at once: there is nothing to do in them.
const PROCESS: &str = "
apiVersion: trainmaster.dev/v1
kind: Process
metadata: {name: nothing}
spec:
  phases:
    - {id: none, when: 'false', activities: [{id: rest, uses: wait, with: {for: 1h}}]}
";

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/St_Johns",
    "Africa/Casablanca",
];
const GROUPS: usize = 40;
const DAYS: usize = 250;

fn group(number: usize) -> String {
    let zone = ZONES[number % ZONES.len()];
    // Half of them at an hour that clocks leave out or show twice.
    let hour = if number.is_multiple_of(2) {
        "02:30"
    } else {
        "14:00"
    };
    format!(
        "
apiVersion: trainmaster.dev/v1
kind: ReleaseGroup
metadata: {{name: g{number}}}
spec:
  process: nothing
  cadence: {{every: daily}}
  zone: {zone}
  startDate: 2026-03-01
  endDate: 2026-11-05
  startTime: \"{hour}\"
  duration: 1h
  horizon: 36h
  missed: run
"
    )
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

async fn start(store: &MemoryStore) -> Kernel {
    let loaded = store.load().await.expect("it loads");
    Kernel::new(loaded, TimeZoneDatabase::bundled()).expect("rows that fit together")
}

fn apply(kernel: &mut Kernel, at: Timestamp, text: &str) {
    let definition = definition::parse(text, None)
        .expect("a definition")
        .remove(0)
        .definition;
    let envelope = Envelope {
        at,
        actor: Actor::System,
        command: Command::ApplyResource {
            definition: Box::new(definition),
            if_revision: None,
        },
    };
    kernel
        .submit(&envelope, |_, _| String::new())
        .expect("it is applied");
}

async fn commit(kernel: &mut Kernel, store: &MemoryStore) {
    let batch = kernel.take_batch().expect("rows are written");
    store.commit(&batch).await.expect("it is committed");
    kernel.forget(50);
}

#[tokio::test]
async fn ten_thousand_planned_instants_yield_ten_thousand_releases_whatever_crashes() {
    let store = MemoryStore::new();
    let mut now: Timestamp = "2026-02-25T00:00:00Z".parse().expect("a time");
    let mut kernel = start(&store).await;
    apply(&mut kernel, now, PROCESS);
    for number in 0..GROUPS {
        apply(&mut kernel, now, &group(number));
    }
    commit(&mut kernel, &store).await;
    let mut dice = Dice(0x7261_696e_6d61_7374);
    let mut crashes = 0;
    // A step makes few events, so that a group's releases lie in several batches.
    while let Some(due) = kernel.wake_at() {
        now = now.max(due);
        // The clock may jump: back a little, or on for some hours while nothing runs.
        match dice.below(40) {
            0 => now -= SignedDuration::from_mins(50),
            1 => now += SignedDuration::from_hours(30),
            _ => (),
        }
        kernel.limit_events(1 + dice.below(60) as usize);
        kernel.wake(now).expect("nothing panics");
        match dice.below(30) {
            // Killed before the commit: all of it is gone.
            0 => {
                crashes += 1;
                kernel = start(&store).await;
            }
            // Killed after it, before anybody knew.
            1 => {
                crashes += 1;
                commit(&mut kernel, &store).await;
                kernel = start(&store).await;
            }
            _ => commit(&mut kernel, &store).await,
        }
    }
    assert!(crashes > 100, "only {crashes} crashes");
    let made = made(&store);
    assert_eq!(made.len(), GROUPS * DAYS);
    let mut days: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for (group, at) in made.keys() {
        days.entry(group).or_default().push(*at);
    }
    assert_eq!(days.len(), GROUPS);
    for (group, instants) in &days {
        let gaps = instants
            .windows(2)
            .map(|pair| pair[1].duration_since(pair[0]));
        let longest = gaps.map(|gap| gap.as_hours()).max().expect("many days");
        assert!(longest <= 25, "{group} left a day out");
    }
    assert_eq!(made.values().copied().max(), Some(1), "none was made twice");
}

/// How many releases the journal has made for each planned instant; the rows know the same ones.
fn made(store: &MemoryStore) -> BTreeMap<(String, Timestamp), u32> {
    let mut made = BTreeMap::new();
    for (key, row) in store.rows() {
        if !matches!(key, EntityKey::Release(_)) {
            continue;
        }
        let Ok(Entity::Release(release)) = Entity::parse(&key, &row.body) else {
            panic!("a release reads back")
        };
        let group = release.group.expect("groups made all of them");
        *made
            .entry((group.group.to_string(), group.planned_at))
            .or_default() += 1;
    }
    made
}

#[tokio::test]
async fn the_journal_and_the_rows_agree_about_what_a_group_has_made() {
    let store = MemoryStore::new();
    let now: Timestamp = "2026-02-25T00:00:00Z".parse().expect("a time");
    let mut kernel = start(&store).await;
    apply(&mut kernel, now, PROCESS);
    apply(&mut kernel, now, &group(0).replace("36h", "90d"));
    commit(&mut kernel, &store).await;
    let created = store.journal().into_iter().filter(|record| {
        let event: Event = serde_json::from_str(&record.body).expect("an event");
        matches!(event.change, Change::ReleaseCreated(_))
    });
    assert_eq!(created.count(), made(&store).len());
    assert_eq!(made(&store).len(), 86);
}
