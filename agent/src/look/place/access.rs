//! How to get into a place.

use voxsync_source::registry::Platform;

use crate::look::advice::Reader;

/// How to get into a place, and what its images must be: names of Secrets, never what is in them.
#[expect(clippy::struct_excessive_bools, reason = "manners that have nothing to do with each other")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Access {
    /// The namespace of the Secrets; none where none is named, so that anonymous looks of all namespaces are one.
    namespace: Option<String>,
    login: Option<String>,
    certificate: Option<String>,
    /// A ConfigMap with authorities.
    authorities: Option<String>,
    /// In whose words is said what to do about it.
    pub(in crate::look) reader: Reader,
    /// Plain HTTP.
    pub(crate) insecure: bool,
    /// Whether a Secret that is missing, or has no login for the place, is as good as none. The kubelet takes an
    /// `imagePullSecret` so.
    pub(crate) lenient: bool,
    /// Whether the login must say itself for which host it is: who names the place is not who named the Secret.
    pub(crate) only_bound: bool,
    /// The platform that an image must have.
    pub(crate) platform: Option<Platform>,
    /// Whether it must be known when an image was made, even where only its configuration says that.
    pub(crate) dated: bool,
}

impl Access {
    /// Access by Secrets of a namespace.
    pub(crate) fn new(
        namespace: &str,
        login: Option<&str>,
        certificate: Option<&str>,
        insecure: bool,
    ) -> Self {
        Self {
            namespace: login.or(certificate).map(|_| namespace.to_owned()),
            login: login.map(str::to_owned),
            certificate: certificate.map(str::to_owned),
            insecure,
            ..Self::default()
        }
    }

    /// The same, with authorities of a ConfigMap besides those of the Secret.
    pub(crate) fn with_authorities(self, namespace: &str, config_map: Option<&str>) -> Self {
        let authorities = config_map.map(str::to_owned);
        let namespace = self.namespace.or(config_map.map(|_| namespace.to_owned()));
        Self { namespace, authorities, ..self }
    }

    /// The same, for images of which this is wanted.
    pub(crate) fn for_images(self, platform: Option<Platform>, dated: bool) -> Self {
        Self { platform, dated, ..self }
    }

    /// The same, whatever is wanted of the image, and whatever says so.
    pub(crate) fn of_any_image(&self) -> Self {
        self.clone().for_images(None, false).said_by("")
    }

    /// The same, for a place that is named elsewhere than the Secret.
    pub(crate) fn only_bound(self) -> Self {
        Self { only_bound: true, ..self }
    }

    /// The same, in plain HTTP or over TLS.
    pub(crate) fn in_plain_http(self, insecure: bool) -> Self {
        Self { insecure, ..self }
    }

    /// Access as the kubelet has it.
    pub(crate) fn of_pull_secret(namespace: &str, secret: Option<&str>) -> Self {
        Self { lenient: true, ..Self::new(namespace, secret, None, false) }
    }

    /// The Secret with the login.
    pub(crate) fn login(&self) -> Option<SecretName<'_>> {
        Some(SecretName { namespace: self.namespace.as_deref()?, name: self.login.as_deref()? })
    }

    /// The Secret with certificates.
    pub(crate) fn certificate(&self) -> Option<SecretName<'_>> {
        Some(SecretName { namespace: self.namespace.as_deref()?, name: self.certificate.as_deref()? })
    }

    /// The ConfigMap with authorities.
    pub(crate) fn authorities(&self) -> Option<SecretName<'_>> {
        Some(SecretName { namespace: self.namespace.as_deref()?, name: self.authorities.as_deref()? })
    }
}

/// Names a Secret, or a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretName<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}
