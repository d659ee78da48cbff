//! The way to the API server through a proxy: a real one, before a sandbox that speaks TLS.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Output},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use voxsync_fixtures::{CertificateAuthority, ForwardProxy};
use voxsync_sandbox::{Sandbox, SandboxOptions};

use super::text;

/// A name of the API server that only the proxy can resolve.
const INSIDE: &str = "api.inside.test:6443";
/// What is said once the API server was reached.
const REACHED: &str = "voxsync's kinds are not installed in this cluster";

/// An API server behind TLS.
struct World {
    folder: tempfile::TempDir,
    authority: CertificateAuthority,
    address: SocketAddr,
    kubeconfig: Value,
    stop: CancellationToken,
}

impl World {
    async fn start() -> Self {
        let sandbox = Sandbox::new(SandboxOptions::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = listener.local_addr().unwrap();
        let kubeconfig = serde_saphyr::from_str(&sandbox.kubeconfig(behind, "puppet")).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(sandbox.serve(listener, stop.clone()));
        let authority = CertificateAuthority::create();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = acceptor(&authority);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await?;
                    copy_bidirectional(&mut client, &mut TcpStream::connect(behind).await?).await
                });
            }
        });
        Self { folder: tempfile::tempdir().unwrap(), authority, address, kubeconfig, stop }
    }

    /// `voxsync status` of the API server that is there at an address, perhaps with a `proxy-url`.
    fn status(&self, at: &str, proxy_url: Option<&str>, environment: &[(&str, &str)]) -> Output {
        let mut kubeconfig = self.kubeconfig.clone();
        kubeconfig["clusters"][0]["cluster"] = json!({
            "server": format!("https://{at}"), "tls-server-name": "localhost", "proxy-url": proxy_url,
            "certificate-authority-data": BASE64.encode(self.authority.pem()),
        });
        let path: PathBuf = self.folder.path().join("kubeconfig");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_voxsync"));
        for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.args(["status", "--kubeconfig"]).arg(path).envs(environment.iter().copied());
        command.output().expect("the binary starts")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn acceptor(authority: &CertificateAuthority) -> TlsAcceptor {
    let certificate = authority.issue();
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

fn assert_reached(output: &Output) {
    let said = text(&output.stderr);
    assert!(said.contains(REACHED), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_to_the_api_server_leads_through_a_proxy() {
    let world = World::start().await;
    let proxy = ForwardProxy::start(Some(("user", "hunter2")), &[(INSIDE, &world.address.to_string())]);
    let connect = |code: u16| format!("CONNECT {INSIDE} {code}");
    assert_reached(&world.status(INSIDE, None, &[("HTTPS_PROXY", &proxy.url())]));
    assert_eq!(proxy.requests(), [connect(200)]);
    // What a kubeconfig says holds, whatever the environment does.
    assert_reached(&world.status(INSIDE, Some(&proxy.url()), &[("NO_PROXY", "*")]));
    assert_eq!(proxy.requests(), [connect(200), connect(200)]);

    let without_login = proxy.url_without_login();
    for (proxy_url, environment, who) in [
        (Some(without_login.as_str()), &[][..], "`proxy-url` of the kubeconfig"),
        (None, &[("HTTPS_PROXY", without_login.as_str())][..], "`HTTPS_PROXY`"),
    ] {
        let output = world.status(INSIDE, proxy_url, environment);
        let said = text(&output.stderr);
        for wanted in [&format!("the proxy {without_login} ({who}"), "proxy authorization required"] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(proxy.requests().last(), Some(&connect(407)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_no_proxy_is_asked_directly() {
    let world = World::start().await;
    let nobody = "http://user:hunter2@127.0.0.1:1";
    // This is here, too, but not as an address of this machine alone.
    let away = format!("0.0.0.0:{}", world.address.port());
    let https_proxy = ("HTTPS_PROXY", nobody);
    assert_reached(&world.status(&away, None, &[https_proxy, ("NO_PROXY", ".example,,0.0.0.0")]));
    assert_reached(&world.status(&world.address.to_string(), None, &[https_proxy]));
    let said = text(&world.status(&away, None, &[https_proxy, ("NO_PROXY", ".example")]).stderr);
    assert!(said.contains("the proxy http://127.0.0.1:1 (") && said.contains("refused"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
