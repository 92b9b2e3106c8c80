//! Makes up processes: graphs of phases and activities with everything that a process can say.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// How deep a generated process may run others below it.
pub const DEPTH_MAX: usize = 3;

/// The persons, teams and roles that generated processes name.
const OWNERS: [&str; 8] = [
    "user:ada",
    "user:bob",
    "user:cleo",
    "user:dan",
    "team:qa",
    "team:ops",
    "role:operator",
    "role:release-manager",
];

/// The conditions that generated processes use; the model of the journal knows the same ones.
const CONDITIONS: [(u32, &str); 6] = [
    (3, "success()"),
    (3, "failure()"),
    (3, "always()"),
    (3, "1 == 1"),
    (2, "1 == 2"),
    (2, "release.run == 1"),
];

/// The definitions of one simulation, those run by others first, each a document.
pub fn definitions(seed: u64) -> Vec<(String, Value)> {
    let mut random = Random::at(seed, "processes");
    let mut made: Vec<(String, Value)> = Vec::new();
    let depth = random.range(1, DEPTH_MAX);
    for level in 0..depth {
        let callable: Vec<String> = made.iter().map(|(name, _)| name.clone()).collect();
        let name = format!("process-{level}");
        let size = if level == depth - 1 {
            Size::Large
        } else {
            Size::Small
        };
        let document = process(&mut random, &name, size, &callable);
        made.push((name, document));
    }
    made
}

/// Another revision of a process: made anew under the same name.
pub fn revision(random: &mut Random, name: &str) -> Value {
    process(random, name, Size::Small, &[])
}

#[derive(Clone, Copy, PartialEq)]
enum Size {
    Small,
    Large,
}

fn process(random: &mut Random, name: &str, size: Size, callable: &[String]) -> Value {
    let phases_max = if size == Size::Large { 4 } else { 2 };
    let count = random.range(1, phases_max);
    let phases: Vec<Value> = (0..count)
        .map(|index| phase(random, index, size, callable))
        .collect();
    let mut spec = Map::new();
    spec.insert("variables".to_owned(), json!({"region": "north"}));
    if random.percent(20) {
        spec.insert("allowPartialSuccess".to_owned(), json!(false));
    }
    if random.percent(30) {
        spec.insert(
            "decisionDeadline".to_owned(),
            json!(*random.pick(&["10m", "4h", "2d"])),
        );
    }
    spec.insert("phases".to_owned(), Value::Array(phases));
    json!({
        "apiVersion": "trainmaster.dev/v1",
        "kind": "Process",
        "metadata": {"name": name},
        "spec": spec,
    })
}

fn phase(random: &mut Random, index: usize, size: Size, callable: &[String]) -> Value {
    let mut phase = Map::new();
    phase.insert("id".to_owned(), json!(format!("p{index}")));
    phase.insert("importance".to_owned(), importance(random));
    let before = earlier(random, index, "p");
    if !before.is_empty() {
        phase.insert("dependsOn".to_owned(), json!(before));
    }
    if random.percent(20) {
        phase.insert("when".to_owned(), json!(random.weighted(&CONDITIONS)));
    }
    if random.percent(30) {
        phase.insert("owners".to_owned(), json!([random.pick(&OWNERS)]));
    }
    window(random, &mut phase);
    let gates = if random.percent(25) {
        random.range(1, 2)
    } else {
        0
    };
    let most = if size == Size::Large { 5 } else { 3 };
    let activities = random.range(1, most);
    let made: Vec<Value> = (0..gates)
        .map(|index| activity(random, index, "g", callable))
        .collect();
    phase.insert("gates".to_owned(), Value::Array(made));
    let made: Vec<Value> = (0..activities)
        .map(|index| activity(random, index, "a", callable))
        .collect();
    phase.insert("activities".to_owned(), Value::Array(made));
    Value::Object(phase)
}

/// Some of those with a smaller number.
fn earlier(random: &mut Random, index: usize, prefix: &str) -> Vec<String> {
    (0..index)
        .filter(|_| random.percent(45))
        .map(|before| format!("{prefix}{before}"))
        .collect()
}

fn importance(random: &mut Random) -> Value {
    json!(random.weighted(&[(5, "critical"), (3, "required"), (2, "optional")]))
}

fn window(random: &mut Random, phase: &mut Map<String, Value>) {
    if random.percent(12) {
        let opens =
            json!({"day": random.range(1, 2), "time": random.pick(&["06:00", "12:30", "23:00"])});
        phase.insert("opens".to_owned(), opens);
    }
    if random.percent(12) {
        let then = random.pick(&["complete", "fail"]);
        let closes = json!({"day": random.range(3, 5), "time": random.pick(&["07:00", "18:00"]), "then": then});
        phase.insert("closes".to_owned(), closes);
    }
}

