package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Limits of what is offered on a press of the tab key.
const (
	completionTime = 2 * time.Second
	completionMost = 200
)

// addCompletion adds the command that prints what bash, zsh, fish and PowerShell need to complete command lines.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion"})
	if err != nil || c == root {
		return // the library has it no more
	}
	c.Example, c.Args, c.RunE = "  source <(minikv completion bash)", cobra.ArbitraryArgs, unknownCommand
	for _, sub := range c.Commands() {
		sub.Example = map[string]string{
			"bash":       "  source <(minikv completion bash)\n  minikv completion bash >/etc/bash_completion.d/minikv",
			"zsh":        "  minikv completion zsh >\"${fpath[1]}/_minikv\"",
			"fish":       "  minikv completion fish >~/.config/fish/completions/minikv.fish",
			"powershell": "  minikv completion powershell | Out-String | Invoke-Expression",
		}[sub.Name()]
	}
}

// completeRegistryAndKey makes the shell offer registries and keys of the running node where a command takes them.
func completeRegistryAndKey(a *app, root *cobra.Command) {
	for _, c := range root.Commands() {
		names := strings.Fields(strings.TrimPrefix(c.Use, c.Name()))
		if len(names) == 0 || names[0] != "REG" {
			continue
		}
		takesKey := len(names) > 1 && names[1] == "KEY"
		c.ValidArgsFunction = func(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			switch {
			case len(args) == 0:
				return a.offerRegistries(), cobra.ShellCompDirectiveNoFileComp
			case len(args) == 1 && takesKey:
				return a.offerKeys(args[0], prefix), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		}
	}
}

func (a *app) offerRegistries() (out []string) {
	c, err := a.client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	regs, err := c.Registries(ctx)
	if err != nil {
		return nil
	}
	for _, r := range regs {
		out = append(out, r.Name)
	}
	return out
}

func (a *app) offerKeys(registry, prefix string) (out []string) {
	c, err := a.client()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	for k, err := range c.Keys(ctx, registry, prefix) {
		if err != nil || len(out) == completionMost {
			break
		}
		if printable(k) == k {
			out = append(out, k)
		}
	}
	return out
}
