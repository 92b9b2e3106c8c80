//! What an expression may see from where it stands, and with which types (2-execution.md, Expressions).
//!
//! | place | sees, besides inputs, global variables, `release` and `env` |
//! |---|---|
//! | `rules` | inputs only |
//! | global `variables` | one another |
//! | `when` of a phase | `phase`, phases upstream, `success()`, `failure()`, `always()` |
//! | `variables` of a phase | `phase`, phases upstream, one another |
//! | `forEach` of an activity | variables of its phase, `phase`, `activity`, phases and siblings upstream |
//! | `variables` of an activity | these, `item` and `index` with `forEach`, one another |
//! | `when` of an activity | these but no variables of an activity with `forEach`, `success()`, `failure()`, `always()` |
//! | `with` | all these variables, and `secrets.NAME` where the type acts outside |
//! | `outputs` of an activity | these without secrets, and `result` |
//! | `deploys` of an activity | as its `outputs`, and `activity.outputs` |
//! | `outputs` of the process | all phases |

use std::collections::BTreeMap;

use trainmaster_expr::{Reference, Scope, Type};

/// The phases and activities of a process by name, with what they hand on and what lies upstream of them.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) phases: Vec<PhaseOutline>,
    pub(super) positions: BTreeMap<String, usize>,
}

/// A phase as seen by expressions.
#[derive(Debug, Default)]
pub(super) struct PhaseOutline {
    pub(super) id: String,
    pub(super) depends_on: Vec<usize>,
    /// Whether it waits for each phase, near and far.
    pub(super) upstream: Vec<bool>,
    /// Gates first, then the other activities.
    pub(super) activities: Vec<ActivityOutline>,
    pub(super) positions: BTreeMap<String, usize>,
}

/// An activity as seen by expressions.
#[derive(Debug, Default)]
pub(super) struct ActivityOutline {
    pub(super) id: String,
    pub(super) is_gate: bool,
    pub(super) outputs: BTreeMap<String, Type>,
    /// What it waits for within the phase; that activities wait for gates goes without saying.
    pub(super) depends_on: Vec<usize>,
}

/// Whether secrets may be named.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Secrets {
    /// Not at this place.
    #[default]
    Elsewhere,
    /// In settings, but not of a type that acts outside.
    Inside,
    /// Yes.
    Allowed,
}

/// The place an expression stands at.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight<'a> {
    pub(super) inputs: Option<&'a BTreeMap<String, Type>>,
    /// Variables, weakest first: of the process, of the phase, of the activity.
    pub(super) layers: Vec<&'a BTreeMap<String, Type>>,
    pub(super) outline: Option<&'a Outline>,
    pub(super) phase: Option<usize>,
    /// All phases have ended.
    pub(super) after_all: bool,
    /// Position within the phase.
    pub(super) activity: Option<usize>,
    /// Whether the activity waits for each one of its phase, near and far.
    pub(super) siblings_upstream: Option<&'a [bool]>,
    pub(super) release: bool,
    /// The type of the elements, within a `forEach`.
    pub(super) item: Option<Type>,
    /// `item` exists, but not yet here.
    pub(super) item_later: bool,
    pub(super) result: bool,
    /// What the activity itself hands on, once it has.
    pub(super) own_outputs: Option<&'a BTreeMap<String, Type>>,
    pub(super) secrets: Secrets,
    pub(super) outcome: bool,
}

/// What is wrong with a reference, where in its source, and what was probably meant.
pub(super) type Refusal = (usize, String);

/// The roots that are objects, which no input or variable may be called like.
pub(super) const ROOTS: [&str; 12] = [
    "inputs",
    "vars",
    "release",
    "phase",
    "activity",
    "phases",
    "activities",
    "result",
    "item",
    "index",
    "env",
    "secrets",
];