fn activity(random: &mut Random, index: usize, prefix: &str, callable: &[String]) -> Value {
    let mut activity = Map::new();
    let mut set = |name: &str, value: Value| drop(activity.insert(name.to_owned(), value));
    set("id", json!(format!("{prefix}{index}")));
    set("importance", importance(random));
    let before = earlier(random, index, prefix);
    if !before.is_empty() {
        set("dependsOn", json!(before));
    }
    let repeated = random.percent(14);
    if random.percent(15) {
        let condition = random.weighted(&CONDITIONS);
        let per_item = repeated && random.percent(50);
        set(
            "when",
            json!(if per_item { "index != 0" } else { condition }),
        );
    }
    if random.percent(25) {
        set("owners", json!([random.pick(&OWNERS)]));
    }
    let (uses, with) = work(random, callable);
    set("uses", json!(uses));
    set("with", with);
    let outside = matches!(uses, "command" | "http" | "notify" | "verify");
    if outside && random.percent(30) {
        set("outputs", json!({"url": "${result.outputs.url}"}));
    }
    if random.percent(25) {
        set("timeout", json!(*random.pick(&["30s", "5m", "2h"])));
    }
    if random.percent(45) {
        set("retry", retry(random));
    }
    set(
        "onFailure",
        json!(random.weighted(&[(6, "hold"), (3, "fail"), (1, "ignore")])),
    );
    set(
        "onUnknown",
        json!(random.weighted(&[(4, "hold"), (4, "retry"), (2, "fail")])),
    );
    for permission in ["mayRetry", "mayIgnore"] {
        if random.percent(8) {
            set(permission, json!(false));
        }
    }
    if repeated {
        let items: Vec<String> = (0..random.range(0, 4))
            .map(|item| format!("item-{item}"))
            .collect();
        set("forEach", json!(items));
        if random.percent(60) {
            set("maxParallel", json!(random.range(1, 2)));
        }
    }
    Value::Object(activity)
}

fn retry(random: &mut Random) -> Value {
    let mut retry = Map::new();
    retry.insert("maxAttempts".to_owned(), json!(random.range(1, 4)));
    if random.percent(60) {
        retry.insert(
            "initialDelay".to_owned(),
            json!(*random.pick(&["1s", "20s", "1m"])),
        );
        if random.percent(60) {
            retry.insert(
                "maxDelay".to_owned(),
                json!(*random.pick(&["1m", "90s", "10m"])),
            );
        }
    }
    if random.percent(20) {
        retry.insert("deadline".to_owned(), json!(*random.pick(&["2m", "1h"])));
    }
    Value::Object(retry)
}

/// What an activity does, and its settings.
fn work(random: &mut Random, callable: &[String]) -> (&'static str, Value) {
    let subprocess = if callable.is_empty() { 0 } else { 4 };
    let uses = random.weighted(&[
        (8, "command"),
        (5, "http"),
        (2, "notify"),
        (2, "verify"),
        (4, "wait"),
        (5, "approval"),
        (2, "input"),
        (2, "tasks"),
        (subprocess, "subprocess"),
    ]);
    let with = match uses {
        "command" => json!({"run": ["build", "--region", "${vars.region}"]}),
        "http" => json!({"url": "https://outside.example/deploy", "method": "POST"}),
        "notify" => {
            json!({"url": "https://outside.example/hook", "event": "news", "message": "hello"})
        }
        "verify" => json!({
            "http": {"url": "https://outside.example/health"},
            "success": "value == value",
            "window": "1m",
            "every": "10s",
        }),
        "wait" => json!({"for": *random.pick(&["1s", "10m", "3h", "1d"])}),
        "approval" => approval(random),
        "input" => json!({
            "fields": [{"name": "answer", "default": "yes"}],
            "assignees": [random.pick(&OWNERS)],
            "remind": "1h",
        }),
        "tasks" => json!({"tasks": [
            {"id": "t0", "title": "Look"},
            {"id": "t1", "title": "Look again", "assignees": [random.pick(&OWNERS)]},
        ]}),
        "subprocess" => json!({"process": random.pick(callable)}),
        other => unreachable!("no settings for `{other}`"),
    };
    (uses, with)
}

fn approval(random: &mut Random) -> Value {
    let count = random.range(1, 3);
    let mut approvers: Vec<&str> = Vec::new();
    while approvers.len() < count {
        let owner = *random.pick(&OWNERS);
        if !approvers.contains(&owner) {
            approvers.push(owner);
        }
    }
    let quorum = match random.below(4) {
        0 => json!("all"),
        1 => json!("majority"),
        _ => json!(random.range(1, count)),
    };
    let mut with = json!({
        "approvers": approvers,
        "quorum": quorum,
        "order": random.weighted(&[(3, "any"), (1, "sequential")]),
        "veto": random.percent(60),
        "excludeRequester": random.percent(30),
    });
    if random.percent(15) {
        with["excludeAuthors"] = json!(["user:dan"]);
    }
    if random.percent(50) {
        with["deadline"] = json!(*random.pick(&["10m", "6h"]));
        with["onDeadline"] = json!(*random.pick(&["keep", "reject", "escalate"]));
        with["escalateTo"] = json!(["role:administrator"]);
        with["remind"] = json!("5m");
    }
    with
}

#[cfg(test)]
mod tests {
    use trainmaster_core::definition;

    use super::*;

    #[test]
    fn every_generated_process_holds_together() {
        for seed in 0..300 {
            for (name, document) in definitions(seed) {
                let parsed = definition::parse(&document.to_string(), None);
                let problems = parsed.err().unwrap_or_default();
                assert!(
                    problems.is_empty(),
                    "seed {seed}, {name}: {problems:?}\n{document:#}"
                );
            }
        }
    }
}
