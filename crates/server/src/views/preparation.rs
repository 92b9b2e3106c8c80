//! Forms, reviews, readiness, warnings and input sets as the API shows them.

use trainmaster_api::{
    AcknowledgementView, CheckView, Fit, FormProblem, InputSetView, ReadinessView, ReleaseForm,
    ReleaseFormField, ReviewActivity, ReviewNoteView, ReviewOwnerView, ReviewView, WarningView,
};
use trainmaster_core::World;
use trainmaster_core::entity::Resource;
use trainmaster_core::form::{FormField, InputForm};
use trainmaster_core::ids::ReleaseId;
use trainmaster_core::input_set::{self, Completeness, InputSetSpec};
use trainmaster_core::plan::Plan;
use trainmaster_core::rejection::FieldProblem;
use trainmaster_core::release::{
    Check, ReadinessItem, ReviewNote, ReviewOwner, Surroundings, Warning,
};

use super::{instant, instant_of, owners, plan, release, resource, words};

/// Something to think about.
pub(crate) fn warning(warning: &Warning) -> WarningView {
    WarningView {
        code: warning.code.to_owned(),
        message: warning.message.clone(),
        field: warning.field.map(str::to_owned),
    }
}

/// Something that has to be ready.
pub(crate) fn readiness(item: &ReadinessItem) -> ReadinessView {
    ReadinessView {
        id: item.spec.id.to_string(),
        name: item.name().to_owned(),
        description: item.spec.description.clone(),
        required: item.spec.required,
        added: item.added,
        ready: item.standing.ready,
        who: owners(&item.who),
        by: item.standing.by.clone(),
        at: instant_of(item.standing.at),
        note: item.standing.note.clone(),
    }
}

/// What somebody thought of a release.
pub(crate) fn review_note(note: &ReviewNote) -> ReviewNoteView {
    ReviewNoteView {
        user: note.user.to_string(),
        at: instant(note.at),
        approved: note.approved,
        comment: note.comment.clone(),
        edit: note.version,
    }
}

fn check(check: &Check) -> CheckView {
    CheckView {
        part: check.part.to_owned(),
        judgement: words::judgement(check.judgement),
        message: check.message.clone(),
    }
}

fn owner(owner: &ReviewOwner) -> ReviewOwnerView {
    let acknowledged = owner.acknowledged.iter();
    ReviewOwnerView {
        owner: owner.owner.to_string(),
        parts: owner.parts.clone(),
        acknowledged: acknowledged
            .map(|(user, one)| AcknowledgementView {
                user: user.to_string(),
                at: instant(one.at),
                note: one.note.clone(),
            })
            .collect(),
    }
}

/// The look before the start; none if the world does not know the release.
pub(crate) fn review(
    world: &World,
    id: ReleaseId,
    around: &Surroundings,
    now: jiff::Timestamp,
    as_of: u64,
) -> Option<ReviewView> {
    let found = world.release(id)?;
    let review = world.review(id, around, now)?;
    let plan = plan::plan_of(world, found);
    Some(ReviewView {
        release: id.to_string(),
        status: words::release_status(found.status()),
        judgement: words::judgement(review.judgement()),
        checks: review.checks.iter().map(check).collect(),
        phases: release::phases(world, found),
        activities: plan.as_deref().map(activities).unwrap_or_default(),
        edges: plan.as_deref().map(release::edges).unwrap_or_default(),
        form: review.form.as_ref().map(form),
        owners: review.owners.iter().map(owner).collect(),
        start_at: instant_of(found.start_at),
        expected_end_at: instant_of(found.expected_end_at),
        readiness: review.readiness.iter().map(readiness).collect(),
        reviews: found.reviews.iter().map(review_note).collect(),
        warnings: review.warnings.iter().map(warning).collect(),
        as_of,
    })
}

fn activities(plan: &Plan) -> Vec<ReviewActivity> {
    let planned = plan.activities.iter();
    planned
        .map(|activity| ReviewActivity {
            path: activity.path.to_string(),
            name: activity.name.clone(),
            uses: activity.uses.to_string(),
            gate: activity.is_gate,
            each: activity.for_each.is_some(),
        })
        .collect()
}

/// What is asked before a release starts.
pub(crate) fn form(form: &InputForm) -> ReleaseForm {
    ReleaseForm {
        process: form.process.name.to_string(),
        revision: form.revision,
        fields: form.fields.iter().map(field).collect(),
        missing: form.missing().into_iter().map(str::to_owned).collect(),
        problems: form.problems.iter().map(problem).collect(),
        input_sets: Vec::new(),
    }
}

fn field(field: &FormField) -> ReleaseFormField {
    let declaration = &field.declaration;
    ReleaseFormField {
        name: declaration.name.clone(),
        declaration: serde_json::to_value(declaration).unwrap_or_default(),
        required: declaration.required,
        value: field.value.as_ref().map(release::input),
        problem: field.problem.clone(),
        controls: field.controls.clone(),
    }
}

fn problem(problem: &FieldProblem) -> FormProblem {
    FormProblem {
        field: problem.field.clone(),
        message: problem.message.clone(),
    }
}

/// An input set with how well it fits; without its process there is nothing to compare it with.
pub(crate) fn input_set(
    found: &Resource,
    spec: InputSetSpec,
    process: Option<&Plan>,
) -> InputSetView {
    let fits = process.map(|plan| input_set::completeness(plan, &spec.values));
    let word = fits.as_ref().map(Completeness::fit);
    let Completeness { missing, problems } = fits.unwrap_or_default();
    InputSetView {
        summary: resource::summary(found),
        process: spec.process.to_string(),
        purpose: spec.description,
        template: spec.template,
        archived: spec.archived,
        values: spec.values,
        fit: word.map(fit),
        missing,
        problems: problems.iter().map(problem).collect(),
    }
}

fn fit(fit: input_set::Fit) -> Fit {
    match fit {
        input_set::Fit::Complete => Fit::Complete,
        input_set::Fit::Incomplete => Fit::Incomplete,
        input_set::Fit::Outdated => Fit::Outdated,
    }
}
