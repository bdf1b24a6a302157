package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minikv/minikv/server/web"
)

// sessionTime is how long a browser stays logged in.
const sessionTime = 12 * time.Hour

// sessions are what browsers show instead of the token: the time of their end, signed with a key that dies with the process. Nothing
// is kept of them.
type sessions struct {
	key  [32]byte
	name string // of the cookie: browsers keep them by host, not by port
}

func newSessions(addr string) sessions {
	_, port, _ := net.SplitHostPort(addr) // checked before
	return sessions{key: randomKey(), name: "minikv_session_" + port}
}

func (s *sessions) sign(what string) string {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(what))
	return hex.EncodeToString(m.Sum(nil))
}

// begin logs a browser in.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, now time.Time) {
	end := strconv.FormatInt(now.Add(sessionTime).Unix(), 10)
	s.set(w, r, end+"."+s.sign("session "+end), int(sessionTime.Seconds()))
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) { s.set(w, r, "", -1) }

func (s *sessions) set(w http.ResponseWriter, r *http.Request, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	})
}

func (s *sessions) value(r *http.Request) string {
	c, err := r.Cookie(s.name)
	if err != nil {
		return ""
	}
	return c.Value
}

// has says whether a call comes with a session that is not over.
func (s *sessions) has(r *http.Request) bool {
	end, mac, ok := strings.Cut(s.value(r), ".")
	if !ok || !hmac.Equal([]byte(mac), []byte(s.sign("session "+end))) {
		return false
	}
	at, err := strconv.ParseInt(end, 10, 64)
	return err == nil && time.Now().Unix() < at
}

// csrf is the proof that the page carries and shows with each write. It is bound to the session, if there is one.
func (s *sessions) csrf(r *http.Request) string { return s.sign("csrf " + s.value(r)) }

func (w *Web) loginPage(rw http.ResponseWriter, r *http.Request) {
	w.show(rw, web.Login{Wrong: r.URL.Query().Get("wrong") != ""})
}

// login takes the token from a form. A wrong one costs a second, which is nothing to a person.
func (w *Web) login(rw http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(rw, r.Body, 4<<10)
	_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(10 * time.Second)) // not every writer of a test has one
	if err := r.ParseForm(); err != nil || !w.isToken(r.PostForm.Get("token")) {
		select {
		case <-time.After(wrongTokenPause):
		case <-r.Context().Done():
		}
		http.Redirect(rw, r, "/login?"+url.Values{"wrong": {"1"}}.Encode(), http.StatusSeeOther)
		return
	}
	w.sessions.begin(rw, r, time.Now())
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

var wrongTokenPause = time.Second

func (w *Web) logout(rw http.ResponseWriter, r *http.Request) {
	w.sessions.end(rw, r)
	http.Redirect(rw, r, "/login", http.StatusSeeOther)
}