impl<'a> Sight<'a> {
    /// The names an expression may use, or what is wrong with its references.
    ///
    /// Only what is asked for is put together; on an unknown name everything is, so that a likely one is suggested.
    pub(super) fn scope<'r>(
        &self,
        source: &str,
        references: impl IntoIterator<Item = &'r Reference>,
    ) -> Result<Scope, Vec<Refusal>> {
        let mut scope = Scope {
            outcome_functions: self.outcome,
            ..Scope::default()
        };
        let mut refusals = Vec::new();
        for reference in references {
            let root = reference.path[0].as_str();
            if scope.names.contains_key(root)
                && !matches!(root, "phases" | "activities" | "secrets")
            {
                continue;
            }
            match self.root(source, reference, &mut scope.names) {
                Ok(true) => (),
                Ok(false) => self.add_all(&mut scope.names),
                Err(message) => refusals.push((reference.offset, message)),
            }
        }
        match refusals.is_empty() {
            true => Ok(scope),
            false => Err(refusals),
        }
    }

    /// Puts a root name into scope; answers whether it is known.
    fn root(
        &self,
        source: &str,
        reference: &Reference,
        names: &mut BTreeMap<String, Type>,
    ) -> Result<bool, String> {
        let rest = &reference.path[1..];
        let root = reference.path[0].as_str();
        match root {
            "phases" => self.phases(rest, names)?,
            "activities" => self.activities(rest, names)?,
            "secrets" => self.secrets(source, reference, names)?,
            _ => {
                let Some(kind) = self.named(root) else {
                    return match self.absent(root) {
                        Some(why) => Err(why),
                        None => Ok(false),
                    };
                };
                names.insert(root.to_owned(), kind);
            }
        }
        Ok(true)
    }

    /// The type of a root other than phases, activities and secrets.
    fn named(&self, root: &str) -> Option<Type> {
        let text = || Type::String;
        match root {
            "inputs" => self.inputs.map(object),
            "vars" if self.release => {
                let mut all = BTreeMap::new();
                for layer in &self.layers {
                    all.extend(
                        layer
                            .iter()
                            .map(|(name, kind)| (name.clone(), kind.clone())),
                    );
                }
                Some(Type::Object {
                    fields: all,
                    open: false,
                })
            }
            "release" if self.release => Some(Type::object([
                ("id", text()),
                ("name", text()),
                ("slug", text()),
                ("version", Type::Any),
                ("organization", Type::Any),
                ("run", Type::Number),
                ("startedAt", Type::Any),
                ("type", text()),
            ])),
            "phase" if self.phase.is_some() => {
                Some(Type::object([("id", text()), ("name", text())]))
            }
            "activity" if self.activity.is_some() => Some(self.own()),
            "result" if self.result => Some(Type::Any),
            "item" => self.item.clone(),
            "index" if self.item.is_some() => Some(Type::Number),
            "env" if self.release => Some(Type::open_object::<String>([])),
            name => self.bare(name).cloned(),
        }
    }

    /// The type of `activity`; results may hand on more outputs than are declared.
    fn own(&self) -> Type {
        let mut fields = BTreeMap::from([
            ("id".to_owned(), Type::String),
            ("name".to_owned(), Type::String),
            ("path".to_owned(), Type::String),
            ("attempt".to_owned(), Type::Any),
            ("key".to_owned(), Type::Any),
        ]);
        if let Some(outputs) = self.own_outputs {
            let outputs = Type::Object {
                fields: outputs.clone(),
                open: true,
            };
            fields.insert("outputs".to_owned(), outputs);
        }
        Type::Object {
            fields,
            open: false,
        }
    }

    /// The type of a bare name, nearest first.
    pub(super) fn bare(&self, name: &str) -> Option<&'a Type> {
        let variable = self.layers.iter().rev().find_map(|layer| layer.get(name));
        variable.or_else(|| self.inputs.and_then(|inputs| inputs.get(name)))
    }

    /// Why a root that exists elsewhere is not there at this place.
    fn absent(&self, root: &str) -> Option<String> {
        Some(match root {
            "item" | "index" if self.item_later => {
                format!(
                    "`{root}` is there once the items are known: in `variables`, `with` and `outputs`"
                )
            }
            "item" | "index" => format!("`{root}` is only there in an activity with `forEach`"),
            "result" => {
                "`result` is only there in the `outputs` and `deploys` of an activity".to_owned()
            }
            "activity" => "`activity` is only there in an activity".to_owned(),
            "phase" => "`phase` is only there in a phase and its activities".to_owned(),
            "vars" | "release" | "env" => {
                format!("`{root}` is not there: a rule sees the inputs only")
            }
            _ => return None,
        })
    }

    fn phases(&self, rest: &[String], names: &mut BTreeMap<String, Type>) -> Result<(), String> {
        let Some(outline) = self.outline else {
            return Err("`phases` is not there: nothing has run when this is evaluated".to_owned());
        };
        let Some(id) = rest.first() else {
            return Err("name the phase: `phases.ID`".to_owned());
        };
        let Some(&position) = outline.positions.get(id) else {
            let all = outline.positions.keys().map(|id| (id.clone(), Type::Any));
            fields(names, "phases").extend(all);
            return Ok(());
        };
        if let Some(here) = self.phase.filter(|_| !self.after_all) {
            let own = &outline.phases[here];
            if here == position {
                return Err(format!(
                    "`{id}` is the phase this stands in: use `activities.ID`"
                ));
            }
            if !own.upstream[position] {
                let own = &own.id;
                return Err(format!(
                    "phase `{id}` is not upstream of phase `{own}`: add `{id}` to the `dependsOn` of `{own}`"
                ));
            }
        }
        let phase = &outline.phases[position];
        let below = rest.get(2..).unwrap_or_default();
        let entry = fields(names, "phases")
            .entry(id.clone())
            .or_insert_with(|| phase_type(phase));
        match rest.get(1).map(String::as_str) {
            Some("activities") => {
                let Some(activity) = below.first() else {
                    return Err(format!("name the activity: `phases.{id}.activities.ID`"));
                };
                let into = nested(entry, "activities");
                add_activity(phase, activity, into);
            }
            Some(_) => (),
            None => {
                let into = nested(entry, "activities");
                phase
                    .activities
                    .iter()
                    .for_each(|activity| add_activity(phase, &activity.id, into));
            }
        }
        Ok(())
    }

    fn activities(
        &self,
        rest: &[String],
        names: &mut BTreeMap<String, Type>,
    ) -> Result<(), String> {
        let here = self.outline.zip(self.phase).zip(self.activity);
        let Some(((outline, phase), activity)) = here else {
            return Err(
                "`activities` is only there in an activity: use `phases.ID.activities.ID`"
                    .to_owned(),
            );
        };
        let Some(id) = rest.first() else {
            return Err("name the activity: `activities.ID`".to_owned());
        };
        let phase = &outline.phases[phase];
        let own = &phase.activities[activity];
        if let Some(&position) = phase.positions.get(id) {
            if position == activity {
                return Err(format!(
                    "`{id}` is the activity this stands in: use `result` in its `outputs`"
                ));
            }
            let gate_before = !own.is_gate && phase.activities[position].is_gate;
            if !gate_before
                && !self
                    .siblings_upstream
                    .is_some_and(|upstream| upstream[position])
            {
                let own_id = &own.id;
                return Err(match own.is_gate && !phase.activities[position].is_gate {
                    true => format!("`{own_id}` is a gate: it comes before `{id}`"),
                    false => format!(
                        "activity `{id}` is not upstream of `{own_id}`: add `{id}` to the `dependsOn` of `{own_id}`"
                    ),
                });
            }
        } else if let Some(other) = outline
            .phases
            .iter()
            .find(|other| other.positions.contains_key(id))
        {
            let other = &other.id;
            return Err(format!(
                "activity `{id}` belongs to phase `{other}`: use {}",
                spelled(other, id)
            ));
        }
        add_activity(phase, id, fields(names, "activities"));
        Ok(())
    }

    fn secrets(
        &self,
        source: &str,
        reference: &Reference,
        names: &mut BTreeMap<String, Type>,
    ) -> Result<(), String> {
        match self.secrets {
            Secrets::Elsewhere => return Err("`secrets` is only there in `with`".to_owned()),
            Secrets::Inside => {
                return Err(
                    "this type of activity does not act outside and is given no secrets".to_owned(),
                );
            }
            Secrets::Allowed => (),
        }
        let Some(name) = reference.path.get(1) else {
            return Err("name the secret: `${secrets.NAME}`".to_owned());
        };
        if !stands_alone(source, reference.offset, name) {
            return Err("a secret stands alone in its `${…}`: write `${secrets.NAME}` and nothing around it".to_owned());
        }
        fields(names, "secrets").insert(name.clone(), Type::String);
        Ok(())
    }

    /// Everything there is, for suggestions.
    fn add_all(&self, names: &mut BTreeMap<String, Type>) {
        let bare = self
            .layers
            .iter()
            .copied()
            .chain(self.inputs)
            .flat_map(BTreeMap::keys)
            .map(String::as_str);
        for name in bare.chain(ROOTS) {
            if let Some(kind) = self.named(name) {
                names.insert(name.to_owned(), kind);
            }
        }
        if self.outline.is_some() {
            names.entry("phases".to_owned()).or_default();
        }
        if self.activity.is_some() {
            names.entry("activities".to_owned()).or_default();
        }
    }
}

