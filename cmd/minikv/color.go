package main

// style is how a piece of text looks on a terminal.
type style string

const (
	plain style = ""
	bold  style = "1"
	red   style = "31"
)

// paint gives text a style where that is wanted: on a terminal that knows styles, and unless NO_COLOR says otherwise
// (see no-color.org).
func (a *app) paint(s style, text string) string {
	return a.paintOn(a.tty, s, text)
}

// paintError is paint for standard error.
func (a *app) paintError(s style, text string) string { return a.paintOn(a.errTTY, s, text) }

func (a *app) paintOn(tty bool, s style, text string) string {
	if s == plain || !tty || a.getenv("NO_COLOR") != "" || a.getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
