package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// group is the child processes by their names, in the order of their first
// start. A child that ends without having been told to ends the group.
type group struct {
	dir      string
	failed   chan error
	mutex    sync.Mutex
	children []*child
}

type child struct {
	name    string
	args    []string
	command *exec.Cmd
	ended   chan struct{}
	stopped bool
}

// start starts a new child.
func (g *group) start(name string, args ...string) {
	c := &child{name: name, args: args}
	g.mutex.Lock()
	g.children = append(g.children, c)
	g.mutex.Unlock()
	if err := g.run(c); err != nil {
		g.failed <- err
	}
}

// kill ends a child at once, as a machine that loses its power does.
func (g *group) kill(name string) error {
	c, err := g.find(name)
	if err != nil {
		return err
	}
	g.mutex.Lock()
	c.stopped = true
	g.mutex.Unlock()
	if err := c.command.Process.Kill(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	<-c.ended
	return nil
}

// again starts a child that was killed, with the arguments that it had.
func (g *group) again(name string) error {
	c, err := g.find(name)
	if err != nil {
		return err
	}
	g.mutex.Lock()
	running := !c.stopped
	c.stopped = false
	g.mutex.Unlock()
	if running {
		return fmt.Errorf("%s runs already", name)
	}
	return g.run(c)
}

func (g *group) find(name string) (*child, error) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	for _, c := range g.children {
		if c.name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("no process %q was started", name)
}

func (g *group) run(c *child) error {
	log, err := os.OpenFile(filepath.Join(g.dir, c.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self, append([]string{c.name}, c.args...)...)
	command.Stdout, command.Stderr = log, log
	command.Dir = g.dir
	// A harness that is killed outright must not leave servers behind.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		// Pdeathsig follows the thread that forked, not the process.
		runtime.LockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		err = command.Wait()
		g.mutex.Lock()
		wanted := c.stopped
		g.mutex.Unlock()
		close(ended)
		if !wanted {
			g.failed <- fmt.Errorf("%s ended (%v); see %s", c.name, err, log.Name())
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	c.command, c.ended = command, ended
	return nil
}

// stopAll stops the children in the reverse of their start.
func (g *group) stopAll() {
	for i := len(g.children) - 1; i >= 0; i-- {
		c := g.children[i]
		if c.command == nil {
			continue
		}
		_ = c.command.Process.Signal(syscall.SIGTERM)
		select {
		case <-c.ended:
		case <-time.After(time.Second):
			_ = c.command.Process.Kill()
		}
	}
}

func (g *group) until(ctx context.Context, limit time.Duration, what string, ok func() bool) error {
	end := time.After(limit)
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-g.failed:
			return err
		case <-end:
			return fmt.Errorf("%s: not ready after %s; see the logs in %s", what, limit, g.dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
