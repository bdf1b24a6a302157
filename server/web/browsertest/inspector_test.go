package browsertest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv"
	"github.com/minikv/minikv/server"
)

const token = "a-token-of-a-length-that-will-do"

var views = []struct{ link, heading string }{
	{"Keys", "Keys"}, {"Changes", "Changes"}, {"Locks", "Locks"}, {"Peers", "Peers"}, {"Refusals", "Refusals and repairs"}, {"Overview", "Node kitchen"},
}

// visit goes to a view by its link in the navigation.
func (b *browser) visit(name string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll('nav a')].find((a) => a.innerText.startsWith(%q)).click()`, name), nil))
}

// filled is a mesh of three nodes with some of everything, and a browser on its page.
func filled(t *testing.T, cfg server.WebConfig) (*mesh, *browser) {
	t.Helper()
	b := newBrowser(t)
	m := newMesh(t, 3, cfg)
	m.fill()
	m.settle()
	b.open(m.url)
	b.sees("#link", "live")
	return m, b
}

func TestEveryViewShowsWithoutComplaint(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	b.sees("#ready", "ready")
	b.sees("h1", "Node kitchen")
	b.sees(".tiles", "469")
	b.sees("main", "equal with all 2")
	b.sees(".facts", "minikv ticket cities --write")
	b.sees(".facts", "minikv serve --public sensors --peer /ip4/127.0.0.1/tcp/")
	b.sees(".mesh", string(m.nodes[1].ID())[len(m.nodes[1].ID())-6:])
	for _, v := range views {
		b.visit(v.link)
		b.sees("h1", v.heading)
		require.Equal(t, v.link, strings.Fields(b.text("nav a[aria-current]"))[0])
	}
	b.clean()
}

func TestFromRegistryToKeyToHistory(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	m.put(1, "cities", "de/berlin", map[string]any{"name": "Berlin", "population": 3_677_472})
	m.settle()
	b.click("cities")
	b.sees("h1", "Keys")
	b.sees("tbody", "at/graz")
	b.run(chromedp.SendKeys("#keys-prefix", "de/"))
	b.sees(".pager", "shown of 36 keys")
	b.click("de/berlin")
	b.sees("section[aria-label='One key'] h2", "de/berlin")
	b.sees("section[aria-label='One key'] pre", `"population": 3677472`)
	b.sees(".history", "written by")
	require.Equal(t, 2, js[int](b, `document.querySelectorAll('.history li').length`), "both writes")
	b.sees(".history", string(m.nodes[1].ID())[len(m.nodes[1].ID())-6:])
	b.click("Hex")
	b.sees("pre", "000000  7b 22")
	b.click("Close")
	require.Equal(t, "de/", js[string](b, `document.querySelector('#keys-prefix').value`))
	b.clean()
}

func TestPagesFollowEachOther(t *testing.T) {
	_, b := filled(t, server.WebConfig{})
	b.click("sensors")
	b.sees(".pager", "50 shown of 421 keys")
	seen := map[string]bool{}
	for page := range 9 {
		first := ""
		require.True(t, eventually(10*time.Second, func() bool {
			first = b.text("tbody tr td a")
			return first != "" && !seen[first]
		}), "page %d", page)
		for _, k := range js[[]string](b, `[...document.querySelectorAll('tbody tr td:first-child')].map((td) => td.innerText)`) {
			require.False(t, seen[k], "%s is on two pages", k)
			seen[k] = true
		}
		if page < 8 {
			b.click("Next page")
		}
	}
	require.Len(t, seen, 421)
	b.click("First page")
	b.sees("tbody", "camera/last-frame")
	b.clean()
}

// A write on any node shows by itself, in the list, in the facts of the key and in the changes.
func TestWritesShowLive(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	b.click("cities")
	b.sees("tbody", "at/graz")
	b.run(chromedp.Evaluate(`window.stays = true`, nil))
	m.put(0, "cities", "aa/here", "written here")
	b.sees("tbody", "aa/here")
	m.put(2, "cities", "aa/there", "written there")
	b.sees("tbody", "written there")
	b.click("aa/there")
	b.sees("pre", "written there")
	m.put(1, "cities", "aa/there", "written again")
	b.sees("pre", "written again")
	require.NoError(t, m.reg(0, "cities").Delete(m.ctx, "aa/there"))
	b.sees("section[aria-label='One key']", "not there")
	b.visit("Changes")
	b.sees("tbody tr", "deleted")
	b.sees("tbody tr", "aa/there")
	require.True(t, js[bool](b, `window.stays`), "without loading the page again")
	b.clean()
}

func TestLocksCountDown(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	b.visit("Locks")
	b.sees("main", "Nobody holds a lock")
	l, err := m.reg(1, "jobs").Lock(m.ctx, "nightly/03", minikv.TTL(20*time.Second), minikv.NoRenew())
	require.NoError(t, err)
	b.sees("tbody tr", "nightly/03")
	b.sees("#count-locks", "1")
	left := func() int {
		m := regexp.MustCompile(`(\d+) s`).FindStringSubmatch(b.text(".left"))
		if m == nil {
			return -1
		}
		n, _ := strconv.Atoi(m[1])
		return n
	}
	first := left()
	require.Greater(t, first, 15)
	require.True(t, eventually(6*time.Second, func() bool { return left() <= first-3 }), "it counts down from %d, and is at %d", first, left())
	require.NoError(t, l.Unlock(m.ctx))
	b.sees("main", "Nobody holds a lock")
	b.clean()
}

func TestLostConnectionIsSaidAndRepaired(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	require.NoError(t, m.nodes[2].Close())
	b.visit("Peers")
	b.sees("main", "gone")
	m.stop()
	b.sees("#link", "connection lost")
	m.put(0, "cities", "aa/meanwhile", "written unseen")
	m.serve()
	b.sees("#link", "live")
	b.visit("Changes")
	m.put(0, "cities", "aa/after", "written again")
	b.sees("tbody", "aa/after")
	b.clean()
}

// Everything that can be clicked or typed into is reached by the tabulator key, and shows that it is.
func TestKeyboardReachesEverything(t *testing.T) {
	m, b := filled(t, server.WebConfig{Write: true})
	_, err := m.reg(0, "cities").Lock(m.ctx, "de/berlin")
	require.NoError(t, err)
	for _, hash := range []string{"#/", "#/keys?registry=cities&prefix=de%2F&key=de%2Fberlin", "#/locks", "#/changes", "#/peers", "#/trouble"} {
		b.open("about:blank")
		b.open(m.url + hash)
		b.sees("#link", "live")
		b.sees("main", "")
		if strings.HasPrefix(hash, "#/keys") {
			b.sees(".history", "lock")
			b.click("Write a new key")
			b.run(chromedp.Evaluate(`document.activeElement.blur()`, nil))
		}
		b.run(chromedp.Evaluate(`window.scrollTo(0, 0); document.activeElement.blur(); window.reached = new Set(); window.bare = []`, nil))
		want := `[...document.querySelectorAll('a[href], button, input, select, textarea, summary, pre[tabindex]')].filter((e) => e.getClientRects().length && !e.disabled)`
		n := js[int](b, want+`.length`)
		b.run(chromedp.KeyEvent(kb.Tab))
		for i := 0; i < 3*n; i++ {
			b.run(chromedp.Evaluate(`(() => {
				const e = document.activeElement;
				reached.add(e);
				const s = getComputedStyle(e);
				if (e !== document.body && s.outlineStyle === 'none') bare.push(e.outerHTML.slice(0, 80));
			})()`, nil), chromedp.KeyEvent(kb.Tab))
			if js[int](b, want+`.filter((e) => !reached.has(e)).length`) == 0 {
				break
			}
		}
		missed := js[[]string](b, want+`.filter((e) => !reached.has(e)).map((e) => e.outerHTML.slice(0, 80))`)
		require.Empty(t, missed, "%s: not reached", hash)
		require.Empty(t, js[[]string](b, `bare.filter((h) => !h.startsWith('<main') && !h.startsWith('<h2'))`), "%s: focus is not shown", hash)
	}
	b.open("about:blank")
	b.open(m.url)
	b.sees("#link", "live")
	b.run(chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "skip", js[string](b, `document.activeElement.className`))
	b.run(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "main", js[string](b, `document.activeElement.id`))
	b.clean()
}

// On a phone nothing sticks out to the side, and all text has the contrast that WCAG's level AA asks for, in both colour schemes.
func TestReadableOnAPhoneAndInTheDark(t *testing.T) {
	m, b := filled(t, server.WebConfig{Write: true})
	_, err := m.reg(1, "jobs").Lock(m.ctx, "nightly/03", minikv.TTL(time.Minute))
	require.NoError(t, err)
	m.put(0, "cities", strings.Repeat("a-key-without-an-end/", 40), strings.Repeat("a value without an end ", 100))
	m.put(0, "cities", "no-gaps", strings.Repeat("x", 5000))
	checked := 0
	for _, s := range []size{phone, {820, 1180}, desktop} {
		for _, dark := range []bool{false, true} {
			b.look(s, dark)
			for _, hash := range []string{"#/", "#/keys?registry=cities", "#/keys?registry=cities&key=no-gaps", "#/changes", "#/locks", "#/peers", "#/trouble"} {
				b.run(chromedp.Evaluate(fmt.Sprintf(`location.hash = %q`, hash), nil))
				b.sees("h1", "")
				require.True(t, eventually(10*time.Second, func() bool { return js[int](b, `document.querySelectorAll('main td, main .empty').length`) > 0 }))
				wide := js[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
				require.LessOrEqual(t, wide, 0, "%s at %d: wider than the screen", hash, s.width)
				if s == desktop {
					cut := js[[]string](b, `[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText.slice(0, 100))`)
					require.Empty(t, cut, "%s: a table is cut off", hash)
				}
				if s == phone {
					out := js[[]string](b, `[...document.querySelectorAll('main *')].filter((e) => !e.closest('.vh, thead, pre') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 100))`)
					require.Empty(t, out, "%s: cut off", hash)
				}
				faint := js[[]string](b, contrastScript)
				require.Empty(t, faint, "%s at %d, dark %v: too little contrast", hash, s.width, dark)
				checked += js[int](b, `window.contrastChecked`)
			}
		}
	}
	require.Greater(t, checked, 2000)
	b.clean()
}

// contrastScript lists the texts whose contrast with what is behind them is less than 4.5.
const contrastScript = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const lum = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return rgb(getComputedStyle(document.body).backgroundColor); };
	const out = [];
	window.contrastChecked = 0;
	for (const e of document.querySelectorAll('body *')) {
		const svg = e instanceof SVGElement;
		if (svg || e.closest(':disabled, [aria-hidden], tr.fresh') || !e.getClientRects().length || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		window.contrastChecked++;
		const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(ground(e))].sort((x, y) => y - x);
		const ratio = (a + .05) / (b + .05);
		if (ratio < 4.5) out.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 90));
	}
	return out;
})()`

