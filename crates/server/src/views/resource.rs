//! Definitions as the API shows them.

use serde_json::Value;
use trainmaster_api::{ProblemPlace, ResourceSummary, ResourceView, RevisionView, SpecProblem};
use trainmaster_core::definition;
use trainmaster_core::entity::{Resource, Revision};

use super::instant;

/// A definition in a list.
pub(crate) fn summary(resource: &Resource) -> ResourceSummary {
    ResourceSummary {
        kind: resource.key.kind.to_string(),
        name: resource.key.name.to_string(),
        organization: resource.key.organization.as_ref().map(ToString::to_string),
        revision: resource.revision,
        digest: resource.digest.clone(),
        description: resource.description.clone(),
        labels: resource.labels.clone(),
        created_at: instant(resource.created_at),
        updated_at: instant(resource.updated_at),
        updated_by: resource.updated_by.clone(),
    }
}

/// A definition with its content.
pub(crate) fn resource(resource: &Resource, spec: Value, as_of: u64) -> ResourceView {
    ResourceView {
        summary: summary(resource),
        spec,
        as_of,
    }
}

/// One revision, with its content where `full`.
pub(crate) fn revision(revision: &Revision, full: bool) -> RevisionView {
    RevisionView {
        kind: revision.key.kind.to_string(),
        name: revision.key.name.to_string(),
        organization: revision.key.organization.as_ref().map(ToString::to_string),
        revision: revision.revision,
        digest: revision.digest.clone(),
        description: revision.description.clone(),
        labels: revision.labels.clone(),
        at: instant(revision.at),
        by: revision.by.clone(),
        spec: full.then(|| revision.spec.clone()),
    }
}

/// What is wrong in a definition.
pub(crate) fn problem(problem: &definition::Problem) -> SpecProblem {
    SpecProblem {
        path: problem.path.clone(),
        message: problem.message.clone(),
        suggestion: problem.suggestion.clone(),
        place: problem.place.as_ref().map(|place| ProblemPlace {
            line: u64::from(place.line),
            column: u64::from(place.column),
        }),
    }
}
