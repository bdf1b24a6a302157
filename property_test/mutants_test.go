package property_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	mutantsRun = flag.Bool("mutants", false, "let TestMutants plant each bug and see that it is caught; takes some minutes")
	mutantOnly = flag.String("mutant", "", "with -mutants: plant this one alone")
)

// mutant is a planted bug, the file with the wrong function in it, and the test
// that must catch it.
type mutant struct {
	tag  string
	file string
	test string
	pkg  string
	args []string
	says string // part of what the failing test says
}

var (
	simArgs   = []string{"-sim.seeds=150"}
	rapidArgs = []string{"-rapid.nofailfile"}
	longArgs  = []string{"-rapid.nofailfile", "-rapid.checks=5000", "-rapid.steps=100"}
)

var mutants = []mutant{
	{"mutant_tie_rule", "lwwmap/tie_rule_mutant.go", "TestLawCommutative", "./property_test", rapidArgs, "a+b and b+a"},
	{"mutant_join_order", "lwwmap/join_order_mutant.go", "TestModel", "./property_test", longArgs, "want"},
	{"mutant_horizon_alone", "lwwmap/overtaken_mutant.go", "TestADeleteIsFinalWhereValueAndDeleteWereSeen", "./property_test", rapidArgs, "Should be true"},
	{"mutant_horizon_still", "lwwmap/passed_mutant.go", "TestModel", "./property_test", rapidArgs, "want"},
	{"mutant_later_claim", "lwwmap/claim_order_mutant.go", "TestSimulation", "./property_test", simArgs, "the later of two claims"},
	{"mutant_ceiling_forgotten", "hlc/start_mutant.go", "TestSimulation", "./property_test", simArgs, "which it issued before"},
	{"mutant_skew_unit", "hlc/skew_unit_mutant.go", "TestSimulation", "./property_test", simArgs, "more than a minute ahead"},
	{"mutant_actor_reused", "replica/fresh_actor_mutant.go", "TestSimulation", "./property_test", simArgs, "a dot that is not the next of its actor"},
	{"mutant_context_early", "replica/context_came_mutant.go", "TestSimulation", "./property_test", simArgs, "rule 2"},
	{"mutant_tombstones_unshipped", "replica/ships_mutant.go", "TestModel", "./property_test", rapidArgs, "want"},
	{"mutant_token_reused", "replica/next_epoch_mutant.go", "TestSimulation", "./property_test", simArgs, "cannot claim"},
	{"mutant_range_despite_refusal", "replica/range_seen_mutant.go", "TestSimulation", "./property_test", simArgs, "rule 2"},
	{"mutant_no_sync", "store/sync_mutant.go", "TestSimulationOnStores", "./property_test", nil, "which it acknowledged as durable"},
	{"mutant_dot_row_left", "store/unindex_dot_mutant.go", "TestTheTableOnDisk", "./store", rapidArgs, ""},
	{"mutant_watch_last_event", "watch_due_mutant.go", "TestWatchCampaign", ".", []string{"-rapid.nofailfile"}, ""},
	{"mutant_position_covers_waiting", "watch_covers_mutant.go", "TestWatchCampaign", ".", []string{"-rapid.nofailfile"}, ""},
}

// TestMutants plants one bug after the other and demands that its test fails,
// for the reason meant. docs/mutants.md is the table of them.
func TestMutants(t *testing.T) {
	if !*mutantsRun {
		return // the table is checked by TestMutantsAreListed
	}
	for _, m := range mutants {
		if *mutantOnly != "" && m.tag != *mutantOnly {
			continue
		}
		t.Run(m.tag, func(t *testing.T) {
			args := append([]string{"test", "-count=1", "-tags", m.tag, "-run", "^" + m.test + "$", m.pkg}, m.args...)
			cmd := exec.Command("go", args...)
			cmd.Dir = ".."
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "go %s does not catch the planted bug", strings.Join(args, " "))
			require.Contains(t, string(out), "--- FAIL: "+m.test, "go %s fails for another reason", strings.Join(args, " "))
			require.Contains(t, string(out), m.says, "go %s fails for another reason", strings.Join(args, " "))
		})
	}
}

// TestMutantsAreListed keeps table and files in step: each planted bug has its
// file, and docs/mutants.md names it and the test that catches it.
func TestMutantsAreListed(t *testing.T) {
	table, err := os.ReadFile("../docs/mutants.md")
	require.NoError(t, err)
	for _, m := range mutants {
		code, err := os.ReadFile("../" + m.file)
		require.NoError(t, err)
		require.Contains(t, string(code), "//go:build "+m.tag+"\n")
		row := ""
		for line := range strings.Lines(string(table)) {
			if strings.Contains(line, "`"+m.tag+"`") {
				row = line
			}
		}
		require.Contains(t, row, m.test, "the row of %s in docs/mutants.md", m.tag)
	}
}
