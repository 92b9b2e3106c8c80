//! Tokens and their holders.

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, Query};
use trainmaster_core::access::Holder;
use trainmaster_core::entity::Entity;
use trainmaster_engine::ports::StoreError;

use super::{Page, PageRequest, ReadError, one_more, parsed};
use crate::SqlStore;
use crate::commit::big;

const TOKENS: &str = "tokens";

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
