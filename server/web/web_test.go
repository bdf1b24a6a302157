package web_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/server/web"
)

func get(target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	web.Assets().ServeHTTP(w, r)
	return w
}

// The policy of the pages allows nothing inline, so there must be nothing; and all that they name is there.
func TestPagesNeedNothingInlineAndNothingFromElsewhere(t *testing.T) {
	var one, two strings.Builder
	require.NoError(t, web.Page{Version: "v", Node: "12D3KooW", Name: `"><script>x</script>`, Write: true, CSRF: "c", Session: true}.Render(&one))
	require.NoError(t, web.Login{Wrong: true}.Render(&two))
	for _, html := range []string{one.String(), two.String()} {
		require.NotRegexp(t, `(?i)<script[^>]*>[^<]`, html, "inline script")
		require.NotRegexp(t, `(?i)\son[a-z]+=|style=|javascript:`, html)
		require.NotRegexp(t, `(?i)(src|href|action)="(https?:)?//`, html)
		named := regexp.MustCompile(`(?:src|href)="(/static/[^"#]+)`).FindAllStringSubmatch(html, -1)
		require.NotEmpty(t, named)
		for _, m := range named {
			require.Equal(t, 200, get(m[1]).Code, m[1])
		}
	}
	require.Contains(t, one.String(), `content="&#34;&gt;&lt;script&gt;`)
}

// A script imports only what is there.
func TestScriptsImportWhatIsThere(t *testing.T) {
	seen, todo := map[string]bool{}, []string{"/static/main.js"}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		w := get(name)
		require.Equal(t, 200, w.Code, name)
		require.Equal(t, "text/javascript; charset=utf-8", w.Header().Get("Content-Type"))
		require.NotRegexp(t, `innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`, w.Body.String(), "%s: what is stored must not become markup", name)
		for _, m := range regexp.MustCompile(`from '\./([a-z]+\.js)'`).FindAllStringSubmatch(w.Body.String(), -1) {
			todo = append(todo, "/static/"+m[1])
		}
	}
	require.Greater(t, len(seen), 8)
}

func TestAssetsAreAskedForAgainOnlyWhenTheyChange(t *testing.T) {
	w := get("/static/style.css")
	require.Equal(t, "text/css; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, 304, get("/static/style.css", "If-None-Match", w.Header().Get("ETag")).Code)
	require.Equal(t, 404, get("/static/").Code)
	require.Equal(t, 404, get("/static/../page.html").Code)
}
