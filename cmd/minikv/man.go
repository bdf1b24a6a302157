package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "man DIR", Args: takes("DIR"), Hidden: true, // packagers look for it, others need not
		Short:   "Write the manual pages",
		Long:    "Write a manual page for the program and for each of its commands to a directory, which is made if need be. They hold no date, so each build writes the same.",
		Example: "  minikv man /usr/local/share/man/man1",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		n := 0
		err := eachCommand(c.Root(), func(c *cobra.Command) error {
			if c.Hidden || c.Name() == "help" {
				return nil
			}
			n++
			return toFile(filepath.Join(args[0], manName(c)+".1"), func(w io.Writer) error {
				_, err := io.WriteString(w, manPage(c))
				return err
			})
		})
		if err != nil {
			return err
		}
		return a.printf("%s in %s\n", plural(n, "page"), printable(args[0]))
	}
	return c
}

// eachCommand calls f with c and all commands below it.
func eachCommand(c *cobra.Command, f func(*cobra.Command) error) error {
	if err := f(c); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if err := eachCommand(sub, f); err != nil {
			return err
		}
	}
	return nil
}

// manName is minikv-reg-add for the command minikv reg add.
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is the manual page of a command, in roff with the man macros.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	section := func(name, body string) {
		if body != "" {
			fmt.Fprintf(&b, ".SH %s\n%s", name, body)
		}
	}
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"minikv %s\" \"User Commands\"\n", strings.ToUpper(roff(manName(c))), roff(versionText()))
	section("NAME", fmt.Sprintf("%s \\- %s\n", roff(manName(c)), roff(c.Short)))
	section("SYNOPSIS", manSynopsis(c))
	section("DESCRIPTION", manText(firstOf(c.Long, c.Short+".")))
	section("COMMANDS", manCommands(c))
	section("OPTIONS", manFlags(c.NonInheritedFlags()))
	section("OPTIONS OF ALL COMMANDS", manFlags(c.InheritedFlags()))
	if c.Example != "" {
		section("EXAMPLES", ".nf\n"+roffLines(unindent(c.Example))+".fi\n")
	}
	section("EXIT STATUS", manExit)
	section("ENVIRONMENT", manEnvironment)
	section("SEE ALSO", manSeeAlso(c))
	return b.String()
}

const manExit = `.TP
0
done
.TP
1
error, told in one line on standard error
.TP
2
wrong usage
.TP
3
the key is absent or has expired
.TP
4
locked by someone else
`

const manEnvironment = `.TP
MINIKV_ADDR
admin address of the node, unless \-\-addr gives it
.TP
MINIKV_TOKEN
what minikv lock gives to the command that it runs
.TP
NO_COLOR
set to anything: no colours on terminals
`

func manSynopsis(c *cobra.Command) string {
	return fmt.Sprintf(".B %s\n%s\n", roff(c.CommandPath()), roff(strings.TrimSpace("[FLAG...] "+strings.TrimPrefix(c.Use, c.Name()))))
}

// manText turns the text of a help into paragraphs; what is indented stays as it is.
func manText(s string) string {
	var b strings.Builder
	for i, p := range strings.Split(strings.TrimSpace(s), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(p, " ") {
			b.WriteString(".nf\n" + roffLines(unindent(p)) + ".fi\n")
		} else {
			b.WriteString(roffLines(p))
		}
	}
	return b.String()
}

func manCommands(c *cobra.Command) string {
	var b strings.Builder
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s", roff(strings.TrimSpace(sub.Use)), roffLines(sub.Short))
		}
	}
	return b.String()
}

func manFlags(flags *pflag.FlagSet) string {
	var b strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		arg, usage := pflag.UnquoteUsage(f)
		if arg != "" {
			name += " " + arg
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
			usage += " (default " + d + ")"
		}
		fmt.Fprintf(&b, ".TP\n.B %s\n%s", roff(name), roffLines(usage))
	})
	return b.String()
}

// manSeeAlso names the command above and those below.
func manSeeAlso(c *cobra.Command) string {
	var names []string
	if c.HasParent() {
		names = append(names, manName(c.Parent()))
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			names = append(names, manName(sub))
		}
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = ".BR " + roff(n) + " (1)"
	}
	return strings.Join(names, ",\n") + "\n"
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

var roffEscapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`)

// roff escapes what the formatter would take for its own, and what is not ASCII.
func roff(s string) string {
	var b strings.Builder
	for _, r := range roffEscapes.Replace(s) {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return b.String()
}

// roffLines is roff for lines, none of which is a request.
func roffLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = roff(strings.TrimRight(line, "\n"))
		if strings.HasPrefix(line, ".") {
			line = `\&` + line
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// unindent takes two spaces off the beginning of each line.
func unindent(s string) string {
	return strings.ReplaceAll("\n"+s, "\n  ", "\n")[1:]
}
