//! Advice in the words of who reads it: with the whole paths of a spec's fields, or with the options of the command line
//! where there is no spec. Pure.

use voxsync_source::Advice;

use super::place::Access;

/// Who reads what is said of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reader {
    /// Whoever wrote a spec: this part of it has the fields. No part is named where no other one has the same.
    Spec(&'static str),
    /// Whoever named a repository at the command line.
    CommandLine,
}

impl Default for Reader {
    fn default() -> Self {
        Self::Spec("")
    }
}

impl Access {
    /// The same, as this part of the spec says it.
    pub(super) fn said_by(mut self, part: &'static str) -> Self {
        self.reader = Reader::Spec(part);
        self
    }

    /// The same, as the command line says it.
    pub(crate) fn said_by_command_line(mut self) -> Self {
        self.reader = Reader::CommandLine;
        self
    }

    /// What is wrong, and what to do about it.
    pub(super) fn advised(&self, wrong: String, advice: Option<Advice>) -> String {
        let Some(advice) = advice else { return wrong };
        let advice = match self.reader {
            Reader::Spec(part) => self.in_spec(advice, part),
            Reader::CommandLine => on_command_line(advice).to_owned(),
        };
        format!("{wrong}; {advice}")
    }

    fn in_spec(&self, advice: Advice, part: &str) -> String {
        let field = |name: &str| field(part, name);
        let (login, certificates) = (field("secretRef"), field("certSecretRef"));
        match advice {
            Advice::GiveLogin => format!("name a Secret with a login in {login}"),
            Advice::CheckLogin => format!("check the Secret that {login} names"),
            Advice::GiveAuthority => format!(
                "put the CA as `ca.crt` into the Secret that {certificates} names, or the ConfigMap that {} names",
                field("certConfigMapRef")
            ),
            Advice::GiveClientCertificate => {
                format!("put `tls.crt` and `tls.key` into the Secret that {certificates} names")
            }
            Advice::PerhapsGiveClientCertificate => {
                format!("if it wants a client certificate, {certificates} names the Secret for it")
            }
            Advice::GiveCertificates => {
                format!("{certificates} names the Secret for private CAs and client certificates")
            }
            Advice::CheckCertificates => self.certificates_in_spec(part),
            Advice::SayPlainHttp => format!("for a registry with plain HTTP set {}", field("insecure: true")),
            Advice::LeaveOutPlainHttp => format!("if it speaks TLS, leave out {}", field("insecure: true")),
        }
    }

    /// Where the certificates came from: what a spec does not name is of the process, or of its machine.
    fn certificates_in_spec(&self, part: &str) -> String {
        let (secret, config_map) = (field(part, "certSecretRef"), field(part, "certConfigMapRef"));
        let of_secret = format!("`ca.crt`, `tls.crt` and `tls.key` in the Secret that {secret} names");
        let of_config_map = format!("`ca.crt` in the ConfigMap that {config_map} names");
        match (self.certificate(), self.authorities()) {
            (Some(_), None) => format!("check {of_secret}"),
            (None, Some(_)) => format!("check {of_config_map}"),
            (Some(_), Some(_)) => format!("check {of_secret}, and {of_config_map}"),
            (None, None) => OWN_CERTIFICATES.to_owned(),
        }
    }
}

/// What to do about certificates that no spec names.
const OWN_CERTIFICATES: &str =
    "check the authorities that voxsync has where it runs: those of the system, and of `--ca`";

fn field(part: &str, name: &str) -> String {
    if part.is_empty() { format!("`{name}`") } else { format!("`{part}.{name}`") }
}

fn on_command_line(advice: Advice) -> &'static str {
    match advice {
        Advice::GiveLogin => "name a Docker configuration with its login as `--docker-config FILE`",
        Advice::CheckLogin => "check the login, for instance that of `--docker-config`",
        Advice::GiveAuthority => "name a file with the CA as `--ca FILE`",
        Advice::GiveClientCertificate => "only a CodeSync can show it one: see `voxsync check`",
        Advice::PerhapsGiveClientCertificate => {
            "if it wants a client certificate, only a CodeSync can show it one: see `voxsync check`"
        }
        Advice::GiveCertificates => "`--ca FILE` names the file for private CAs",
        Advice::CheckCertificates => OWN_CERTIFICATES,
        Advice::SayPlainHttp => "for a registry with plain HTTP say `--insecure`",
        Advice::LeaveOutPlainHttp => "if it speaks TLS, leave out `--insecure`",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        Some("tls"),
        None,
        "; check `ca.crt`, `tls.crt` and `tls.key` in the Secret that `spec.image.certSecretRef` names"
    )]
    #[case(None, Some("ca"), "; check `ca.crt` in the ConfigMap that `spec.image.certConfigMapRef` names")]
    #[case(
        Some("tls"),
        Some("ca"),
        " names, and `ca.crt` in the ConfigMap that `spec.image.certConfigMapRef` names"
    )]
    #[case(
        None,
        None,
        "; check the authorities that voxsync has where it runs: those of the system, and of `--ca`"
    )]
    fn certificates_are_looked_for_where_they_came_from(
        #[case] secret: Option<&str>,
        #[case] config_map: Option<&str>,
        #[case] end: &str,
    ) {
        let access = Access::new("puppet", None, secret, false).with_authorities("puppet", config_map);
        let advised = |access: Access| access.advised("none".to_owned(), Some(Advice::CheckCertificates));
        let in_spec = advised(access.clone().said_by("spec.image"));
        assert!(in_spec.ends_with(end), "{in_spec}");
        let on_command_line = advised(access.said_by_command_line());
        assert!(on_command_line.contains("--ca") && !on_command_line.contains("Ref"), "{on_command_line}");
    }

    #[test]
    fn who_reads_finds_their_own_words() {
        let said = |access: Access| {
            let [login, plain] = [Advice::GiveLogin, Advice::SayPlainHttp]
                .map(|advice| access.advised("r.example is shut".to_owned(), Some(advice)));
            (login, plain)
        };
        let texts = |login: &str, plain: &str| {
            let text = |advice: &str| format!("r.example is shut; {advice}");
            (text(login), text(plain))
        };
        assert_eq!(
            said(Access::default()),
            texts(
                "name a Secret with a login in `secretRef`",
                "for a registry with plain HTTP set `insecure: true`"
            ),
            "there is only one of them"
        );
        assert_eq!(
            said(Access::default().said_by("spec.image")),
            texts(
                "name a Secret with a login in `spec.image.secretRef`",
                "for a registry with plain HTTP set `spec.image.insecure: true`"
            )
        );
        assert_eq!(
            said(Access::default().said_by_command_line()),
            texts(
                "name a Docker configuration with its login as `--docker-config FILE`",
                "for a registry with plain HTTP say `--insecure`"
            )
        );
        assert_eq!(Access::default().advised("no such tag".to_owned(), None), "no such tag");
    }
}
