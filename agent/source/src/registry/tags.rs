//! The list of tags, all pages of it or none.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{ETAG, HeaderValue, LINK},
};
use serde::Deserialize;
use voxsync_crds::reference::is_tag;

use super::{
    Attempt, Problem, RegistryClient, RegistryError, body,
    client::{Question, accepted},
    link::next_page,
    transport,
};

/// Asked for; many registries give fewer, some ignore it.
const TAGS_A_PAGE: usize = 1000;
const MAX_PAGE_BYTES: usize = 4 << 20;
const MAX_PAGES: usize = 1000;
const MAX_TAGS: usize = 100_000;
/// Waits for the host's budget and rests are part of it.
const MAX_LIST_DURATION: Duration = Duration::from_mins(30);

/// All tags of a repository at one look, with what the next look needs to ask only for what changed.
#[derive(Debug, Clone, Default)]
pub struct TagList {
    pages: Vec<Arc<Page>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Page {
    address: Url,
    etag: Option<HeaderValue>,
    next: Option<Url>,
    tags: Tags,
}

/// Tags in one text, each with a line of its own: a thousand repositories with hundreds of tags are half a million
/// texts otherwise.
#[derive(Debug, Default, Clone, PartialEq)]
struct Tags {
    lines: Box<str>,
    count: usize,
}

impl Tags {
    /// Reads a page. What is no tag cannot be asked for either.
    fn read(page: &[u8]) -> serde_json::Result<Self> {
        let answer: TagsAnswer = serde_json::from_slice(page)?;
        let all = answer.tags.unwrap_or_default();
        let tags: Vec<&str> = all.iter().map(String::as_str).filter(|tag| is_tag(tag)).collect();
        Ok(Self { lines: tags.join("\n").into(), count: tags.len() })
    }
}

impl TagList {
    /// The tags, in the registry's order, which means nothing. One can come twice.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.pages.iter().flat_map(|page| page.tags.lines.lines())
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.pages.iter().map(|page| page.tags.count).sum()
    }

