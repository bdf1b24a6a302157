package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// httpNode starts a node that serves HTTP and gives the address that its banner names.
func httpNode(t *testing.T, args ...string) (url string) {
	t.Helper()
	dir := t.TempDir()
	p, err := startProc(dir, "n", append(os.Environ(), "HOME="+dir), args...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.stop(syscall.SIGTERM)) })
	out, err := os.ReadFile(filepath.Join(dir, "n.out"))
	require.NoError(t, err)
	m := regexp.MustCompile(`inspector +(http://\S+/) \(`).FindSubmatch(out)
	require.NotNil(t, m, "%s", out)
	return string(m[1])
}

func request(t *testing.T, method, url, body, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

func TestServeHTTP(t *testing.T) {
	url := httpNode(t, "--public", "r", "--http", "127.0.0.1:0")
	for path, want := range map[string]string{
		"healthz": "ok", "readyz": "ready", "metrics": `minikv_keys{registry="r"} 0`, "v1/status": `"name":"n"`,
	} {
		status, body := request(t, "GET", url+path, "", "")
		require.Equal(t, 200, status, path)
		require.Contains(t, body, want, path)
	}
	status, body := request(t, "PUT", url+"v1/entry?registry=r&key=k", "v", "")
	require.Equal(t, 403, status)
	require.Contains(t, body, "--admin-write")
}

func TestServeHTTPBeyondLoopback(t *testing.T) {
	dir := t.TempDir()
	refused := func(args ...string) string {
		t.Helper()
		p, err := spawnProc(dir, "refused", append(os.Environ(), "HOME="+dir), args...)
		require.NoError(t, err)
		<-p.exited
		require.Error(t, p.err)
		said, err := os.ReadFile(p.log)
		require.NoError(t, err)
		return string(said)
	}
	said := refused("--dir", filepath.Join(dir, "data"), "--http", "0.0.0.0:0")
	require.Contains(t, said, "no token")
	require.NoDirExists(t, filepath.Join(dir, "data"), "nothing is made before all is checked")
	advice := regexp.MustCompile(`\(umask 077; [^)]*\)`).FindString(said)
	require.NoError(t, exec.Command("sh", "-c", advice).Run(), said)
	require.Contains(t, refused("--http", "0.0.0.0:0"), "--http-token")

	const token = "0123456789abcdef0123456789"
	file := filepath.Join(dir, "data", "http.token")
	require.NoError(t, os.WriteFile(file, []byte(token+"\n"), 0o600))
	require.NoError(t, os.Chmod(file, 0o644))
	require.Contains(t, refused("--dir", filepath.Join(dir, "data"), "--http", "0.0.0.0:0"), "chmod 600")
	require.NoError(t, os.Chmod(file, 0o600))

	// Behind a proxy the same holds as beyond loopback.
	url := httpNode(t, "--dir", filepath.Join(dir, "data"), "--public", "r", "--http", "127.0.0.1:0", "--http-host", "kv.example")
	status, _ := request(t, "GET", url+"v1/status", "", "")
	require.Equal(t, 401, status)
	status, body := request(t, "PUT", url+"v1/entry?registry=r&key=k", "v", token)
	require.Equal(t, 200, status, body)
	status, body = request(t, "GET", url+"v1/entry?registry=r&key=k", "", token)
	require.Equal(t, 200, status)
	require.Contains(t, body, `"value":"v"`)
}
