package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/minikv/minikv/server/admin"
	"github.com/minikv/minikv/ticket"
)

func newTicket(a *app) *cobra.Command {
	var read, write, owner, qr bool
	var expires string
	c := &cobra.Command{
		Use: "ticket REG", GroupID: "node", Args: takes("REG"),
		Short: "Make a ticket by which other nodes join a private registry",
		Long: `Make a ticket for a private registry: a line of text that another node joins it by ('minikv join'). It holds the registry's secrets, so pass it on as
you would a password. Who has joined by it stays a member until it expires, or until 'minikv rotate'; a single ticket cannot be taken back.

  --read   who joins reads everything, and nobody takes a write from him
  --write  writes, too
  --owner  also makes tickets and changes the keys, as the node that made the registry does`,
		Example: "  minikv ticket default --write --expires 24h\n  minikv ticket default --read --qr\n  minikv ticket default --write | ssh other minikv join -",
	}
	f := c.Flags()
	f.BoolVar(&read, "read", false, "a ticket to read")
	f.BoolVar(&write, "write", false, "a ticket to read and write")
	f.BoolVar(&owner, "owner", false, "a ticket to own the registry, too")
	f.StringVar(&expires, "expires", "", "when it and all rights by it end, as in 24h; not with --owner (default never)")
	f.BoolVar(&qr, "qr", false, "draw it as a QR code, too")
	c.MarkFlagsMutuallyExclusive("read", "write", "owner")
	c.RunE = func(c *cobra.Command, args []string) error {
		p := admin.TicketParams{}
		switch {
		case read:
			p.Rights = admin.RightsRead
		case write:
			p.Rights = admin.RightsWrite
		case owner:
			p.Rights = admin.RightsOwner
		default:
			return usagef("say what the ticket is to grant: --read or --write (or --owner)")
		}
		if c.Flags().Changed("expires") {
			d, err := parseDuration("--expires", expires)
			if err != nil {
				return err
			}
			p.TTL = admin.Duration(d)
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			t, err := cl.Ticket(ctx, args[0], p)
			if err != nil {
				return err
			}
			return a.printTicket(t, qr)
		})
	}
	return c
}

// printTicket prints the ticket alone to standard output, so that it can be piped; what else is to be said goes to standard error.
func (a *app) printTicket(t admin.Ticket, qr bool) error {
	if a.isJSON() {
		return a.json(t)
	}
	if a.tty {
		until := "for ever"
		if t.Expires != nil {
			until = "until " + t.Expires.Local().Format(time.DateTime)
		}
		fmt.Fprintf(a.stderr, "Whoever has this ticket may %s %s %s. Keep it as you would a password.\n", verbOf(t.Rights), printable(t.Registry), until)
		if len(t.Addrs) == 0 {
			fmt.Fprintln(a.stderr, "It names no address: this node listens nowhere, so who joins has to be near, or be told a peer.")
		}
	}
	if err := a.printf("%s\n", t.Ticket); err != nil || !qr {
		return err
	}
	code, err := ticket.QR(t.Ticket)
	if err != nil {
		return err
	}
	return a.printf("%s", code)
}

func verbOf(rights string) string {
	return map[string]string{admin.RightsRead: "read", admin.RightsWrite: "read and write", admin.RightsOwner: "own"}[rights]
}

func newJoin(a *app) *cobra.Command {
	var file string
	var replace bool
	c := &cobra.Command{
		Use: "join [TICKET|-]", GroupID: "node", Args: takes("[TICKET|-]"),
		Short: "Join a private registry by its ticket",
		Long: `Join a private registry by its ticket. Other users of the machine may see the arguments of a command, and shells keep them: give - to paste the ticket
or pipe it in, or --file. Line breaks, blanks, capitals and quotes in it do not matter.

The registry is opened, its keys and the ticket's addresses are kept in the node's directory, and the addresses are dialled. The command does not wait for the
data: see 'minikv peers'.`,
		Example: "  minikv join -\n  minikv join --file ticket.txt",
	}
	f := c.Flags()
	f.StringVar(&file, "file", "", "read the ticket from a file")
	f.BoolVar(&replace, "replace", false, "if the node has a registry of that name with other keys, as after 'minikv rotate': replace them, and share its data with the ticket's members")
	c.RunE = func(c *cobra.Command, args []string) error {
		text, err := a.readTicket(args, file)
		if err != nil {
			return err
		}
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			r, err := cl.Join(ctx, admin.JoinParams{Ticket: text, Replace: replace})
			var e *admin.Error
			switch {
			case errors.As(err, &e) && e.Code == admin.CodeTicket && strings.Contains(e.Message, "other keys"):
				return fmt.Errorf("%w with --replace", err)
			case err != nil:
				return err
			case a.isJSON():
				return a.json(r)
			}
			return a.printf("joined %s: %s\n", printable(r.Name), rightsText(r))
		})
	}
	return c
}

// readTicket takes a ticket from where the command line says that it is.
func (a *app) readTicket(args []string, file string) (text string, err error) {
	switch {
	case file != "" && len(args) > 0:
		return "", usagef("a ticket and --file exclude each other")
	case file == "" && len(args) == 0:
		return "", usagef("TICKET is missing: give - to paste it, or --file FILE")
	case file == "" && args[0] != "-":
		return args[0], nil
	case file == "":
		file = "-"
		if a.tty {
			fmt.Fprintln(a.stderr, "Paste the ticket, then a line break and Ctrl-D:")
		}
	}
	err = a.fromFile(file, func(r io.Reader) error {
		b, err := io.ReadAll(io.LimitReader(r, ticket.MaxText+1))
		text = string(b)
		return err
	})
	return text, err
}

func rightsText(r admin.Registry) string {
	text := map[string]string{admin.RightsRead: "to read", admin.RightsWrite: "to read and write", admin.RightsOwner: "as an owner"}[r.Rights]
	if r.Expires != nil {
		text += " until " + r.Expires.Local().Format(time.DateTime)
	}
	return text
}

func newRotate(a *app) *cobra.Command {
	c := &cobra.Command{
		Use: "rotate REG", GroupID: "node", Args: takes("REG"),
		Short: "Give a private registry new keys, which ends all tickets",
		Long: `Give a private registry new keys under the same name and with the same data. All tickets end, and with them the rights of all other nodes, owners among
them: what they have they keep, but they neither read nor write any more. Give those who are to stay a new ticket, for 'minikv join --replace'.

Do it when a ticket, or a device with the registry's keys, has got into wrong hands.`,
		Example: "  minikv rotate default",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.withClient(c.Context(), func(ctx context.Context, cl *admin.Client) error {
			if err := cl.Rotate(ctx, args[0]); err != nil || a.isJSON() {
				return err
			}
			name := quoteShell(args[0])
			return a.printf("%s has new keys, and all its tickets have ended. Whoever is to stay needs a new one: minikv ticket %s --write\n", printable(args[0]), name)
		})
	}
	return c
}
