package property_test

import "flag"

// defaultChecks is how many cases of each law and of the model are tried unless
// -rapid.checks says otherwise; rapid's own default of 100 is too few to mean
// much here.
const defaultChecks = "300"

func init() {
	if err := flag.Set("rapid.checks", defaultChecks); err != nil {
		panic(err)
	}
}
