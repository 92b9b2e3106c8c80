//! The settings of activities (`with`), checked against the config type of what they use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use schemars::schema_for;
use serde::de::DeserializeOwned;
use serde_json::Value;
use trainmaster_expr::{Condition, Scope, Template, Type};

use crate::definition::fault::{At, Faults};
use crate::definition::shape::{self, Expressions, Shape};
use crate::duration::Duration;
use crate::inputs::InputDeclaration;
use crate::uses::ActivityType;
use crate::uses::approval::ApprovalConfig;
use crate::uses::command::CommandConfig;
use crate::uses::http::HttpConfig;
use crate::uses::input::InputConfig;
use crate::uses::notify::NotifyConfig;
use crate::uses::subprocess::SubprocessConfig;
use crate::uses::tasks::TasksConfig;
use crate::uses::verify::VerifyConfig;
use crate::uses::wait::WaitConfig;

/// The JSON Schema of a type's settings.
pub(crate) fn config_schema(uses: ActivityType) -> Value {
    match uses {
        ActivityType::Command => schema_for!(CommandConfig),
        ActivityType::Http => schema_for!(HttpConfig),
        ActivityType::Approval => schema_for!(ApprovalConfig),
        ActivityType::Input => schema_for!(InputConfig),
        ActivityType::Tasks => schema_for!(TasksConfig),
        ActivityType::Wait => schema_for!(WaitConfig),
        ActivityType::Subprocess => schema_for!(SubprocessConfig),
        ActivityType::Verify => schema_for!(VerifyConfig),
        ActivityType::Notify => schema_for!(NotifyConfig),
    }
    .to_value()
}

/// Settings without any `${…}` must be what the type reads in the end.
fn read_strictly(uses: ActivityType, settings: &Value) -> Result<(), serde_json::Error> {
    fn read<T: DeserializeOwned>(settings: &Value) -> Result<(), serde_json::Error> {
        T::deserialize(settings).map(drop)
    }
    match uses {
        ActivityType::Command => read::<CommandConfig>(settings),
        ActivityType::Http => read::<HttpConfig>(settings),
        ActivityType::Approval => read::<ApprovalConfig>(settings),
        ActivityType::Input => read::<InputConfig>(settings),
        ActivityType::Tasks => read::<TasksConfig>(settings),
        ActivityType::Wait => read::<WaitConfig>(settings),
        ActivityType::Subprocess => read::<SubprocessConfig>(settings),
        ActivityType::Verify => read::<VerifyConfig>(settings),
        ActivityType::Notify => read::<NotifyConfig>(settings),
    }
}

fn shape_of(uses: ActivityType) -> &'static Shape {
    static SHAPES: LazyLock<BTreeMap<ActivityType, Shape>> = LazyLock::new(|| {
        let types = ActivityType::ALL.into_iter();
        types
            .map(|uses| (uses, Shape::of(&config_schema(uses))))
            .collect()
    });
    &SHAPES[&uses]
}

/// Checks settings; `types` holds what each text with `${…}` gives, none if it is wrong.
pub(super) fn check(
    uses: ActivityType,
    settings: &Value,
    types: &BTreeMap<String, Option<Type>>,
    at: &At<'_>,
    faults: &mut Faults,
) {
    let before = faults.count();
    let type_of = |text: &str| types.get(text).cloned().flatten();
    shape::check(
        shape_of(uses),
        settings,
        at,
        &Expressions::Typed(&type_of),
        faults,
    );
    if faults.count() > before {
        return;
    }
    if types.is_empty()
        && let Err(error) = read_strictly(uses, settings)
    {
        return faults.add(at, error.to_string());
    }
    let rules = Rules {
        settings,
        at,
        faults,
    };
    match uses {
        ActivityType::Command => rules.command(),
        ActivityType::Http => rules.http(),
        ActivityType::Approval => rules.approval(),
        ActivityType::Input => rules.input(),
        ActivityType::Tasks => rules.tasks(),
        ActivityType::Wait => rules.exactly_one(["for", "until"]),
        ActivityType::Subprocess => rules.subprocess(),
        ActivityType::Verify => rules.verify(),
        ActivityType::Notify => rules.address("url"),
    }
}