fn object(of: &BTreeMap<String, Type>) -> Type {
    Type::Object {
        fields: of.clone(),
        open: false,
    }
}

fn fields<'n>(names: &'n mut BTreeMap<String, Type>, root: &str) -> &'n mut BTreeMap<String, Type> {
    own_fields(names.entry(root.to_owned()).or_default())
}

fn nested<'t>(kind: &'t mut Type, field: &str) -> &'t mut BTreeMap<String, Type> {
    own_fields(own_fields(kind).entry(field.to_owned()).or_default())
}

fn own_fields(kind: &mut Type) -> &mut BTreeMap<String, Type> {
    if !matches!(kind, Type::Object { .. }) {
        *kind = Type::object::<String>([]);
    }
    match kind {
        Type::Object { fields, .. } => fields,
        _ => unreachable!("it was just made an object"),
    }
}

/// A phase without its activities, which are added as they are asked for.
fn phase_type(phase: &PhaseOutline) -> Type {
    let mut outputs = BTreeMap::new();
    for activity in &phase.activities {
        outputs.extend(
            activity
                .outputs
                .iter()
                .map(|(name, kind)| (name.clone(), kind.clone())),
        );
    }
    Type::object([
        ("status", Type::String),
        (
            "outputs",
            Type::Object {
                fields: outputs,
                open: false,
            },
        ),
        ("activities", Type::object::<String>([])),
    ])
}

