package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// up starts a control plane in a folder and stays in the foreground until it
// gets SIGTERM, SIGINT or (with -stdin) the end of its standard input, so that
// a test harness that dies takes the control plane with it.
//
// The folder then holds kubeconfig (cluster admin), tokens.csv, ca.crt and one
// log a process. The line "READY <kubeconfig>" on standard output says that
// the API server answers /readyz and that the nodes asked for are Ready.
//
// With -stdin it also takes orders, one a line: "stop <process>" kills it,
// "start <process>" starts it again and waits for /readyz. Each is answered by
// one line, "OK" or "ERROR <why>".
func up(args []string) error {
	fs := flag.NewFlagSet("up", flag.ExitOnError)
	dir := fs.String("dir", "", "folder for certificates, data and logs (needed)")
	address := fs.String("address", "127.0.0.1", "address of the API server")
	port := fs.Int("port", 0, "port of the API server (0: a free one)")
	nodes := fs.Int("nodes", 2, "simulated nodes; 0 runs no kwok")
	stages := fs.String("stages", "", "kwok stages file (needed with -nodes > 0)")
	stdin := fs.Bool("stdin", false, "stop at the end of standard input")
	extra := fs.String("apiserver-flags", "", "further kube-apiserver flags, separated by spaces")
	sched := fs.Bool("scheduler", true, "run kube-scheduler")
	_ = fs.Parse(args)
	if *dir == "" || (*nodes > 0 && *stages == "") {
		fs.Usage()
		os.Exit(2)
	}
	began := time.Now()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	// The children run in the folder.
	if *stages, err = filepath.Abs(*stages); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(d, "etcd"), 0o700); err != nil {
		return err
	}
	in := func(name string) string { return filepath.Join(d, name) }
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	if *port == 0 {
		*port = ports[2]
	}
	if err := writePKI(d, net.ParseIP(*address)); err != nil {
		return err
	}
	admin := token()
	// token, user, uid, groups
	tokens := fmt.Sprintf("%s,admin,admin,\"system:masters\"\n", admin)
	if err := os.WriteFile(in("tokens.csv"), []byte(tokens), 0o600); err != nil {
		return err
	}
	server := fmt.Sprintf("https://%s", net.JoinHostPort(*address, strconv.Itoa(*port)))
	kubeconfig := in("kubeconfig")
	if err := writeKubeconfig(kubeconfig, server, in("ca.crt"), admin); err != nil {
		return err
	}

	g := &group{dir: d, failed: make(chan error, 16)}
	defer g.stopAll()
	etcd, peer := fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("http://127.0.0.1:%d", ports[1])
	g.start("etcd", "--data-dir="+in("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer,
		"--initial-cluster=default="+peer)
	// The Service "kubernetes" may have no endpoint on loopback.
	reconciler := "none"
	if !net.ParseIP(*address).IsLoopback() {
		reconciler = "master-count"
	}
	g.start("kube-apiserver", append([]string{
		"--etcd-servers=" + etcd,
		"--bind-address=" + *address, fmt.Sprintf("--secure-port=%d", *port),
		"--advertise-address=" + *address, "--endpoint-reconciler-type=" + reconciler,
		"--tls-cert-file=" + in("apiserver.crt"), "--tls-private-key-file=" + in("apiserver.key"),
		"--client-ca-file=" + in("ca.crt"),
		"--token-auth-file=" + in("tokens.csv"), "--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + in("sa.pub"), "--service-account-signing-key-file=" + in("sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
		"--kubelet-client-certificate=" + in("kubelet-client.crt"), "--kubelet-client-key=" + in("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP", "--profiling=false",
	}, strings.Fields(*extra)...)...)
	client, err := newClient(kubeconfig)
	if err != nil {
		return err
	}
	ready := func() error {
		return g.until(ctx, 2*time.Minute, "the API server", func() bool {
			_, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
			return err == nil
		})
	}
	if err := ready(); err != nil {
		return err
	}
	fmt.Printf("readyz after %s\n", time.Since(began).Round(10*time.Millisecond))
	g.start("kube-controller-manager", "--kubeconfig="+kubeconfig, "--leader-elect=false",
		"--secure-port=0", "--use-service-account-credentials=true",
		"--service-account-private-key-file="+in("sa.key"), "--root-ca-file="+in("ca.crt"))
	if *sched {
		g.start("kube-scheduler", "--kubeconfig="+kubeconfig, "--leader-elect=false", "--secure-port=0")
	}
	if *nodes > 0 {
		g.start("kwok", "--kubeconfig="+kubeconfig, "--config="+*stages,
			"--manage-nodes-with-label-selector=type=kwok", "--node-lease-duration-seconds=40",
			"--node-ip=127.0.0.1", "--cidr=10.244.0.0/16",
			// Its server for logs and exec would listen on every address.
			"--node-port=0")
		if err := addNodes(ctx, client, *nodes); err != nil {
			return err
		}
	}
	if err := g.until(ctx, time.Minute, "the nodes and the default service account", func() bool {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil && readyNodes(ctx, client) >= *nodes
	}); err != nil {
		return err
	}
	fmt.Printf("all after %s\nREADY %s\n", time.Since(began).Round(10*time.Millisecond), kubeconfig)
	var lines chan string
	if *stdin {
		lines = make(chan string)
		go func() {
			defer close(lines)
			for input := bufio.NewScanner(os.Stdin); input.Scan(); {
				lines <- input.Text()
			}
		}()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-g.failed:
			return err
		case line, more := <-lines:
			if !more {
				return nil
			}
			if err := obey(g, line, ready); err != nil {
				fmt.Printf("ERROR %v\n", err)
			} else {
				fmt.Println("OK")
			}
		}
	}
}

// obey does what a line of standard input says.
func obey(g *group, line string, ready func() error) error {
	order, name, _ := strings.Cut(line, " ")
	switch order {
	case "stop":
		return g.kill(name)
	case "start":
		if err := g.again(name); err != nil {
			return err
		}
		return ready()
	default:
		return fmt.Errorf("%q: not an order; stop <process> and start <process> are", line)
	}
}

func newClient(kubeconfig string) (*kubernetes.Clientset, error) {
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(c)
}

func addNodes(ctx context.Context, client *kubernetes.Clientset, n int) error {
	for i := range n {
		name := fmt.Sprintf("kwok-%d", i)
		_, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				"type": "kwok", "kubernetes.io/hostname": name,
				"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
			},
		}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func readyNodes(ctx context.Context, client *kubernetes.Clientset) int {
	list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: "type=kwok"})
	if err != nil {
		return -1
	}
	n := 0
	for _, node := range list.Items {
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && len(node.Spec.Taints) == 0 {
				n++
			}
		}
	}
	return n
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
