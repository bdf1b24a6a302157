package minikv

import "context"

// Declared is a registry declared once, as a package-level value, and used from anywhere:
//
//	var Wallets = minikv.Declare[Wallet]("wallets", minikv.Public(), minikv.DefaultTTL(time.Hour))
//
//	w, err := Wallets.In(node).Get(ctx, "alice")
//
// Use [Declare]. Safe for concurrent use.
type Declared[T any] struct {
	name string
	opts []RegistryOption
}

// Declare declares a registry of T with the [CBOR] codec. Nothing is opened before [Declared.In]. It panics
// when the name or an option is invalid, as that is a mistake in the program's text.
func Declare[T any](name string, opts ...RegistryOption) *Declared[T] {
	if _, err := newRegistryOptions(name, opts); err != nil {
		panic(&Error{Op: "declare", Registry: name, Err: err})
	}
	return &Declared[T]{name, opts}
}

// Name is the registry's name.
func (d *Declared[T]) Name() string { return d.name }

// In opens the registry on the node, or finds it open, and views it as a map of T. It never fails by
// itself: if the registry cannot be opened, because the node is closed or has it open with contradicting
// options, every operation of the result returns that error.
func (d *Declared[T]) In(n *Node) *Typed[T] {
	r, err := n.Registry(context.Background(), d.name, d.opts...)
	if err != nil {
		r = brokenRegistry(n, d.name, err)
	}
	return NewTyped[T](r, nil)
}
