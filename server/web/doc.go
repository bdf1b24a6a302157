// Package web is the inspector: a page that shows a node, with all it needs, in the program. It is HTML, one style sheet and small
// scripts that ask the admin API; there is no build step. Package server serves it and decides who may see it.
package web
