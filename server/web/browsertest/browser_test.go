package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser is a tab of a headless Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	mistakes []string // what the console and the page complained of
}

// findChromium gives the path of a Chromium, or skips the test and says so.
func findChromium(t *testing.T) string {
	t.Helper()
	if p := os.Getenv("CHROMIUM"); p != "" {
		return p
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Skip("SKIPPED, THE INSPECTOR WAS NOT LOOKED AT: no chromium, chromium-browser or google-chrome in the PATH; install one (Debian: apt install chromium) or set CHROMIUM")
	return ""
}

// size is that of a screen, in pixels of a style sheet.
type size struct{ width, height int64 }

var (
	desktop = size{1280, 800}
	phone   = size{390, 844}
)

func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := findChromium(t)
	profile, err := os.MkdirTemp("", "minikv-browser-")
	require.NoError(t, err)
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.DisableGPU,
		// Nothing may leave this machine, not even a question for a name or an update.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("no-proxy-server", true), chromedp.Flag("disable-dev-shm-usage", true),
	)
	if os.Getuid() == 0 {
		opts = append(opts, chromedp.NoSandbox) // Chromium refuses to run as root otherwise
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, stop := chromedp.NewContext(alloc)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // and wait for its end; it may have ended before
		cancel()
		stop()
		stopAlloc()
		_ = os.RemoveAll(profile)
	})
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.hear)
	b.run(chromedp.EmulateViewport(desktop.width, desktop.height), log.Enable())
	return b
}

// hear notes complaints.
func (b *browser) hear(ev any) {
	said := ""
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		said = ev.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.APITypeError || ev.Type == runtime.APITypeWarning {
			said = fmt.Sprintf("console: %s %s", ev.Type, ev.Args[0].Value)
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.LevelError || ev.Entry.Level == log.LevelWarning {
			said = fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
		}
	}
	if strings.Contains(said, "status of 404") && strings.Contains(said, "/v1/entry?") {
		said = "" // a key that has gone: the page says so, and Chromium must, too
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.mistakes = append(b.mistakes, said)
	}
}

// clean demands that nobody complained since the last look.
func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.mistakes)
}

// forgive takes complaints away that a test has called for.
func (b *browser) forgive(part string) {
	b.t.Helper()
	require.True(b.t, eventually(5*time.Second, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		n := len(b.mistakes)
		b.mistakes = slices.DeleteFunc(b.mistakes, func(m string) bool { return strings.Contains(m, part) })
		return len(b.mistakes) < n
	}), "nobody complained of %q", part)
}

func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Run(b.ctx, actions...))
}

func (b *browser) open(url string) { b.t.Helper(); b.run(chromedp.Navigate(url)) }

// js evaluates an expression.
func js[T any](b *browser, expression string) (v T) {
	b.t.Helper()
	b.run(chromedp.Evaluate(expression, &v))
	return v
}

// text is what somebody sees of an element.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return js[string](b, fmt.Sprintf(`(document.querySelector(%q)||{innerText:''}).innerText`, selector))
}

// sees waits until an element shows a text.
func (b *browser) sees(selector, want string) {
	b.t.Helper()
	last := ""
	ok := eventually(10*time.Second, func() bool {
		last = b.text(selector)
		return strings.Contains(last, want)
	})
	require.True(b.t, ok, "%s shows %q, not %q", selector, last, want)
}

// eventually looks every 20 ms.
func eventually(within time.Duration, ok func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); ; <-tick.C {
		if ok() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// link follows the first link or button that shows the text.
func (b *browser) click(text string) {
	b.t.Helper()
	found := eventually(10*time.Second, func() bool {
		return js[bool](b, fmt.Sprintf(`(() => {
			const e = [...document.querySelectorAll('a, button, summary')].find((e) => e.innerText.trim() === %q && e.getClientRects().length);
			if (e) e.click();
			return !!e;
		})()`, text))
	})
	require.True(b.t, found, "nothing to click says %q", text)
}

// look sets the screen and the colours.
func (b *browser) look(s size, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	var mobile []chromedp.EmulateViewportOption
	if s == phone {
		mobile = append(mobile, chromedp.EmulateMobile)
	}
	b.run(chromedp.EmulateViewport(s.width, s.height, mobile...),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// shot writes a picture of the page's first pixels, at most as many as a person would scroll.
func (b *browser) shot(file string, most float64) {
	b.t.Helper()
	var png []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		var dims []float64
		if err := chromedp.Evaluate(`[document.documentElement.clientWidth, document.documentElement.scrollHeight]`, &dims).Do(ctx); err != nil {
			return err
		}
		clip := &page.Viewport{Width: dims[0], Height: min(dims[1], most), Scale: 1}
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithClip(clip).Do(ctx)
		return err
	}))
	require.NoError(b.t, os.WriteFile(file, png, 0o644))
}
