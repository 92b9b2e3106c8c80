//! Input sets with their content.

use sea_orm::sea_query::{Cond, Expr, ExprTrait as _, JoinType, Order, Query, SelectStatement};
use trainmaster_core::entity::{Resource, Revision};
use trainmaster_core::ids::{Name, ResourceKind};
use trainmaster_core::input_set::InputSetSpec;
use trainmaster_engine::ports::StoreError;

use super::releases::organization_text;
use super::{Page, PageRequest, ReadError, column, parsed};
use crate::SqlStore;
use crate::error::unreadable;

const INPUT_SETS: &str = "input-sets";

/// How many sets are looked at in one go while their content is compared.
const PIECE: u64 = 500;

/// Which input sets; everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct InputSetFilter {
    /// Only of these organizations, none being the account level; everywhere if not given.
    pub organizations: Option<Vec<Option<Name>>>,
    /// Only with all of these labels, key and value.
    pub labels: Vec<(String, String)>,
    /// Only of the process of this name.
    pub process: Option<Name>,
    /// Only templates, or only others.
    pub template: Option<bool>,
    /// Only archived ones, or only others.
    pub archived: Option<bool>,
}

impl InputSetFilter {
    fn lets_through(&self, resource: &Resource, spec: &InputSetSpec) -> bool {
        let labelled = |(key, value): &(String, String)| resource.labels.get(key) == Some(value);
        let process = self.process.as_ref();
        self.labels.iter().all(labelled)
            && process.is_none_or(|process| spec.process == *process)
            && self
                .template
                .is_none_or(|template| spec.template == template)
            && self
                .archived
                .is_none_or(|archived| spec.archived == archived)
    }
}

impl SqlStore {
    /// Input sets that are not deleted, by name and organization, with the content of their newest revision.
    pub async fn list_input_sets(
        &self,
        filter: &InputSetFilter,
        page: &PageRequest,
    ) -> Result<Page<(Resource, InputSetSpec)>, ReadError> {
        let mut last: Option<(String, String)> = page.key(INPUT_SETS)?;
        let mut items: Vec<(Resource, InputSetSpec)> = Vec::new();
        while items.len() <= page.limit() {
            let rows = self.rows(&piece(filter, last.as_ref())).await?;
            let Some(newest) = rows.last() else { break };
            last = Some((column(newest, "name")?, column(newest, "organization")?));
            for row in &rows {
                let resource: Resource = parsed(row, || "an input set".to_owned())?;
                let spec = content(&resource, &column::<String>(row, "content")?)?;
                if filter.lets_through(&resource, &spec) {
                    items.push((resource, spec));
                }
            }
        }
        Ok(Page::cut(
            items,
            page.limit(),
            INPUT_SETS,
            |(resource, _)| {
                (
                    resource.key.name.to_string(),
                    organization_text(&resource.key.organization),
                )
            },
        ))
    }
}

fn content(resource: &Resource, text: &str) -> Result<InputSetSpec, StoreError> {
    let what = || format!("{}@{}", resource.key, resource.revision);
    let revision: Revision =
        serde_json::from_str(text).map_err(|error| unreadable(what(), &error))?;
    serde_json::from_value(revision.spec).map_err(|error| unreadable(what(), &error))
}

fn piece(filter: &InputSetFilter, last: Option<&(String, String)>) -> SelectStatement {
    let of = |column: &'static str| Expr::col(("resource", column));
    let content = |column: &'static str| Expr::col(("revision", column));
    let mut select = Query::select();
    select
        .column(("resource", "name"))
        .column(("resource", "organization"))
        .column(("resource", "body"))
        .expr_as(content("body"), "content")
        .from("resource")
        .join(
            JoinType::InnerJoin,
            "revision",
            Cond::all()
                .add(content("kind").eq(of("kind")))
                .add(content("organization").eq(of("organization")))
                .add(content("name").eq(of("name")))
                .add(content("revision").eq(of("revision"))),
        )
        .and_where(of("kind").eq(ResourceKind::InputSet.as_str()))
        .and_where(of("deleted").eq(0))
        .order_by(("resource", "name"), Order::Asc)
        .order_by(("resource", "organization"), Order::Asc)
        .limit(PIECE);
    if let Some(organizations) = &filter.organizations {
        select.and_where(of("organization").is_in(organizations.iter().map(organization_text)));
    }
    if let Some((name, organization)) = last {
        let here = Expr::tuple([of("name"), of("organization")]);
        select.and_where(here.gt(Expr::tuple([Expr::val(name), Expr::val(organization)])));
    }
    select
}
