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
            Reader::Spec(part) => in_spec(advice, part),
            Reader::CommandLine => on_command_line(advice).to_owned(),
        };
        format!("{wrong}; {advice}")
    }
}

fn in_spec(advice: Advice, part: &str) -> String {
    let field = |name: &str| if part.is_empty() { format!("`{name}`") } else { format!("`{part}.{name}`") };
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
        Advice::CheckCertificates => {
            format!("check `ca.crt`, `tls.crt` and `tls.key` in the Secret that {certificates} names")
        }
        Advice::SayPlainHttp => format!("for a registry with plain HTTP set {}", field("insecure: true")),
        Advice::LeaveOutPlainHttp => format!("if it speaks TLS, leave out {}", field("insecure: true")),
    }
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
        Advice::CheckCertificates => "check the file of `--ca`",
        Advice::SayPlainHttp => "for a registry with plain HTTP say `--insecure`",
        Advice::LeaveOutPlainHttp => "if it speaks TLS, leave out `--insecure`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
