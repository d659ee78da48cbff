//! Lists of tags over several pages.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rstest::rstest;

use super::*;

const FIRST: &str = "/v2/team/code/tags/list?n=1000";

/// Page 1 to 3, each with an `ETag`; the second one is in an edition that a test can change.
fn three_pages(seen: &Seen, link: impl Fn(&str) -> String, edition: u32) -> Response {
    let unchanged = |etag: &str| seen.header("if-none-match") == Some(etag);
    let (etag, tags, next) = match seen.path.as_str() {
        FIRST => ("\"1\"".to_owned(), vec!["v1.0.0", "v1.1.0"], Some("last=v1.1.0")),
        path if path.ends_with("last=v1.1.0") => (
            format!("\"2-{edition}\""),
            vec!["v1.2.0", ["latest", "newest"][edition as usize]],
            Some("last=latest"),
        ),
        path if path.ends_with("last=latest") => ("\"3\"".to_owned(), vec!["v0.9.0"], None),
        _ => return answer(404, &[], ""),
    };
    if unchanged(&etag) {
        return answer(304, &[], "");
    }
    let mut headers = vec![("etag", etag)];
    headers.extend(next.map(|query| ("link", link(&format!("/v2/team/code/tags/list?{query}")))));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    tags_answer(&tags, &headers)
}

#[rstest]
#[case("<{path}>; rel=\"next\"")]
#[case("<http://127.0.0.1{path}>; rel=\"next\"")]
#[case("<https://127.0.0.1:1{path}>;rel=next")]
#[tokio::test]
async fn every_page_is_read(#[case] link: &'static str) {
    let registry =
        Registry::start(move |seen| three_pages(seen, |path| link.replace("{path}", path), 0)).await;
    let list = registry.client(Login::Anonymous).list_tags(None).await.unwrap();
    assert_eq!(list.tags().collect::<Vec<_>>(), ["v1.0.0", "v1.1.0", "v1.2.0", "latest", "v0.9.0"]);
    assert_eq!(list.len(), 5);
    assert_eq!(registry.take().len(), 3);
}

#[tokio::test]
async fn an_unchanged_look_is_one_request_a_page_and_a_changed_page_is_seen() {
    let edition = Arc::new(AtomicU32::new(0));
    let now = Arc::clone(&edition);
    let registry = Registry::start(move |seen| {
        three_pages(seen, |path| format!("<{path}>"), now.load(Ordering::SeqCst))
    })
    .await;
    let client = registry.client(Login::Anonymous);
    let first = client.list_tags(None).await.unwrap();
    registry.take();

    let again = client.list_tags(Some(&first)).await.unwrap();
    let etags: Vec<_> =
        registry.take().iter().map(|seen| seen.header("if-none-match").unwrap().to_owned()).collect();
    assert_eq!(etags, ["\"1\"", "\"2-0\"", "\"3\""]);
    assert!(again.tags().eq(first.tags()) && again.is_unchanged_since(&first));

    edition.store(1, Ordering::SeqCst);
    let changed = client.list_tags(Some(&again)).await.unwrap();
    assert_eq!(changed.tags().collect::<Vec<_>>(), ["v1.0.0", "v1.1.0", "v1.2.0", "newest", "v0.9.0"]);
    assert!(!changed.is_unchanged_since(&again));
    assert_eq!(registry.take().len(), 3);
}

/// A page that was full and the last one, and a tag that comes after it: the body of that page is as before.
#[tokio::test]
async fn an_unchanged_page_that_is_no_longer_the_last_is_seen() {
    let has_more = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&has_more);
    let registry = Registry::start(move |seen| {
        if seen.path != FIRST {
            return tags_answer(&["v9"], &[]);
        }
        let mut headers = vec![("etag", "\"1\"")];
        headers.extend(now.load(Ordering::SeqCst).then_some(("link", "<?n=1000&last=v1>; rel=\"next\"")));
        match seen.header("if-none-match") {
            Some("\"1\"") => answer(304, &headers, ""),
            _ => tags_answer(&["v1"], &headers),
        }
    })
    .await;
    let client = registry.client(Login::Anonymous);
    let first = client.list_tags(None).await.unwrap();
    has_more.store(true, Ordering::SeqCst);
    let second = client.list_tags(Some(&first)).await.unwrap();
    assert_eq!(second.tags().collect::<Vec<_>>(), ["v1", "v9"]);
    registry.take();
    let third = client.list_tags(Some(&second)).await.unwrap();
    assert!(third.is_unchanged_since(&second) && !second.is_unchanged_since(&first));
    assert_eq!(registry.take()[0].header("if-none-match"), Some("\"1\""), "its body is not sent again");
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_an_error() {
    let registry = Registry::start(|_| answer(304, &[], "")).await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Status { status: 304, .. }), "{error}");
}

