#!/usr/bin/env bash
# A whole Kubernetes cluster of one node, with a real kubelet, containerd and runc, and a registry beside it:
#   node.sh up                         starts it, and returns when the node is ready
#   node.sh exec COMMAND...            runs a command inside
#   node.sh kubectl ARGUMENTS...       is kubectl, with all rights
#   node.sh push NAME:TAG FOLDER [CONFIG]   pushes a folder as an image, where wanted with its config as JSON
#   node.sh down                       ends it, and removes what it left
#
# It lives in network, mount and PID namespaces of its own that one process holds: when that one goes, so does all that
# is in them. Nothing in it reaches the network, nor is reached from there. README.md says what it needs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
run=${VOXSYNC_NODE:-${VOXSYNC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voxsync}/node/run}

# Of the addresses that are for documentation: on links that only these namespaces have.
address=192.0.2.1
pods=198.51.100.0/24
services=10.96.0.0/16
registry=$address:5000
# A control group of its own, so that another kubelet's on this machine are left alone.
group=voxsync-node
ready_seconds=180

kubectl() { "$run/bin/kubebox" kubectl --kubeconfig="$run/controlplane/kubeconfig" "$@"; }

# until_true COMMAND...: waits until it succeeds, but not for ever.
until_true() {
  local end=$((SECONDS + ready_seconds))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "waited $ready_seconds s in vain for: $*" >&2; return 1; }
    sleep 0.2
  done
}

