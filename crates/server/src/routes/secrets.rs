//! Secrets: written and forgotten here, never read (reliability.md, S10).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use trainmaster_api::{Page, SecretView, SetSecret};
use trainmaster_core::Command;
use trainmaster_core::access::Permission;
use trainmaster_core::ids::{Name, SecretName};
use trainmaster_store::outlets::Sealed;

use super::resources::Within;
use crate::auth::Viewer;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Path, Payload, Query, query_name};
use crate::state::App;
use crate::vault::{VALUE_BYTES_MAX, Vault, VaultError};
use crate::views::instant_us;

/// Most secrets of one place.
const SECRETS_MAX: u32 = 5_000;

/// Which page of the secrets of which place.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct SecretPage {
    /// The organization; absent is the account level.
    organization: Option<String>,
    /// How many, 1 to 500; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Names of the secrets of one place, with when and through whom they were written; values are never given out.
#[utoipa::path(get, path = "/api/v1/secrets", tag = "secrets", params(SecretPage),
    responses((status = 200, description = "One page", body = Page<SecretView>)))]
pub(crate) async fn list_secrets(
    State(app): State<App>,
    viewer: Viewer,
    Query(query): Query<SecretPage>,
) -> ApiResult<Json<Page<SecretView>>> {
    let as_of = app.position();
    let organization = query_name("organization", query.organization.as_deref())?;
    permitted(&viewer, organization.as_ref())?;
    let page = crate::rows::page(query.limit, query.cursor)?;
    let after = page.cursor.unwrap_or_default();
    let limit = u32::try_from(page.limit).unwrap_or(SECRETS_MAX);
    let mut found = app
        .store()
        .list_sealed(organization.as_ref(), &after, limit + 1)
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|last| last.name.clone());
    Ok(Json(Page {
        items: found.iter().map(view).collect(),
        next,
        as_of,
    }))
}

/// Write the value of a secret; it is sealed at once and never given out again.
#[utoipa::path(put, path = "/api/v1/secrets/{name}", tag = "secrets", request_body = SetSecret,
    params(("name" = String, Path, description = "The secret's name"), Within),
    responses((status = 200, description = "The secret without its value", body = SecretView)))]
pub(crate) async fn set_secret(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(within): Query<Within>,
    payload: Payload<SetSecret>,
) -> ApiResult<Json<SecretView>> {
    let organization = query_name("organization", within.organization.as_deref())?;
    let name: SecretName = name
        .parse()
        .map_err(|error: trainmaster_core::ids::InvalidName| {
            ApiError::invalid_field("name", error.to_string())
        })?;
    if permitted(&viewer, organization.as_ref()).is_err() {
        // The command is judged all the same, so that the refusal is written down.
        let command = Command::SetSecret {
            organization,
            name,
            version: 0,
            row: String::new(),
        };
        app.submit(&viewer, command, None, |_, _| String::new())
            .await?;
        return Err(ApiError::new("forbidden", "you may not write this secret"));
    }
    let value = payload.body.value;
    if value.is_empty() || value.len() > VALUE_BYTES_MAX {
        let message = format!("must have 1 to {VALUE_BYTES_MAX} bytes");
        return Err(ApiError::invalid_field("value", message));
    }
    room(&app, organization.as_ref(), &name).await?;
    let vault = vault(&app)?;
    let by = viewer.holder().by();
    let sealed = vault
        .put_down(organization.as_ref(), &name, &value, &by, app.now())
        .await
        .map_err(failed)?;
    drop(value);
    let command = Command::SetSecret {
        organization,
        name,
        version: sealed.version,
        row: sealed.id.clone(),
    };
    if let Err(refused) = app
        .submit(&viewer, command, None, |_, _| String::new())
        .await
    {
        // What is not known to count is cleared away at the next start at the latest.
        let _ = app.store().drop_sealed(&sealed.id).await;
        return Err(refused);
    }
    Ok(Json(view(&sealed)))
}

/// Forget a secret.
#[utoipa::path(delete, path = "/api/v1/secrets/{name}", tag = "secrets",
    params(("name" = String, Path, description = "The secret's name"), Within),
    responses((status = 204, description = "It is forgotten")))]
pub(crate) async fn delete_secret(
    State(app): State<App>,
    viewer: Viewer,
    Path(name): Path<String>,
    Query(within): Query<Within>,
) -> ApiResult<StatusCode> {
    let organization = query_name("organization", within.organization.as_deref())?;
    let shown: String = name.chars().take(80).collect();
    let unknown = || ApiError::new("unknown-secret", format!("secret `{shown}` does not exist"));
    let name: SecretName = name.parse().map_err(|_| unknown())?;
    // Who may not delete is refused by the command, which writes the refusal down and tells nothing of what there is.
    if permitted(&viewer, organization.as_ref()).is_ok() {
        app.store()
            .sealed(organization.as_ref(), name.as_str())
            .await?
            .ok_or_else(unknown)?;
    }
    let command = Command::DeleteSecret { organization, name };
    app.submit(&viewer, command, None, |_, _| String::new())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn permitted(viewer: &Viewer, organization: Option<&Name>) -> ApiResult<()> {
    let permission = Permission::SecretEdit;
    if viewer.may(permission, organization) {
        return Ok(());
    }
    let place = match organization {
        Some(organization) => format!("in organization `{organization}`"),
        None => "at account level".to_owned(),
    };
    Err(ApiError::new(
        "forbidden",
        format!("you need the permission `{permission}` {place}"),
    ))
}

/// Refuses one more secret than a place may have.
async fn room(app: &App, organization: Option<&Name>, name: &SecretName) -> ApiResult<()> {
    let known = app.store().sealed(organization, name.as_str()).await?;
    if known.is_some() {
        return Ok(());
    }
    let all = app
        .store()
        .list_sealed(organization, "", SECRETS_MAX)
        .await?;
    match all.len() < SECRETS_MAX as usize {
        true => Ok(()),
        false => Err(ApiError::new(
            "limit-reached",
            format!("secrets of one place are limited to {SECRETS_MAX}"),
        )),
    }
}

fn vault(app: &App) -> ApiResult<&Vault> {
    let none = || ApiError::new("unavailable", "this server keeps no secrets").retry_after(60);
    app.options().vault.as_deref().ok_or_else(none)
}

fn failed(error: VaultError) -> ApiError {
    match error {
        VaultError::Store(error) => ApiError::from(error),
        error => ApiError::internal(error),
    }
}

fn view(sealed: &Sealed) -> SecretView {
    SecretView {
        name: sealed.name.clone(),
        organization: sealed.organization.as_ref().map(ToString::to_string),
        version: sealed.version,
        updated_at: instant_us(sealed.at),
        updated_by: sealed.by.clone(),
    }
}