// What is stored is shown as text, whatever it is, and the policy of the page runs no script from it.
func TestStoredMarkupIsText(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	evil := `<img src=x onerror="window.got=1"><script>window.got=1</script>`
	m.put(0, "cities", evil, evil)
	m.put(0, "cities", "javascript:window.got=1", "<b>bold</b>")
	_, err := m.nodes[0].Registry(m.ctx, "<script>window.got=1</script>", minikv.Public())
	require.NoError(t, err)
	_, err = m.reg(0, "cities").Lock(m.ctx, evil, minikv.Meta([]byte(evil)))
	require.NoError(t, err)
	for _, v := range views {
		b.visit(v.link)
		b.sees("h1", v.heading)
	}
	b.click("cities")
	b.click(evil)
	b.sees("pre", evil)
	b.visit("Changes")
	b.sees("tbody", evil)
	require.False(t, js[bool](b, `'got' in window`))
	require.Zero(t, js[int](b, `document.querySelectorAll('main img, main script, main b b').length`))
	// Even a page that could be made to ask for it would run nothing inline and nothing from elsewhere.
	b.clean()
	require.True(t, js[bool](b, `(() => { const s = document.createElement('script'); s.textContent = 'window.got=1'; document.body.append(s); return !('got' in window); })()`))
}

