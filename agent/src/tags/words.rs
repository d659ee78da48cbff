//! What a registry's problems advise, in words of the command line: who only names a repository has no fields. Pure.

/// Advice of [`voxsync_source::registry::Problem`], and the same for the command line.
const WORDS: [(&str, &str); 7] = [
    (
        "name a Secret with a login in `secretRef`",
        "name a Docker configuration with its login as `--docker-config FILE`",
    ),
    ("check the Secret that `secretRef` names", "check the login, for instance that of `--docker-config`"),
    (
        "put the CA as `ca.crt` into the Secret that `certSecretRef` names, or the ConfigMap that `certConfigMapRef` \
         names",
        "name a file with the CA in the environment, as `SSL_CERT_FILE=ca.crt`",
    ),
    (
        "put `tls.crt` and `tls.key` into the Secret that `certSecretRef` names",
        "only a CodeSync can show it one: see `voxsync check`",
    ),
    (
        "`certSecretRef` names the Secret for private CAs and client certificates",
        "name a file with a private CA in the environment, as `SSL_CERT_FILE=ca.crt`",
    ),
    (
        "for a registry with plain HTTP set `insecure: true`",
        "for a registry with plain HTTP say `--insecure`",
    ),
    ("leave out `insecure: true`", "leave out `--insecure`"),
];

/// A message about a repository that no CodeSync names.
pub fn for_command_line(message: &str) -> String {
    WORDS.iter().fold(message.to_owned(), |message, (fields, options)| message.replace(fields, options))
}

#[cfg(test)]
mod tests {
    use voxsync_source::registry::Problem;

    use super::*;

    #[test]
    fn no_field_is_left_in_them() {
        let (host, detail) = ("r.example".to_owned(), "x".to_owned());
        let problems = [
            Problem::LoginMissing,
            Problem::LoginRefused { host: host.clone() },
            Problem::LoginUnusable,
            Problem::CertificateUnknownAuthority { host: host.clone() },
            Problem::ClientCertificate { host: host.clone(), detail: detail.clone() },
            Problem::NotTls { host: host.clone() },
            Problem::SpeaksTls { host: host.clone() },
            Problem::Tls { host, detail },
        ];
        for problem in problems {
            let (fields, options) = (problem.to_string(), for_command_line(&problem.to_string()));
            assert!(fields != options, "{fields}");
            assert!(!options.contains("Ref") && !options.contains("insecure: true"), "{options}");
        }
    }
}
