package property_test

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	linkTo    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	codeFence = regexp.MustCompile("(?ms)^```.*?^```")
	inCode    = regexp.MustCompile("`[^`\n]*`")
	heading   = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	docInCode = regexp.MustCompile("`((?:docs|bench|p2p|datastore|examples)/[A-Za-z0-9_./-]*)`")
)

// Links between the pages lead somewhere, and so do names of pages and directories in running text.
func TestLinksInThePages(t *testing.T) {
	pages, links := 0, 0
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".md") {
			if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
				return fs.SkipDir
			}
			return err
		}
		pages++
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		prose := codeFence.ReplaceAllString(string(text), "")
		for _, m := range docInCode.FindAllStringSubmatch(prose, -1) {
			_, err := os.Stat(filepath.Join("..", m[1]))
			require.NoError(t, err, "%s names %s", path, m[1])
		}
		for _, m := range linkTo.FindAllStringSubmatch(inCode.ReplaceAllString(prose, "x"), -1) {
			links++
			checkLink(t, path, m[1])
		}
		return nil
	}))
	require.Greater(t, pages, 10)
	require.Greater(t, links, 20)
}

func checkLink(t *testing.T, page, link string) {
	u, err := url.Parse(link)
	require.NoError(t, err, "%s: %s", page, link)
	if u.Scheme != "" {
		require.Contains(t, []string{"http", "https", "mailto"}, u.Scheme, "%s: %s", page, link)
		return // nothing is asked over the network here
	}
	target := page
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(page), u.Path)
	}
	_, err = os.Stat(target)
	require.NoError(t, err, "%s links to %s", page, link)
	if u.Fragment != "" && strings.HasSuffix(target, ".md") {
		text, err := os.ReadFile(target)
		require.NoError(t, err)
		var anchors []string
		for _, h := range heading.FindAllStringSubmatch(codeFence.ReplaceAllString(string(text), ""), -1) {
			anchors = append(anchors, anchor(h[1]))
		}
		require.Contains(t, anchors, u.Fragment, "%s links to %s", page, link)
	}
}

// anchor is what a heading is called in a link.
func anchor(heading string) string {
	kept := regexp.MustCompile(`[^\p{L}\p{N}\s_-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(strings.TrimSpace(kept), " ", "-")
}