    #[cfg(test)]
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Whether it is the very list that a look had before.
    pub fn is_unchanged_since(&self, previous: &Self) -> bool {
        self.pages.len() == previous.pages.len()
            && self.pages.iter().zip(&previous.pages).all(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `tags` is null for a repository without any; an answer without the field is something else than a list.
#[derive(Deserialize)]
struct TagsAnswer {
    #[serde(deserialize_with = "Option::deserialize")]
    tags: Option<Vec<String>>,
}

impl RegistryClient {
    /// Lists all tags. One request a page; with the list of the last look, pages that the registry can recognise are not
    /// sent again.
    ///
    /// # Guarantees
    /// The answer is the whole list: a page that fails fails the look. It ends, whatever the registry does.
    pub async fn list_tags(&self, previous: Option<&TagList>) -> Result<TagList, RegistryError> {
        let timely = tokio::time::timeout(MAX_LIST_DURATION, self.pages(previous)).await;
        let too_slow = Problem::ListTooSlow { limit_seconds: MAX_LIST_DURATION.as_secs() };
        timely.unwrap_or(Err(too_slow)).map_err(|problem| self.error(Attempt::ListTags, problem))
    }

    async fn pages(&self, previous: Option<&TagList>) -> Result<TagList, Problem> {
        let mut list = TagList::default();
        let mut is_guess = false;
        let mut address = self.base.clone();
        address.set_path(&format!("{}tags/list", self.base.path()));
        address.set_query(Some(&format!("n={TAGS_A_PAGE}")));
        loop {
            let number = list.pages.len();
            let known = previous.and_then(|previous| previous.pages.get(number));
            let page = match self.page(&address, known.filter(|known| known.address == address)).await {
                // Nobody said that there is one more.
                Err(Problem::RepositoryNotFound | Problem::Status { status: 400..=499, .. }) if is_guess => {
                    return Ok(list);
                }
                page => page?,
            };
            // A page after the last one has nothing new, or all of it again from a registry that ignores where it
            // should begin.
            if is_guess && (page.tags.count == 0 || list.pages.iter().any(|known| known.tags == page.tags)) {
                return Ok(list);
            }
            is_guess = page.next.is_none();
            let next = page.next.clone().or_else(|| self.unlinked(&page));
            list.pages.push(page);
            if list.len() > MAX_TAGS {
                return Err(Problem::ListTooLong { limit: format!("{MAX_TAGS} tags") });
            }
            let Some(next) = next else { return Ok(list) };
            if list.pages.iter().any(|page| page.address == next) {
                return Err(Problem::PagesInACircle { page: number + 1 });
            }
            if list.pages.len() == MAX_PAGES {
                return Err(Problem::ListTooLong { limit: format!("{MAX_PAGES} pages") });
            }
            address = next;
        }
    }

    /// Where a list goes on that fills its page exactly and has no link: some registries cut it there and do not say so.
    fn unlinked(&self, page: &Page) -> Option<Url> {
        let last = page.tags.lines.lines().last().filter(|_| page.tags.count == TAGS_A_PAGE)?;
        let mut next = self.base.clone();
        next.set_path(&format!("{}tags/list", self.base.path()));
        next.set_query(Some(&format!("n={TAGS_A_PAGE}&last={last}")));
        Some(next)
    }

    async fn page(&self, address: &Url, known: Option<&Arc<Page>>) -> Result<Arc<Page>, Problem> {
        let question = Question {
            method: Method::GET,
            address: address.clone(),
            accept: "application/json",
            if_none_match: known.and_then(|known| known.etag.as_ref()),
        };
        let response = self.ask(&question).await?;
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (response.status(), known) {
            // The same tags may have got a page after them: what the headers say is news (RFC 9111, 4.3.4 and 3.2).
            return Ok(match linked(address, &response)? {
                Some(next) if known.next.as_ref() != Some(&next) => {
                    Arc::new(Page { next: Some(next), ..Page::clone(known) })
                }
                _ => Arc::clone(known),
            });
        }
        let response = accepted(response, Problem::RepositoryNotFound).await?;
        let next = linked(address, &response)?;
        let etag = response.headers().get(ETAG).cloned();
        let body = body::read(response, MAX_PAGE_BYTES).await?;
        let tags = Tags::read(&body).map_err(|_| Problem::InvalidAnswer {
            host: transport::host_and_port(address),
            detail: "no list of tags".to_owned(),
        })?;
        let page = Page { address: address.clone(), etag, next, tags };
        Ok(known.filter(|known| ***known == page).map_or_else(|| Arc::new(page), Arc::clone))
    }
}

/// Where a list goes on, as the headers of an answer say it.
fn linked(address: &Url, answer: &Response) -> Result<Option<Url>, Problem> {
    next_page(address, answer.headers().get_all(LINK).iter().filter_map(|link| link.to_str().ok()))
}

#[cfg(test)]
mod tests {
    use voxsync_hostile::{fuzz, heavy, is_frugal, near};

    use super::*;

    #[test]
    fn fuzz_page_of_tags() {
        let samples = [
            r#"{"name": "team/code", "tags": ["v1.10.0", "latest", "main-89abcde-1767348061", "a\nb", "\u00e9"]}"#,
            r#"{"name": "team/code", "tags": null, "next": {"a": [1, 2.5e3, true, {}]}}"#,
        ];
        fuzz(near(samples), |page| {
            let Ok(tags) = Tags::read(&page) else { return false };
            assert!(tags.lines.lines().count() == tags.count && tags.lines.lines().all(is_tag));
            assert!(tags.lines.len() <= page.len());
            true
        });
    }

    #[test]
    fn fuzz_largest_page_of_tags() {
        for text in heavy(MAX_PAGE_BYTES) {
            for page in [format!("{{\"tags\":{text}}}"), text] {
                let tags = Tags::read(page.as_bytes()).unwrap_or_default();
                assert!(tags.lines.len() <= page.len());
            }
        }
        is_frugal();
    }
}
