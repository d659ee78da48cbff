//! `CredentialProviderConfig` of the kubelet (`kubelet.config.k8s.io/v1`), in YAML or JSON. Pure.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use voxsync_crds::duration::DurationText;

const KIND: &str = "CredentialProviderConfig";
const GROUP: &str = "kubelet.config.k8s.io/";
/// The protocols that the kubelet speaks with the programs; all look the same.
const PROTOCOLS: [&str; 3] = [
    "credentialprovider.kubelet.k8s.io/v1",
    "credentialprovider.kubelet.k8s.io/v1beta1",
    "credentialprovider.kubelet.k8s.io/v1alpha1",
];

#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) providers: Vec<Provider>,
}

/// One program.
#[derive(Debug)]
pub(super) struct Provider {
    /// The name of its file.
    pub(super) name: String,
    pub(super) match_images: Vec<String>,
    pub(super) default_cache_duration: Duration,
    pub(super) protocol: String,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: String,
    kind: String,
    providers: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    match_images: Vec<String>,
    default_cache_duration: DurationText,
    api_version: String,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
    #[serde(default)]
    token_attributes: Option<Value>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

impl Configuration {
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let document: Document = serde_saphyr::from_slice(text).map_err(|_| {
            format!("it is not a {KIND} as the kubelet has it (`--image-credential-provider-config`)")
        })?;
        if document.kind != KIND || !document.api_version.starts_with(GROUP) {
            return Err(format!("it is not a {KIND} of {GROUP}v1"));
        }
        let providers = document.providers.into_iter().map(Provider::of).collect::<Result<_, _>>()?;
        Ok(Self { providers })
    }
}

impl Provider {
    fn of(item: Item) -> Result<Self, String> {
        let Item { name, match_images, default_cache_duration, api_version, args, env, token_attributes } =
            item;
        let wrong = |reason: &str| Err(format!("the provider {name:?} {reason}"));
        if name.is_empty() || name.contains(['/', '\\', ' ']) || name == "." || name == ".." {
            return wrong("has a name that is not that of a file in the folder of providers");
        }
        if match_images.is_empty() {
            return wrong("matches no images: give it `matchImages`");
        }
        if !PROTOCOLS.contains(&api_version.as_str()) {
            return wrong(&format!("speaks another protocol than {}", PROTOCOLS[0]));
        }
        if token_attributes.is_some() {
            return wrong(
                "wants the token of a pod's service account, and voxsync pulls for no pod: remove `tokenAttributes`",
            );
        }
        let Ok(default_cache_duration) = default_cache_duration.to_duration() else {
            return wrong("has a `defaultCacheDuration` that is none; for example 12h");
        };
        let environment = env.unwrap_or_default().into_iter().map(|one| (one.name, one.value)).collect();
        Ok(Self {
            match_images,
            default_cache_duration,
            protocol: api_version,
            arguments: args.unwrap_or_default(),
            environment,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn provider() -> Value {
        json!({"name": "ecr", "matchImages": ["*.example"], "defaultCacheDuration": "12h0m0s", "apiVersion": PROTOCOLS[0]})
    }

    fn read(provider: &Value) -> Result<Configuration, String> {
        let document =
            json!({"apiVersion": "kubelet.config.k8s.io/v1", "kind": KIND, "providers": [provider]});
        Configuration::read(document.to_string().as_bytes())
    }

    #[test]
    fn as_the_kubelet_has_it() {
        let text = "\
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: ecr-credential-provider
    matchImages: [\"*.dkr.ecr.*.amazonaws.com\", \"*.dkr.ecr.*.amazonaws.com.cn\"]
    defaultCacheDuration: \"12h\"
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    args: [get-credentials]
    env:
      - {name: AWS_PROFILE, value: example}
";
        let configuration = Configuration::read(text.as_bytes()).unwrap();
        let [provider] = &configuration.providers[..] else { panic!("one provider") };
        assert_eq!(provider.name, "ecr-credential-provider");
        assert_eq!(provider.match_images.len(), 2);
        assert_eq!(provider.default_cache_duration, Duration::from_hours(12));
        assert_eq!(provider.arguments, ["get-credentials"]);
        assert_eq!(provider.environment, [("AWS_PROFILE".to_owned(), "example".to_owned())]);
        assert!(read(&self::provider()).is_ok());
    }

    #[rstest]
    #[case("1.5h", Duration::from_mins(90))]
    #[case("1h30m", Duration::from_mins(90))]
    #[case("300ms", Duration::from_millis(300))]
    #[case("0", Duration::ZERO)]
    fn durations_are_those_of_go(#[case] text: &str, #[case] wanted: Duration) {
        let mut provider = provider();
        provider["defaultCacheDuration"] = json!(text);
        assert_eq!(read(&provider).unwrap().providers[0].default_cache_duration, wanted);
    }

    #[rstest]
    #[case("name", json!("../sh"), "not that of a file")]
    #[case("name", json!(".."), "not that of a file")]
    #[case("matchImages", json!([]), "`matchImages`")]
    #[case("defaultCacheDuration", json!("long"), "for example 12h")]
    #[case("defaultCacheDuration", json!("-1h"), "for example 12h")]
    #[case("apiVersion", json!("v1"), "another protocol")]
    #[case("tokenAttributes", json!({"serviceAccountTokenAudience": "x"}), "`tokenAttributes`")]
    #[case("matchImages", json!("*"), "is not a CredentialProviderConfig")]
    fn what_is_wrong_is_said(#[case] field: &str, #[case] value: Value, #[case] message: &str) {
        let mut provider = provider();
        provider[field] = value;
        let error = read(&provider).unwrap_err();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn another_document_is_refused() {
        assert!(Configuration::read(b"kind: Config\napiVersion: v1\nproviders: []").is_err());
        assert!(Configuration::read(b"\xff").is_err());
    }
}