/// What a type asks of its settings beyond their shape; whatever is computed later is left alone.
struct Rules<'a> {
    settings: &'a Value,
    at: &'a At<'a>,
    faults: &'a mut Faults,
}

impl Rules<'_> {
    fn command(self) {
        for (index, word) in elements(self.settings, "run").iter().enumerate() {
            if word.as_str().is_some_and(names_a_secret) {
                let run = self.at.key("run");
                let message =
                    "arguments are visible to other programs: give the secret in `env` or `stdin`";
                self.faults.add(&run.index(index), message);
            }
        }
    }

    fn http(mut self) {
        let response = || {
            Type::object([
                ("status", Type::Number),
                ("headers", Type::Any),
                ("body", Type::Any),
            ])
        };
        let scope = scope([("response", response())]);
        for (part, fields) in [
            ("poll", ["until", "failWhen"]),
            ("readBack", ["until", "absentWhen"]),
        ] {
            for field in fields {
                self.condition(&[part, field], &scope);
            }
        }
        self.at_least_a_second(&["poll", "every"]);
        if self.settings["followRedirects"]
            .as_u64()
            .is_some_and(|count| count > 10)
        {
            self.faults.add(
                &self.at.key("followRedirects"),
                "at most 10 redirects are followed",
            );
        }
        if self.settings["maxResponse"]
            .as_u64()
            .is_some_and(|size| !(1..=1_048_576).contains(&size))
        {
            self.faults.add(
                &self.at.key("maxResponse"),
                "a body of 1 to 1048576 bytes can be taken in",
            );
        }
        self.address("url");
    }

    fn verify(mut self) {
        let sample = Type::object([
            ("status", Type::Any),
            ("headers", Type::Any),
            ("body", Type::Any),
            ("value", Type::Any),
        ]);
        let scope = scope([("value", Type::Any), ("sample", sample)]);
        self.condition(&["success"], &scope);
        self.condition(&["failure"], &scope);
        self.at_least_a_second(&["every"]);
        if let (Some(every), Some(window)) = (
            duration(&self.settings["every"]),
            duration(&self.settings["window"]),
        ) && every > window
        {
            self.faults.add(
                &self.at.key("every"),
                "the time between two samples is longer than the window",
            );
        }
        self.exactly_one(["http", "prometheus"]);
    }

    fn approval(self) {
        let settings = self.settings;
        let approvers = settings["approvers"].as_array();
        if approvers.is_some_and(Vec::is_empty) {
            self.faults.add(
                &self.at.key("approvers"),
                "an approval needs at least one approver",
            );
        }
        let quorum = self.at.key("quorum");
        if settings["quorum"].as_u64() == Some(0) {
            self.faults.add(&quorum, "a quorum is at least 1");
        }
        if let (Some(approvers), Some(number)) = (approvers, settings["quorum"].as_u64()) {
            let is_user = |owner: &Value| {
                owner
                    .as_str()
                    .is_some_and(|owner| owner.starts_with("user:") && !is_computed(owner))
            };
            let distinct = approvers
                .iter()
                .filter_map(Value::as_str)
                .collect::<BTreeSet<_>>()
                .len() as u64;
            if number > distinct && approvers.iter().all(is_user) {
                self.faults.add(
                    &quorum,
                    format!("{number} persons must approve, but only {distinct} can"),
                );
            }
        }
        let on_deadline = settings["onDeadline"]
            .as_str()
            .filter(|word| !is_computed(word));
        if on_deadline.is_some_and(|word| word != "keep") && settings["deadline"].is_null() {
            let word = on_deadline.unwrap_or_default();
            self.faults
                .add(self.at, format!("`onDeadline: {word}` needs a `deadline`"));
        }
        let escalates = on_deadline == Some("escalate");
        if escalates
            && settings["escalateTo"].as_array().is_none_or(Vec::is_empty)
            && !settings["escalateTo"].is_string()
        {
            self.faults
                .add(self.at, "`onDeadline: escalate` needs `escalateTo`");
        }
    }

    fn input(self) {
        let fields = self.at.key("fields");
        if settings_empty(self.settings, "fields") {
            self.faults
                .add(&fields, "at least one field must be asked for");
        }
        let mut names = BTreeSet::new();
        for (index, field) in elements(self.settings, "fields").iter().enumerate() {
            let at = fields.index(index);
            // A declaration that is computed is read when the activity starts.
            if let Ok(declaration) = serde_json::from_value::<InputDeclaration>(field.clone()) {
                declaration.check_itself(&at, self.faults);
                if !names.insert(declaration.name.clone()) {
                    self.faults.add(
                        &at.key("name"),
                        format!("the field `{}` is there twice", declaration.name),
                    );
                }
            }
        }
    }

    fn tasks(self) {
        let tasks = self.at.key("tasks");
        if settings_empty(self.settings, "tasks") {
            self.faults
                .add(&tasks, "a checklist needs at least one task");
        }
        let mut ids = BTreeSet::new();
        for (index, task) in elements(self.settings, "tasks").iter().enumerate() {
            if let Some(id) = task["id"].as_str()
                && !ids.insert(id)
            {
                self.faults.add(
                    &tasks.index(index).key("id"),
                    format!("the task `{id}` is there twice"),
                );
            }
        }
    }

    fn subprocess(self) {
        if self.settings["process"].as_str().is_some_and(is_computed) {
            let message = "the process must be named as it is, so that it can be checked before anything runs";
            self.faults.add(&self.at.key("process"), message);
        }
    }

    fn exactly_one(self, [one, other]: [&str; 2]) {
        let given = |field: &str| !self.settings[field].is_null();
        match (given(one), given(other)) {
            (true, true) => self.faults.add(
                self.at,
                format!("give either `{one}` or `{other}`, not both"),
            ),
            (false, false) => self
                .faults
                .add(self.at, format!("give `{one}` or `{other}`")),
            _ => (),
        }
    }

    fn address(self, field: &str) {
        let address = self.settings[field]
            .as_str()
            .filter(|address| !is_computed(address));
        if address.is_some_and(|address| {
            !address.starts_with("https://") && !address.starts_with("http://")
        }) {
            self.faults.add(
                &self.at.key(field),
                "an address starts with `https://` or `http://`",
            );
        }
    }

    /// Checks a condition that the activity evaluates itself.
    fn condition(&mut self, way: &[&str], scope: &Scope) {
        let value = way
            .iter()
            .fold(self.settings, |value, field| &value[*field]);
        let Some(text) = value.as_str().filter(|text| !is_computed(text)) else {
            return;
        };
        let Ok(condition) = Condition::parse(text) else {
            return;
        };
        let Err(errors) = condition.check(scope) else {
            return;
        };
        let faults = &mut *self.faults;
        at_way(self.at, way, |at| {
            for error in errors {
                faults.within(at, error.offset, error.message, error.suggestion);
            }
        });
    }

    fn at_least_a_second(&mut self, way: &[&str]) {
        let value = way
            .iter()
            .fold(self.settings, |value, field| &value[*field]);
        let second: Duration = "1s".parse().expect("a second is a duration");
        if duration(value).is_some_and(|length| length < second) {
            at_way(self.at, way, |at| {
                self.faults.add(at, "must be at least one second")
            });
        }
    }
}

/// Calls with the place that a way of fields leads to.
fn at_way(at: &At<'_>, way: &[&str], then: impl FnOnce(&At<'_>)) {
    match way.split_first() {
        None => then(at),
        Some((field, rest)) => match rest.split_first() {
            None => then(&at.key(field)),
            Some((last, _)) => then(&at.key(field).key(last)),
        },
    }
}

fn scope<const N: usize>(names: [(&str, Type); N]) -> Scope {
    Scope {
        names: names
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), kind))
            .collect(),
        outcome_functions: false,
    }
}

fn duration(value: &Value) -> Option<Duration> {
    value.as_str()?.parse().ok()
}

fn elements<'a>(settings: &'a Value, field: &str) -> &'a [Value] {
    settings[field].as_array().map_or(&[], Vec::as_slice)
}

fn settings_empty(settings: &Value, field: &str) -> bool {
    settings[field].as_array().is_some_and(Vec::is_empty)
}

fn is_computed(text: &str) -> bool {
    text.contains("${")
}

fn names_a_secret(text: &str) -> bool {
    let names_one = |template: Template| {
        template
            .references()
            .any(|reference| reference.path[0] == "secrets")
    };
    is_computed(text) && Template::parse(text).is_ok_and(names_one)
}
