use tokio_util::sync::CancellationToken;
use voxsync_sandbox::*;
#[tokio::main]
async fn main() {
    let sandbox = Sandbox::new(SandboxOptions {
        image_volumes: std::env::args().nth(1).is_none(),
        ..Default::default()
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:18080").await.unwrap();
    std::fs::write("/tmp/sandbox.kubeconfig", sandbox.kubeconfig(listener.local_addr().unwrap())).unwrap();
    let stop = CancellationToken::new();
    let simulated = sandbox.clone().simulate(stop.clone());
    tokio::join!(simulated, async { sandbox.serve(listener, stop).await.unwrap() });
}
