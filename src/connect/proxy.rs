//! Which proxy is on the way to the API server, as kubectl has it: what a kubeconfig says, and else what the environment
//! says, but for hosts in `NO_PROXY` and for this machine. Pure: the environment is passed in.
//!
//! The rules are those of client-go (`rest.Config.Proxy`) and of Go's `golang.org/x/net/http/httpproxy`.

use std::{fmt, net::IpAddr};

use anyhow::bail;
use axum::http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use kube::config::Kubeconfig;
use voxsync_agent::proxy_address;

/// The protocols of proxies that are spoken.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// Where SOCKS proxies are whose URL names no port, as Go has it.
const SOCKS_PORT: &str = ":1080";
const HTTPS_PORT: u16 = 443;

/// A proxy, and who says that it is on the way. Shows no login.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) at: Intercept,
    said_by: &'static str,
}

impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the proxy {} ({})", proxy_address(&self.at).unwrap_or_default(), self.said_by)
    }
}

/// The `proxy-url` of a context, or of the one that is the current.
pub(super) fn of_kubeconfig<'a>(kubeconfig: &'a Kubeconfig, context: Option<&str>) -> Option<&'a str> {
    let name = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == name)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.iter().find(|cluster| cluster.name == context.cluster)?;
    cluster.cluster.as_ref()?.proxy_url.as_deref().filter(|url| !url.is_empty())
}

/// The proxy on the way to an API server, if there is one.
///
/// # Errors
/// A sentence about a `proxy-url` that is none. It is not quoted: there may be a login in it.
pub(super) fn on_the_way(
    server: &Uri,
    of_kubeconfig: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Proxy>> {
    if let Some(url) = of_kubeconfig {
        let at = Matcher::builder().all(as_meant(url)).build().intercept(server);
        let Some(at) = at.filter(is_spoken) else {
            bail!(
                "the `proxy-url` of the kubeconfig is not that of a proxy; for example http://proxy.example:3128 (or https, socks5)"
            );
        };
        return Ok(Some(Proxy { at, said_by: "`proxy-url` of the kubeconfig" }));
    }
    if server.host().is_none_or(is_this_machine) {
        return Ok(None);
    }
    let first = |names: [&str; 2]| {
        names.into_iter().filter_map(&variable).find(|value| !value.is_empty()).unwrap_or_default()
    };
    // Plain HTTP is for what runs on this machine, as `kubectl proxy` does.
    let https = first(["HTTPS_PROXY", "https_proxy"]);
    let Some(exceptions) = exceptions(&first(["NO_PROXY", "no_proxy"]), server) else { return Ok(None) };
    let matcher = Matcher::builder().https(as_meant(&https)).no(exceptions).build();
    let at = matcher.intercept(server).filter(is_spoken);
    Ok(at.map(|at| Proxy { at, said_by: "`HTTPS_PROXY`; `NO_PROXY` names hosts that need none" }))
}

/// The URL of a proxy, so that everybody reads it as Go does: the last `@` ends the login, and SOCKS has a port of its own.
fn as_meant(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("http", url), |(scheme, rest)| (scheme, rest));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (login, address) = match authority.rsplit_once('@') {
        Some((login, address)) => (login.replace('@', "%40") + "@", address),
        None => (String::new(), authority),
    };
    let is_without_port = scheme.starts_with("socks5") && port_of(address).is_none();
    let port = if is_without_port { SOCKS_PORT } else { "" };
    format!("{scheme}://{login}{address}{port}{path}")
}

/// The hosts that `NO_PROXY` names as far as they are about the port of this server; none where it names all.
fn exceptions(list: &str, server: &Uri) -> Option<String> {
    let port = server.port_u16().unwrap_or(HTTPS_PORT).to_string();
    let mut exceptions = Vec::new();
    for entry in list.split(',').map(str::trim) {
        let (host, is_meant) = match port_of(entry) {
            Some(of_entry) => (entry.rsplit_once(':').map_or(entry, |(host, _)| host), of_entry == port),
            None => (entry, true),
        };
        if host == "*" && is_meant {
            return None;
        }
        let host = host.strip_prefix('*').filter(|domain| domain.starts_with('.')).unwrap_or(host);
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        exceptions.extend(is_meant.then_some(host));
    }
    Some(exceptions.join(","))
}

/// The port behind a host; an IPv6 address without brackets has none.
fn port_of(address: &str) -> Option<&str> {
    let (host, port) = address.rsplit_once(':')?;
    let is_address = host.contains(':') && !host.ends_with(']');
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !is_address).then_some(port)
}