func TestReadOnlyPageOffersNoWrites(t *testing.T) {
	m, b := filled(t, server.WebConfig{})
	_, err := m.reg(0, "cities").Lock(m.ctx, "de/berlin")
	require.NoError(t, err)
	b.sees(".states", "read only")
	b.open(m.url + "#/keys?registry=cities&key=de%2Fberlin")
	b.sees(".history", "lock")
	b.visit("Locks")
	b.sees("tbody", "de/berlin")
	require.Zero(t, js[int](b, `[...document.querySelectorAll('main button')].filter((e) => /Write|Delete|Unlock|expiry/.test(e.textContent)).length`))
	b.clean()
	status := js[int](b, `(() => { const r = new XMLHttpRequest(); r.open('PUT', '/v1/entry?registry=cities&key=x', false); r.setRequestHeader('Minikv-CSRF', document.querySelector('meta[name=minikv-csrf]').content); r.send('v'); return r.status; })()`)
	require.Equal(t, 403, status)
}

func TestWritingPage(t *testing.T) {
	m, b := filled(t, server.WebConfig{Write: true})
	b.sees(".states", "writing allowed")
	b.click("jobs")
	b.sees("tbody", "nightly/00")
	b.click("Write a new key")
	b.run(chromedp.SendKeys("#new-key", "by hand"), chromedp.SendKeys("#new-value", "first"), chromedp.SendKeys("#new-ttl", "1h"), chromedp.SendKeys("#new-key", kb.Enter))
	b.sees("tbody", "by hand")
	ttl, ok, err := m.reg(0, "jobs").TTL(m.ctx, "by hand")
	require.NoError(t, err)
	require.True(t, ok)
	require.InDelta(t, time.Hour, ttl, float64(time.Minute))

	b.click("by hand")
	b.sees("pre", "first")
	edit := func(value, ttl string) {
		b.run(chromedp.Evaluate(fmt.Sprintf(`document.querySelector('#edit-value').value = %q; document.querySelector('#edit-ttl').value = %q`, value, ttl), nil))
	}
	edit("second", "")
	b.run(chromedp.Click("section section form button.main"))
	b.sees("pre", "second")
	_, ok, err = m.reg(0, "jobs").TTL(m.ctx, "by hand")
	require.NoError(t, err)
	require.True(t, ok, "the expiry was kept")
	edit("second", "never")
	b.click("Set expiry alone")
	b.sees(".facts", "never")
	edit("second", "5 parsecs")
	b.click("Set expiry alone")
	b.sees("[role=status].bad", "is no duration")
	b.forgive("status of 400")
	b.click("Delete")
	_, err = m.reg(0, "jobs").Get(m.ctx, "by hand")
	require.NoError(t, err, "it asks once more")
	b.click("Really delete, on all nodes")
	b.sees(".facts", "not there")
	_, err = m.reg(0, "jobs").Get(m.ctx, "by hand")
	require.ErrorIs(t, err, minikv.ErrNotFound)

	_, err = m.reg(0, "jobs").Lock(m.ctx, "nightly/03")
	require.NoError(t, err)
	b.visit("Locks")
	b.click("Unlock")
	b.click("Really unlock")
	b.sees("main", "Nobody holds a lock")
	b.clean()
	// Without the page's proof the same call is refused.
	status := js[int](b, `(() => { const r = new XMLHttpRequest(); r.open('PUT', '/v1/entry?registry=cities&key=x', false); r.send('v'); return r.status; })()`)
	require.Equal(t, 403, status)
}

func TestLogin(t *testing.T) {
	b := newBrowser(t)
	m := newMesh(t, 1, server.WebConfig{Token: token, Hosts: []string{"kv.example"}})
	b.open(m.url)
	b.sees("h1", "minikv inspector")
	b.run(chromedp.SendKeys("#token", "wrong"+kb.Enter))
	b.sees("#wrong", "not this node's token")
	b.run(chromedp.SendKeys("#token", token+kb.Enter))
	b.sees("#link", "live")
	b.sees("h1", "Node kitchen")
	b.click("Log out")
	b.sees("h1", "minikv inspector")
	b.open(m.url)
	b.sees("h1", "minikv inspector")
	b.clean()
}