# The roots of control groups: one for all, or one a controller (version 1).
group_roots() {
  if [ -e /sys/fs/cgroup/cgroup.procs ]; then echo /sys/fs/cgroup; else printf '%s\n' /sys/fs/cgroup/*; fi
}

up() {
  [ "$(id -u)" = 0 ] || { echo 'the test node needs root' >&2; return 1; }
  [ ! -e "$run/init.pid" ] || { echo "a test node is up in $run, or was: node.sh down" >&2; return 1; }
  mkdir -p "$run/bin"
  ln -s "$("$here/build.sh")"/* "$("$here/../controlplane/build.sh")" "$("$here/../controlplane/build.sh" kubenode)" "$run/bin"
  trap down EXIT
  setsid unshare --net --mount --pid --fork --kill-child --propagation private --mount-proc \
    "$here/node.sh" hold >"$run/up.log" 2>&1 </dev/null &
  echo $! >"$run/holder.pid"
  until_true pgrep -P "$!"
  # /proc/PID/ns of the holder are the old ones: its only child, the first process inside, has the new.
  pgrep -P "$!" >"$run/init.pid"
  until is_up_or_ended; do sleep 0.2; done
  grep -q '^READY' "$run/up.log" || { tail -n 20 "$run"/*.log >&2; return 1; }
  trap - EXIT
}
is_up_or_ended() { grep -q '^READY' "$run/up.log" || ! kill -0 "$(cat "$run/holder.pid")"; }

# The first process inside.
hold() {
  hide_the_machine
  ip link set lo up
  ip link add node0 type bridge
  ip address add $address/24 dev node0
  ip link set node0 up
  # For what runs outside of pods.
  ip route add $services dev node0
  sysctl -qw net.ipv4.ip_forward=1

  start_registry
  start_containerd
  push_busybox
  start controlplane "$run/bin/kubebox" up -dir "$run/controlplane" -address $address -port 6443 -nodes 0
  until_true grep -q READY "$run/controlplane.log"
  start_kubelet
  # The limits of connection tracking are the whole machine's.
  start kube-proxy "$run/bin/kubenode" kube-proxy --kubeconfig="$run/controlplane/kubeconfig" --hostname-override=node \
    --proxy-mode=iptables --cluster-cidr=$pods --bind-address=$address --healthz-bind-address=127.0.0.1:10256 \
    --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
  until_true kubectl wait --for=condition=Ready node/node --timeout=1s
  echo READY
  sleep infinity
}

# start NAME COMMAND...: a daemon, with its log in $run/NAME.log
start() {
  local name=$1
  shift
  "$@" >"$run/$name.log" 2>&1 </dev/null &
}

# What the programs of a node write outside of $run goes nowhere, and the machine's settings stay as they are.
hide_the_machine() {
  local folder setting
  for folder in /run /var/log /var/lib/kubelet /var/lib/cni; do
    mkdir -p $folder
    mount -t tmpfs tmpfs $folder
  done
  mkdir /run/netns
  # What a kubelet sets.
  for setting in vm/{overcommit_memory,panic_on_oom} kernel/{panic,panic_on_oops,keys/root_maxkeys,keys/root_maxbytes}; do
    cp "/proc/sys/$setting" "/run/${setting//\//.}"
    mount --bind "/run/${setting//\//.}" "/proc/sys/$setting"
  done
  for folder in $(group_roots); do mkdir -p "$folder/$group"; done
}

start_registry() {
  cat >"$run/registry.yaml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $run/registry}, delete: {enabled: true}}
http: {addr: "$registry"}
END
  start registry docker-registry serve "$run/registry.yaml"
  until_true busybox wget -q -O /dev/null "http://$registry/v2/"
}

start_containerd() {
  mkdir -p "$run/hosts/$registry" "$run/networks"
  cat >"$run/hosts/$registry/hosts.toml" <<END
server = "http://$registry"
END
  cat >"$run/networks/bridge.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}],
            "dataDir": "$run/addresses"}}]}
END
  cat >"$run/containerd.toml" <<END
version = 3
disabled_plugins = ["io.containerd.internal.v1.opt"]
root = "$run/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd.sock"
[plugins.'io.containerd.nri.v1.nri']
  disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "$registry/busybox:1"
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "$run/hosts"
[plugins.'io.containerd.cri.v1.runtime']
  # Where root may not lower its score (in a container, say), nor may its pods.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "$run/networks"
END
  PATH=$run/bin:$PATH start containerd "$run/bin/containerd" --config "$run/containerd.toml"
}

start_kubelet() {
  cat >"$run/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$group
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
address: $address
readOnlyPort: 0
healthzPort: 0
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $run/controlplane/ca.crt}}
authorization: {mode: AlwaysAllow}
evictionHard: {imagefs.available: 1%, nodefs.available: 1%, memory.available: 50Mi}
imageGCHighThresholdPercent: 100
# There are no names: nobody answers there.
clusterDNS: [10.96.0.10]
resolvConf: ""
syncFrequency: 10s
END
  start kubelet "$run/bin/kubenode" kubelet --config="$run/kubelet.yaml" --kubeconfig="$run/controlplane/kubeconfig" \
    --root-dir="$run/kubelet" --cert-dir="$run/kubelet/pki" --node-ip=$address --hostname-override=node
}

# push NAME:TAG FOLDER [CONFIG]
push() {
  local archive
  archive=$(mktemp -d)
  tar -C "$2" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$archive/layer.tar" .
  jq -n --argjson config "${3:-"{}"}" --arg layer "sha256:$(sha256sum <"$archive/layer.tar" | cut -d ' ' -f 1)" \
    --arg architecture "$(dpkg --print-architecture)" \
    '{architecture: $architecture, os: "linux", config: $config, rootfs: {type: "layers", diff_ids: [$layer]}}' \
    >"$archive/config.json"
  jq -n --arg name "$registry/$1" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' \
    >"$archive/manifest.json"
  tar -C "$archive" -cf "$archive/image.tar" manifest.json config.json layer.tar
  skopeo copy --quiet --dest-tls-verify=false --format oci \
    "docker-archive:$archive/image.tar" "docker://$registry/$1"
  rm -r "$archive"
}

# One image holds the sandboxes of pods, and is a web server if it is told to.
push_busybox() {
  local root
  root=$(mktemp -d)
  install -D "$(command -v busybox)" "$root/bin/busybox"
  push busybox:1 "$root" '{"Entrypoint": ["/bin/busybox", "tail", "-f", "/dev/null"]}'
  rm -r "$root"
}

down() {
  local folder
  if [ -e "$run/holder.pid" ]; then
    # It does not listen to SIGTERM while it waits for its child, which the kernel ends with it, and all of its own.
    kill -KILL "$(cat "$run/holder.pid")" 2>/dev/null || true
    [ ! -e "$run/init.pid" ] || until_true has_ended "$(cat "$run/init.pid")"
  fi
  for folder in $(group_roots); do
    [ ! -d "$folder/$group" ] || until_true find "$folder/$group" -depth -type d -exec rmdir {} +
  done
  rm -rf "$run"
}
has_ended() { ! kill -0 "$1"; }

case ${1-} in
  up) up ;;
  hold) hold ;;
  down) down ;;
  exec | kubectl | push)
    if [ -z "${VOXSYNC_NODE_INSIDE-}" ]; then
      export VOXSYNC_NODE_INSIDE=$run
      exec nsenter --target "$(cat "$run/init.pid")" --net --mount --pid --wd="$PWD" "$here/node.sh" "$@"
    fi
    command=$1
    shift
    [ "$command" != exec ] || exec "$@"
    "$command" "$@"
    ;;
  *) sed -n 2,7p "$0" >&2; exit 2 ;;
esac
