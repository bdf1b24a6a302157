package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
)

//go:embed page.html login.html
var pages embed.FS

//go:embed static
var static embed.FS

var templates = template.Must(template.ParseFS(pages, "*.html"))

// Page is what the page knows before it asks.
type Page struct {
	Version string
	Node    string // peer id
	Name    string // of the node, for people
	Write   bool   // the page may write
	CSRF    string // what it shows when it writes
	Session bool   // somebody has logged in
}

// Render writes the page.
func (p Page) Render(w io.Writer) error { return templates.ExecuteTemplate(w, "page.html", p) }

// Login is the page that asks for the token.
type Login struct {
	Wrong bool // the last one was
}

// Render writes the page.
func (l Login) Render(w io.Writer) error { return templates.ExecuteTemplate(w, "login.html", l) }

// asset is a file of the page.
type asset struct {
	body []byte
	kind string // its media type
	tag  string // changes with the body
}

// kinds are set here, since a system's own table of types may say anything.
var kinds = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
}

// Assets answers GET /static/…, from memory.
func Assets() http.Handler {
	files := map[string]asset{}
	_ = fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error { // it cannot fail: the files are in the program
		if err != nil || d.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		sum := sha256.Sum256(body)
		kind := kinds[path.Ext(name)]
		if kind == "" {
			kind = mime.TypeByExtension(path.Ext(name))
		}
		files["/"+name] = asset{body, kind, `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", f.kind)
		w.Header().Set("ETag", f.tag)
		w.Header().Set("Cache-Control", "no-cache") // ask each time whether it has changed
		if r.Header.Get("If-None-Match") == f.tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(f.body) // the caller has gone; nobody to tell
	})
}
