// Test-only module: the registry of go-containerregistry.
module voxsync-test-registry

go 1.26

tool github.com/google/go-containerregistry/cmd/registry

require github.com/google/go-containerregistry v0.22.1 // indirect