fn is_spoken(at: &Intercept) -> bool {
    at.uri().scheme_str().is_some_and(|scheme| SCHEMES.contains(&scheme))
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const AWAY: &str = "https://api.example:6443";
    const PROXY: (&str, &str) = ("HTTPS_PROXY", "http://u:hunter2@proxy.example:3128");
    const OF_ENVIRONMENT: Option<&str> = Some("http://proxy.example:3128/");
    const OF_KUBECONFIG: Option<&str> = Some("http://own.example:8080/");

    fn on_the_way_to(
        server: &str,
        of_kubeconfig: Option<&str>,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Option<Proxy>> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        on_the_way(&server.parse().unwrap(), of_kubeconfig, variable)
    }

    #[rstest]
    #[case::none(AWAY, None, &[], None)]
    #[case::environment(AWAY, None, &[PROXY], OF_ENVIRONMENT)]
    #[case::lower_case(AWAY, None, &[("https_proxy", "proxy.example:3128")], OF_ENVIRONMENT)]
    #[case::empty(AWAY, None, &[("HTTPS_PROXY", ""), ("https_proxy", PROXY.1)], OF_ENVIRONMENT)]
    #[case::socks(AWAY, None, &[("HTTPS_PROXY", "socks5://s.example:1080")], Some("socks5://s.example:1080/"))]
    #[case::socks_without_port(AWAY, None, &[("HTTPS_PROXY", "socks5://s.example")], Some("socks5://s.example:1080/"))]
    #[case::an_odd_password(AWAY, None, &[("HTTPS_PROXY", "http://u:a@hunter2@proxy.example:3128")], OF_ENVIRONMENT)]
    #[case::of_plain_http(AWAY, None, &[("HTTP_PROXY", PROXY.1), ("ALL_PROXY", PROXY.1)], None)]
    #[case::to_plain_http("http://api.example:8001", None, &[PROXY], None)]
    #[case::junk(AWAY, None, &[("HTTPS_PROXY", "gopher://proxy.example")], None)]
    #[case::itself(AWAY, None, &[PROXY, ("NO_PROXY", "api.example")], None)]
    #[case::its_domain(AWAY, None, &[PROXY, ("no_proxy", "other, .example,,")], None)]
    #[case::all(AWAY, None, &[PROXY, ("NO_PROXY", "*")], None)]
    #[case::all_and_an_address("https://203.0.113.7:6443", None, &[PROXY, ("NO_PROXY", "*")], None)]
    #[case::all_of_a_domain(AWAY, None, &[PROXY, ("NO_PROXY", "*.example")], None)]
    #[case::with_its_port(AWAY, None, &[PROXY, ("NO_PROXY", "api.example:6443")], None)]
    #[case::with_another_port(AWAY, None, &[PROXY, ("NO_PROXY", "api.example:443")], OF_ENVIRONMENT)]
    #[case::an_address_with_its_port("https://10.0.0.1", None, &[PROXY, ("NO_PROXY", "10.0.0.1:443")], None)]
    #[case::of_ipv6("https://[2001:db8::1]", None, &[PROXY, ("NO_PROXY", "2001:db8::1")], None)]
    #[case::of_ipv6_with_its_port("https://[2001:db8::1]", None, &[PROXY, ("NO_PROXY", "[2001:db8::1]:443")], None)]
    #[case::its_network("https://10.96.0.1", None, &[PROXY, ("NO_PROXY", "10.0.0.0/8")], None)]
    #[case::the_proxy(AWAY, None, &[PROXY, ("NO_PROXY", "proxy.example")], OF_ENVIRONMENT)]
    #[case::localhost("https://localhost:6443", None, &[PROXY], None)]
    #[case::loopback("https://127.0.0.1:6443", None, &[PROXY], None)]
    #[case::loopback_of_ipv6("https://[::1]:6443", None, &[PROXY], None)]
    #[case::kubeconfig(AWAY, Some("http://own.example:8080"), &[PROXY, ("NO_PROXY", "*")], OF_KUBECONFIG)]
    #[case::kubeconfig_of_loopback("https://127.0.0.1:6443", Some("http://own.example:8080"), &[], OF_KUBECONFIG)]
    fn as_kubectl_has_it(
        #[case] server: &str,
        #[case] of_kubeconfig: Option<&str>,
        #[case] variables: &[(&str, &str)],
        #[case] wanted: Option<&str>,
    ) {
        let proxy = on_the_way_to(server, of_kubeconfig, variables).unwrap();
        assert_eq!(proxy.as_ref().map(|proxy| proxy.at.uri().to_string()).as_deref(), wanted);
        assert!(!proxy.is_some_and(|proxy| format!("{proxy} {proxy:?}").contains("hunter2")));
    }

    #[test]
    fn the_last_at_sign_ends_the_login() {
        let proxy =
            on_the_way_to(AWAY, Some("http://us%20er:a@b@proxy.example:3128/"), &[]).unwrap().unwrap();
        assert_eq!(proxy.at.uri().to_string(), "http://proxy.example:3128/");
        assert_eq!(proxy.at.basic_auth().unwrap(), "Basic dXMgZXI6YUBi");
        assert_eq!(proxy.to_string(), "the proxy http://proxy.example:3128 (`proxy-url` of the kubeconfig)");
    }

    #[rstest]
    #[case("gopher://u:hunter2@own.example")]
    #[case("socks4://own.example")]
    fn a_proxy_url_that_is_none_is_said_and_not_shown(#[case] url: &str) {
        let error = on_the_way_to(AWAY, Some(url), &[]).unwrap_err().to_string();
        assert!(error.contains("`proxy-url`") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn each_context_has_its_own() {
        let cluster = |name: &str, url: &str| json!({"name": name, "cluster": {"proxy-url": url}});
        let context = |name: &str, cluster: &str| json!({"name": name, "context": {"cluster": cluster}});
        let kubeconfig: Kubeconfig = serde_json::from_value(json!({
            "current-context": "home",
            "clusters": [cluster("one", ""), cluster("two", "http://two")],
            "contexts": [context("home", "one"), context("away", "two"), context("odd", "three")],
        }))
        .unwrap();
        let found = [None, Some("away"), Some("odd"), Some("none")];
        assert_eq!(
            found.map(|name| of_kubeconfig(&kubeconfig, name)),
            [None, Some("http://two"), None, None]
        );
    }
}