/// Puts an activity among the fields; one that is not there puts all of them, for suggestions.
fn add_activity(phase: &PhaseOutline, id: &str, into: &mut BTreeMap<String, Type>) {
    match phase
        .positions
        .get(id)
        .map(|position| &phase.activities[*position])
    {
        Some(activity) => {
            let outputs = object(&activity.outputs);
            into.insert(
                id.to_owned(),
                Type::object([("status", Type::String), ("outputs", outputs)]),
            );
        }
        None => into.extend(phase.positions.keys().map(|id| (id.clone(), Type::Any))),
    }
}

/// How an expression names an activity of another phase.
fn spelled(phase: &str, activity: &str) -> String {
    let field = |id: &str| match id.contains('-')
        || id.starts_with(|letter: char| letter.is_ascii_digit())
    {
        true => format!("[\"{id}\"]"),
        false => format!(".{id}"),
    };
    format!("`phases{}.activities{}`", field(phase), field(activity))
}

/// Whether a secret is all that stands between `${` and `}`.
fn stands_alone(source: &str, offset: usize, name: &str) -> bool {
    let (Some(before), Some(after)) = (source.get(..offset), source.get(offset..)) else {
        return false;
    };
    let spellings = [
        format!("secrets.{name}"),
        format!("secrets[\"{name}\"]"),
        format!("secrets['{name}']"),
    ];
    let rest = spellings
        .iter()
        .find_map(|spelling| after.strip_prefix(spelling.as_str()));
    before.trim_end().ends_with("${") && rest.is_some_and(|rest| rest.trim_start().starts_with('}'))
}
