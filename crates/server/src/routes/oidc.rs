//! Signing in through an identity provider: to it, and back from it.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use trainmaster_api::{ProviderList, ProviderView};
use trainmaster_core::ids::Name;
use trainmaster_core::signin::{FailedSignIn, SignInMethod};
use url::Url;

use super::session::sign_in_refused;
use crate::error::{ApiError, ApiResult};
use crate::extract::Query;
use crate::signin::caller::{Caller, Channel};
use crate::signin::cookie;
use crate::signin::oidc::{Answer, PENDING_SECONDS, Refused, next_path};
use crate::state::App;

/// Where a provider sends people back to.
const CALLBACK: &str = "/api/v1/oidc/callback";

/// The identity providers through which people sign in here.
#[utoipa::path(get, path = "/api/v1/oidc/providers", tag = "sign-in", security(()),
    responses((status = 200, description = "All of them", body = ProviderList)))]
pub(crate) async fn list_providers(State(app): State<App>) -> Json<ProviderList> {
    let view = |provider: &crate::signin::oidc::Provider| ProviderView {
        id: provider.id.to_string(),
        title: match provider.title.is_empty() {
            true => provider.id.to_string(),
            false => provider.title.clone(),
        },
    };
    let items = app.sign_in().providers.list().map(view).collect();
    Json(ProviderList { items })
}

/// Through which provider, and where to go then.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct BeginOidc {
    /// The provider; may be absent if there is only one.
    provider: Option<String>,
    /// A path of this server to go to afterwards; `/` if absent.
    next: Option<String>,
}

/// Send the browser to an identity provider.
#[utoipa::path(get, path = "/api/v1/oidc/login", tag = "sign-in", params(BeginOidc), security(()),
    responses((status = 303, description = "To the provider")))]
pub(crate) async fn begin_oidc(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<BeginOidc>,
) -> ApiResult<Response> {
    app.admit(&caller, &HeaderMap::new())?;
    let next = next_path(query.next.as_deref())?;
    let provider = app.chosen_provider(query.provider.as_deref())?;
    let callback = app.callback_url(&caller)?;
    let begun = app
        .sign_in()
        .providers
        .begin(&provider, &callback, next, app.now())
        .await;
    let (to, sealed) = begun?;
    let kept = cookie::set(cookie::SIGN_IN, &sealed, caller.channel, PENDING_SECONDS);
    let mut response = see_other(to.as_str())?;
    response.headers_mut().append(header::SET_COOKIE, kept);
    Ok(response)
}

/// What a provider sends people back with.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct FinishOidc {
    /// Proves the sign-in to the provider.
    code: Option<String>,
    /// What the browser was sent with.
    state: Option<String>,
    /// Which provider speaks.
    iss: Option<String>,
    /// Why the provider refuses.
    error: Option<String>,
}

/// Come back from an identity provider; the browser gets a session's cookie.
#[utoipa::path(get, path = "/api/v1/oidc/callback", tag = "sign-in", params(FinishOidc), security(()),
    responses((status = 303, description = "Signed in; to the path that was asked for"),
        (status = 401, description = "`oidc-refused` or `sign-in-refused`")))]
pub(crate) async fn finish_oidc(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Query(query): Query<FinishOidc>,
) -> ApiResult<Response> {
    app.admit(&caller, &HeaderMap::new())?;
    let now = app.now();
    let sealed = cookie::read(&headers, cookie::SIGN_IN, caller.channel);
    let pending = app.sign_in().providers.pending(sealed, now)?;
    let answer = Answer {
        code: query.code,
        state: query.state,
        issuer: query.iss,
        error: query.error,
    };
    let callback = app.callback_url(&caller)?;
    let finished = app
        .sign_in()
        .providers
        .finish(&pending, &answer, &callback, now)
        .await;
    let proof = match finished {
        Ok(proof) => proof,
        Err(refused) => {
            app.tell_refused(&pending.provider, &refused, &caller).await;
            return Err(refused.into());
        }
    };
    let signed_in = app.sign_somebody_in(proof, None, &caller, &headers).await;
    let (_, token) = match signed_in {
        Ok(signed_in) => signed_in,
        Err(error) if error.problem.code == "sign-in-refused" => {
            let why = Refused::unproven("the person is disabled here, or not a user");
            app.tell_refused(&pending.provider, &why, &caller).await;
            return Err(sign_in_refused());
        }
        Err(error) => return Err(error),
    };
    let mut response = see_other(&pending.next)?;
    let cookies = response.headers_mut();
    cookies.append(header::SET_COOKIE, app.session_cookie(&token, &caller));
    cookies.append(
        header::SET_COOKIE,
        cookie::clear(cookie::SIGN_IN, caller.channel),
    );
    Ok(response)
}

fn see_other(to: &str) -> ApiResult<Response> {
    let location = HeaderValue::try_from(to).map_err(ApiError::internal)?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

impl App {
    fn chosen_provider(&self, asked: Option<&str>) -> ApiResult<Name> {
        let mut known = self.sign_in().providers.list();
        let unknown = || ApiError::from(Refused::UnknownProvider);
        match asked {
            Some(asked) => asked.parse().map_err(|_| unknown()),
            None => match (known.next(), known.next()) {
                (Some(only), None) => Ok(only.id.clone()),
                (Some(_), Some(_)) => Err(ApiError::invalid_query(
                    "provider",
                    "there are several; `/api/v1/oidc/providers` lists them",
                )),
                (None, _) => Err(unknown()),
            },
        }
    }

    /// Where the provider is to send people: the public address, so that no `Host` can lead it astray.
    fn callback_url(&self, caller: &Caller) -> ApiResult<Url> {
        let public = self.options().sign_in.public_url.clone();
        let base = match public {
            Some(url) => url,
            None if caller.channel == Channel::Loopback => {
                let host = if caller.host.is_empty() {
                    "localhost"
                } else {
                    &caller.host
                };
                Url::parse(&format!("http://{host}/")).map_err(ApiError::internal)?
            }
            None => return Err(ApiError::internal("the public address is not known")),
        };
        let path = format!("{}{CALLBACK}", base.path().trim_end_matches('/'));
        let mut callback = base;
        callback.set_path(&path);
        callback.set_query(None);
        callback.set_fragment(None);
        Ok(callback)
    }

    async fn tell_refused(&self, provider: &Name, refused: &Refused, caller: &Caller) {
        let reason = match refused {
            Refused::UnknownProvider => "there is no such provider".to_owned(),
            Refused::Unreachable(why) => format!("the provider does not answer: {why}"),
            Refused::Unproven(why) => why.clone(),
        };
        let failed = FailedSignIn {
            user: None,
            method: SignInMethod::Oidc,
            provider: Some(provider.clone()),
            source: caller.source.clone(),
            reason,
            failures: 1,
            left_out: 0,
        };
        self.tell_failure(failed, true).await;
    }
}
