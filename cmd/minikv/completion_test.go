package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parsers are the shells that completion is for, each with what makes it read a program from standard input without
// running it.
var parsers = map[string][]string{
	"bash": {"bash", "-n"},
	"zsh":  {"zsh", "-n"},
	"fish": {"fish", "-n"},
	"powershell": {"pwsh", "-NoProfile", "-NonInteractive", "-Command", `$wrong = $null
[void][System.Management.Automation.Language.Parser]::ParseInput([Console]::In.ReadToEnd(), [ref]$null, [ref]$wrong)
$wrong | ForEach-Object { [Console]::Error.WriteLine($_) }
exit $wrong.Count`},
}

// What a shell reads is a program of that shell.
func TestCompletionIsReadByItsShell(t *testing.T) {
	for shell, parser := range parsers {
		t.Run(shell, func(t *testing.T) {
			code, program, stderr := cli(t, "completion", shell)
			require.Zero(t, code, stderr)
			require.Contains(t, program, "minikv")
			if _, err := exec.LookPath(parser[0]); err != nil {
				t.Skipf("NOT CHECKED: %s is not installed, so nobody has read the completion for %s", parser[0], shell)
			}
			for text, want := range map[string]bool{program: true, program + "\nif (": false} {
				c := exec.Command(parser[0], parser[1:]...)
				c.Stdin = strings.NewReader(text)
				out, err := c.CombinedOutput()
				require.Equal(t, want, err == nil, "%s", out)
			}
		})
	}
}
