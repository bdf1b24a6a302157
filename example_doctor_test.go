package minikv_test

import (
	"context"
	"fmt"
	"log"

	"github.com/minikv/minikv"
)

func ExampleCheck() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	checks, err := node.Doctor(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range checks {
		if c.State != minikv.CheckOK && c.Name == "network" {
			fmt.Println(c.Name, c.State)
		}
	}
	// Output: network off
}

func ExampleProfile() {
	ctx := context.Background()
	node, err := minikv.Open(ctx, "", minikv.Config{Profile: minikv.ProfileEdge})
	if err != nil {
		log.Fatal(err)
	}
	defer node.Close()
	_, err = minikv.Open(ctx, "", minikv.Config{Profile: "huge"})
	fmt.Println(err)
	// Output: minikv: open: Config.Profile is "huge"; it can be "edge", "server" or empty
}

func ExampleCheckState() {
	fmt.Println(minikv.CheckOK, minikv.CheckOff, minikv.CheckNote, minikv.CheckProblem)
	// Output: ok off note problem
}