#[tokio::test]
async fn a_page_that_fails_fails_the_look() {
    let registry = Registry::start(|seen| match seen.path.as_str() {
        FIRST => tags_answer(&["v1"], &[("link", "</second>; rel=next")]),
        _ => answer(502, &[], ""),
    })
    .await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::Unavailable { status: 502, retry_after: None });
}

#[tokio::test]
async fn a_circle_of_pages_is_an_error() {
    let registry = Registry::start(|seen| match seen.path.as_str() {
        FIRST => tags_answer(&["v1"], &[("link", "</v2/team/code/tags/list?last=v1>; rel=next")]),
        _ => tags_answer(&["v2"], &[("link", "</v2/team/code/tags/list?n=1000>; rel=next")]),
    })
    .await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::PagesInACircle { page: 2 });
    assert_eq!(registry.take().len(), 2);
}

#[tokio::test]
async fn a_list_without_an_end_is_an_error() {
    let page = AtomicU32::new(0);
    let registry = Registry::start(move |_| {
        let link = format!("</page{}>; rel=next", page.fetch_add(1, Ordering::SeqCst));
        tags_answer(&[], &[("link", &link)])
    })
    .await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::ListTooLong { limit: "1000 pages".to_owned() });
}

#[tokio::test]
async fn more_tags_than_the_limit_are_an_error() {
    let page = AtomicU32::new(0);
    let registry = Registry::start(move |_| {
        let link = format!("</page{}>; rel=next", page.fetch_add(1, Ordering::SeqCst));
        tags_answer(&vec!["tag"; 50_000], &[("link", &link)])
    })
    .await;
    let error = registry.client(Login::Anonymous).list_tags(None).await.unwrap_err();
    assert_eq!(error.problem, Problem::ListTooLong { limit: "100000 tags".to_owned() });
}

/// As Nexus does in its groups, and the registry of go-containerregistry.
#[rstest]
#[case::it_goes_on_where_it_is_told(true, 1500, 2)]
#[case::it_always_gives_all(false, 1000, 1)]
#[tokio::test]
async fn a_full_page_without_a_link_may_not_be_the_last(
    #[case] heeds_last: bool,
    #[case] count: usize,
    #[case] pages: usize,
) {
    let registry = Registry::start(move |seen| {
        let last = seen.path.split("last=").nth(1).filter(|_| heeds_last);
        let first = last.map_or(0, |last| last.parse::<usize>().unwrap() + 1);
        let tags: Vec<String> = (first..count.min(first + 1000)).map(|number| number.to_string()).collect();
        tags_answer(&tags.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    })
    .await;
    let list = registry.client(Login::Anonymous).list_tags(None).await.unwrap();
    assert_eq!((list.len(), list.pages()), (count, pages));
    assert_eq!(registry.take().len(), 2, "one more question where a page is full");
}

#[rstest]
#[case(r#"{"name":"x","tags":null}"#, Some(&[] as &[&str]))]
#[case(r#"{"tags":["ok","-no","a b","../..","v1"]}"#, Some(&["ok", "v1"] as &[&str]))]
#[case("{}", None)]
#[case(r#"{"tags":"v1"}"#, None)]
#[case(r#"{"tags":["v1""#, None)]
#[case("<html>Sign in</html>", None)]
#[tokio::test]
async fn odd_lists(#[case] body: &'static str, #[case] expected: Option<&[&str]>) {
    let registry = Registry::start(move |_| answer(200, &[], body)).await;
    let list = registry.client(Login::Anonymous).list_tags(None).await;
    match (list, expected) {
        (Ok(list), Some(tags)) => assert_eq!(list.tags().collect::<Vec<_>>(), tags),
        (Err(error), None) => assert!(matches!(error.problem, Problem::InvalidAnswer { .. }), "{error}"),
        (list, expected) => panic!("{list:?} is not {expected:?}"),
    }
}
