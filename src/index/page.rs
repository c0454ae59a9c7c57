//! The page of a project, in the form in which it is kept.
//!
//! Input: the answer of an index. Output: a [`CondensedPage`], and what to keep of it. Limits: one
//! project's page; pages of links are read by `links`.

use crate::download::Resource;
use crate::error::{Error, IndexFault, Result};
use crate::spec::location::label_of;
use crate::spec::name::ProjectName;
use crate::spec::simple::{CondensedPage, Page};

/// The page of a project, and its content if that was not kept before.
pub(super) fn condensed(
    name: &ProjectName,
    answer: &mut Resource,
) -> Result<(CondensedPage, Option<Vec<u8>>)> {
    let label = label_of(&answer.url);
    let body = std::mem::take(&mut answer.body);
    if answer.is_in_form {
        let page = CondensedPage::read(body);
        let fault = || IndexFault::NotAPage("the copy in the cache is damaged".to_owned());
        return Ok((page.ok_or_else(|| Error::wheel(&label, fault()))?, None));
    }
    let content_type = answer.content_type.as_deref().unwrap_or_default();
    let page =
        Page::parse(name, content_type, &body).map_err(|fault| Error::wheel(&label, fault))?;
    let page = CondensedPage::from(page);
    let content = page.content().to_vec();
    Ok((page, Some(content)))
}
