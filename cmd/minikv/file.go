package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// toFile writes beside the file and moves it to its name at the end: a full disk or a lost node leaves no half of it.
func toFile(name string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".minikv-*")
	if err != nil {
		var why *fs.PathError // which names a file that nobody asked for
		if errors.As(err, &why) {
			err = why.Err
		}
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return outputError(err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(name)); err == nil {
		_ = dir.Sync() // not every file system can
		dir.Close()
	}
	return nil
}

// fromFile opens a file to read, standard input for "-".
func (a *app) fromFile(name string, read func(io.Reader) error) error {
	if name == "-" {
		return read(a.stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(f)
}
