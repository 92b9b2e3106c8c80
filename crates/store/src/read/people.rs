//! Tokens and their holders.

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use trainmaster_core::access::{Holder, User};
use trainmaster_core::entity::Entity;
use trainmaster_core::ids::Name;
use trainmaster_engine::ports::StoreError;

use super::{Page, PageRequest, ReadError, one_more, parsed};
use crate::SqlStore;
use crate::commit::big;

const TOKENS: &str = "tokens";
const USERS: &str = "users";

impl SqlStore {
    /// Tokens, newest first, revoked ones too.
    pub async fn list_tokens(&self, page: &PageRequest) -> Result<Page<Holder>, ReadError> {
        let limit = one_more(page.limit());
        let mut select = Query::select();
        select
            .column("body")
            .from("token")
            .order_by("id", Order::Desc)
            .limit(limit);
        let last = page.key::<i64>(TOKENS)?.unwrap_or(i64::MAX);
        select.and_where(Expr::col("id").lt(last));
        let rows = self.rows(&select).await?;
        let items = rows.iter().map(|row| parsed(row, || "a token".to_owned()));
        let items: Vec<Holder> = items.collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), TOKENS, |holder| {
            big(holder.token.0)
        }))
    }

    /// The tokens that are one person's own, newest first, ended ones too; there are never many.
    pub async fn tokens_of(&self, user: &Name) -> Result<Vec<Holder>, StoreError> {
        let select = Query::select()
            .column("body")
            .from("token")
            .and_where(Expr::col("person").eq(user.as_str()))
            .order_by("id", Order::Desc)
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.iter()
            .map(|row| parsed(row, || format!("a token of `{user}`")))
            .collect()
    }

    /// A user by name.
    pub async fn user(&self, user: &Name) -> Result<Option<User>, StoreError> {
        let select = Query::select()
            .column("body")
            .from("user_account")
            .and_where(Expr::col("name").eq(user.as_str()))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.first()
            .map(|row| parsed(row, || format!("user `{user}`")))
            .transpose()
    }

    /// Every user, by name.
    pub async fn list_users(&self, page: &PageRequest) -> Result<Page<User>, ReadError> {
        let mut select = Query::select();
        select
            .column("body")
            .from("user_account")
            .order_by("name", Order::Asc)
            .limit(one_more(page.limit()));
        if let Some(last) = page.key::<String>(USERS)? {
            select.and_where(Expr::col("name").gt(last));
        }
        let rows = self.rows(&select).await?;
        let items = rows.iter().map(|row| parsed(row, || "a user".to_owned()));
        let items: Vec<User> = items.collect::<Result<_, _>>()?;
        Ok(Page::cut(items, page.limit(), USERS, |user| {
            user.name.as_str().to_owned()
        }))
    }

    /// Everything that rights are judged by, as of one instant: role bindings, teams, users.
    pub async fn people(&self) -> Result<Vec<Entity>, StoreError> {
        crate::load::people(&self.readers).await
    }

    /// The holder of a token by the token's SHA-256 in hexadecimal, revoked or not.
    pub async fn holder_by_digest(&self, digest: &str) -> Result<Option<Holder>, StoreError> {
        let select = Query::select()
            .column("body")
            .from("token")
            .and_where(Expr::col("digest").eq(digest))
            .to_owned();
        let rows = self.rows(&select).await?;
        rows.first()
            .map(|row| parsed(row, || "a token".to_owned()))
            .transpose()
    }
}
