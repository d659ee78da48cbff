//! `Link` (RFC 8288) as registries use it: where the next page of a list is. Pure.

use url::Url;

use super::{Problem, image::bounded};

/// The address of the next page, if there is one.
///
/// Only path and query of a link are taken; a registry behind a TLS proxy often gives the scheme and port that it sees
/// itself. Where the path ends as that of this page only the query is taken: Artifactory and Nexus give the path that they
/// see themselves. The host must be the one that was asked.
pub(super) fn next_page<'a>(
    page: &Url,
    links: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Url>, Problem> {
    let Some(target) = links.into_iter().find_map(next_target) else { return Ok(None) };
    let host = page.host_str().unwrap_or_default();
    let invalid = |_| Problem::InvalidAnswer {
        host: host.to_owned(),
        detail: "its Link to the next page is no address".to_owned(),
    };
    let link = page.join(target).map_err(invalid)?;
    if link.host_str() != Some(host) {
        let host = bounded(link.host_str().unwrap_or("an unknown place"));
        return Err(Problem::LinkElsewhere { host });
    }
    let mut next = page.clone();
    // `tags/list`, or `referrers/` with a digest.
    let end = |address: &Url| address.path().rsplit('/').take(2).map(str::to_owned).collect::<Vec<_>>();
    if end(&link) != end(page) {
        next.set_path(link.path());
    }
    next.set_query(link.query());
    Ok(Some(next))
}

/// The target whose relation is `next`; registries that give no relation mean it.
fn next_target(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let (parameters, after) = after.split_once(',').unwrap_or((after, ""));
        let mut relations = parameters.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
        });
        if relations.next().is_none_or(|relation| relation.eq_ignore_ascii_case("next")) {
            return Some(target);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use voxsync_hostile::{fuzz, heavy, near_text};

    use super::*;

    const PAGE: &str = "https://r.example:5000/v2/a/b/tags/list?n=1000";

    #[rstest]
    #[case(
        r#"</v2/a/b/tags/list?last=v9&n=1000>; rel="next""#,
        "https://r.example:5000/v2/a/b/tags/list?last=v9&n=1000"
    )]
    #[case(
        "<https://r.example:5000/v2/a/b/tags/list?last=x>; rel=next",
        "https://r.example:5000/v2/a/b/tags/list?last=x"
    )]
    #[case(
        r#"<http://r.example/v2/a/b/tags/list?last=x>; title="a"; REL="NEXT""#,
        "https://r.example:5000/v2/a/b/tags/list?last=x"
    )]
    #[case(
        "</v2/b/tags/list?last=1000&n=1000>; rel=\"next\"",
        "https://r.example:5000/v2/a/b/tags/list?last=1000&n=1000"
    )]
    #[case(
        "<http://r.example:5002/repository/proxy/v2/a/b/tags/list?n=1000&last=x>; rel=\"next\"",
        "https://r.example:5000/v2/a/b/tags/list?n=1000&last=x"
    )]
    #[case("<?last=a,b;c>", "https://r.example:5000/v2/a/b/tags/list?last=a,b;c")]
    #[case(r#"</first>; rel="first", </next>; rel="next""#, "https://r.example:5000/next")]
    fn followed(#[case] header: &str, #[case] expected: &str) {
        let next = next_page(&PAGE.parse().unwrap(), [header]).unwrap().unwrap();
        assert_eq!(next.as_str(), expected);
    }

    #[rstest]
    #[case("")]
    #[case("nothing")]
    #[case("<unended")]
    #[case(r#"</first>; rel="prev""#)]
    fn the_end(#[case] header: &str) {
        assert_eq!(next_page(&PAGE.parse().unwrap(), [header]), Ok(None));
    }

    #[test]
    fn a_long_host_is_cut() {
        let header = format!("<https://{}example/>", "evil.".repeat(10_000));
        let refused = next_page(&PAGE.parse().unwrap(), [header.as_str()]);
        assert!(refused.unwrap_err().to_string().len() < 500);
    }

    #[test]
    fn fuzz_link() {
        let samples = [
            r#"</v2/a/b/tags/list?last=v9&n=1000>; rel="next""#,
            r#"</first>; rel="first"; title="a, b", <https://r.example:5000/v2/a/b/tags/list?last=x>; REL=next"#,
            "<http://r.example/repository/proxy/v2/a/b/tags/list?last=a,b;c>",
            "<?n=1000&last=%C3%A9>; rel=prev, <//r.example/x#y>; rel=\"next\"",
        ];
        let page: Url = PAGE.parse().unwrap();
        for header in heavy(1 << 20) {
            let _ = next_page(&page, [header.as_str()]);
        }
        fuzz((near_text(samples), near_text(samples)), |(one, other)| {
            match next_page(&page, [one.as_str(), other.as_str()]) {
                Ok(Some(next)) => {
                    assert_eq!(next.origin(), page.origin());
                    assert!(next.username().is_empty() && next.password().is_none());
                    true
                }
                Ok(None) => false,
                Err(problem) => {
                    assert!(problem.to_string().len() < 1000, "{problem}");
                    false
                }
            }
        });
    }

    #[rstest]
    #[case("<https://evil.example/v2/a/b/tags/list>; rel=next", "evil.example")]
    #[case("<//evil.example/x>", "evil.example")]
    #[case("<file:///etc/passwd>", "an unknown place")]
    fn never_elsewhere(#[case] header: &str, #[case] host: &str) {
        let refused = next_page(&PAGE.parse().unwrap(), [header]);
        assert_eq!(refused, Err(Problem::LinkElsewhere { host: host.to_owned() }));
    }
}
