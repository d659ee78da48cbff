//! `Link` (RFC 8288) as registries use it: where the next page of the tags is. Pure.

use url::Url;

use super::Problem;

/// How the path of each list of tags ends.
const TAGS: &str = "/tags/list";

/// The address of the next page, if there is one.
///
/// Only path and query of a link are taken; a registry behind a TLS proxy often gives the scheme and port that it sees
/// itself. Of a list of tags only the query is taken: Artifactory and Nexus give the path that they see themselves. The
/// host must be the one that was asked.
pub(super) fn next_page<'a>(
    page: &Url,
    links: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Url>, Problem> {
    let Some(target) = links.into_iter().find_map(next_target) else { return Ok(None) };
    let host = page.host_str().unwrap_or_default();
    let invalid = |_| Problem::InvalidAnswer {
        host: host.to_owned(),
        detail: "its Link to the next page of tags is no address".to_owned(),
    };
    let link = page.join(target).map_err(invalid)?;
    if link.host_str() != Some(host) {
        let host = link.host_str().unwrap_or("an unknown place").to_owned();
        return Err(Problem::LinkElsewhere { host });
    }
    let mut next = page.clone();
    if !link.path().ends_with(TAGS) {
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
        let parameters = after.split_once(',').map_or(after, |(parameters, _)| parameters);
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
    use proptest::prelude::*;
    use rstest::rstest;

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

    proptest! {
        #[test]
        fn any_link_stays_at_the_host(links in prop::collection::vec("[<>;=\"/:.?a-c ,é]{0,40}|<[ -~]{0,30}>(; ?rel=\"?next)?", 0..3)) {
            let page: Url = PAGE.parse().unwrap();
            if let Ok(Some(next)) = next_page(&page, links.iter().map(String::as_str)) {
                prop_assert_eq!(next.origin(), page.origin());
            }
        }
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
