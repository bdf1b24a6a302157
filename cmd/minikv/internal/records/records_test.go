package records_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/cmd/minikv/internal/records"
	"github.com/minikv/minikv/server/admin"
)

func Example() {
	in := strings.NewReader("key,value,ttl\nde/hamburg,1.9M,24h\n")
	r, _ := records.NewReader(in, records.Options{})
	rec, line, _ := r.Next()
	fmt.Println(line, rec.Key, string(rec.Value), rec.TTL)
	// Output: 2 de/hamburg 1.9M 24h0m0s
}

// got is one outcome of Next, in words.
func got(rec admin.Record, line int, err error) string {
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%d %q=%q", line, rec.Key, rec.Value)
	if rec.TTL != 0 {
		s += " ttl " + rec.TTL.String()
	}
	if !rec.Expires.IsZero() {
		s += " expires " + rec.Expires.Format(time.RFC3339)
	}
	return s
}

func readAll(t *testing.T, in string, o records.Options) (out []string) {
	t.Helper()
	r, err := records.NewReader(strings.NewReader(in), o)
	if err != nil {
		return []string{"open: " + err.Error()}
	}
	for {
		rec, line, err := r.Next()
		if err == io.EOF {
			return out
		}
		out = append(out, got(rec, line, err))
		var le *records.LineError
		if err != nil && (!errors.As(err, &le) || le.Fatal) {
			return out
		}
	}
}

func TestReader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		o        records.Options
		want     []string
	}{
		{"text, JSON and blank lines", "{\"key\":\"a\",\"value\":\"x\"}\n\n {\"key\":\"b\",\"value\": {\"n\": [1, 2.50]} }\r\n", records.Options{},
			[]string{`1 "a"="x"`, `3 "b"="{\"n\":[1,2.50]}"`}},
		{"no newline at the end", `{"key":"a","value":""}`, records.Options{}, []string{`1 "a"=""`}},
		{"null, number and true are JSON values", "{\"key\":\"a\",\"value\":null}\n{\"key\":\"a\",\"value\":7}\n{\"key\":\"a\",\"value\":true}", records.Options{},
			[]string{`1 "a"="null"`, `2 "a"="7"`, `3 "a"="true"`}},
		{"ttl and expires", `{"key":"a","value":"x","ttl":"5s"}` + "\n" + `{"key":"a","value":"x","expires":"2030-01-02T03:04:05Z"}`, records.Options{},
			[]string{`1 "a"="x" ttl 5s`, `2 "a"="x" expires 2030-01-02T03:04:05Z`}},
		{"bytes", `{"key_base64":"/w==","value_base64":"AP8="}`, records.Options{}, []string{`1 "\xff"="\x00\xff"`}},
		{"what get prints", `{"key":"a","value":"x","node":"n","time":"2030-01-02T03:04:05Z","revision":"r","expires":null,"lock":null}`, records.Options{}, []string{`1 "a"="x"`}},
		{"the line after a bad one", "{\"key\":\"a\"}\n{\"key\":\"\",\"value\":\"x\"}\nrubbish\n{\"key\":\"a\",\"value\":\"x\"}", records.Options{Format: records.JSONLines},
			[]string{"line 1: no value", "line 2: no key, or an empty one", "line 3: not JSON at byte 1: invalid character 'r' looking for beginning of value", `4 "a"="x"`}},
		{"two records on a line, and half a one", `{"key":"a","value":"x"} {"key":"b","value":"x"}` + "\n" + `{"key":"a","va`, records.Options{},
			[]string{`line 1: "{\"key\":\"b\",\"value\":\"x\"}" after the end of the record`, "line 2: not JSON: it ends in the middle"}},
		{"unknown field", `{"key":"a","value":"x","tll":"5s"}`, records.Options{}, []string{`line 1: json: unknown field "tll"`}},
		{"ttl of a guessed unit", `{"key":"a","value":"x","ttl":5}`, records.Options{}, []string{`line 1: a duration is text with its unit, as in "5s" or "24h", not 5`}},
		{"negative ttl", `{"key":"a","value":"x","ttl":"-5s"}`, records.Options{}, []string{`line 1: ttl -5s is not positive`}},
		{"both expiries", `{"key":"a","value":"x","ttl":"5s","expires":"2030-01-02T03:04:05Z"}`, records.Options{}, []string{`line 1: ttl and expires are both given; use one`}},
		{"value twice", `{"key":"a","value":"x","value_base64":"eA=="}`, records.Options{}, []string{`line 1: value is given twice, as text and as base64`}},
		{"half a surrogate", `{"key":"a","value":"\ud800"}` + "\n" + `{"key":"\ud800","value":"a"}` + "\n" + `{"key":"a","value":"\uFFFD"}`, records.Options{},
			[]string{"line 1: value holds half a surrogate pair, which is no text; give it as value_base64",
				"line 2: key holds half a surrogate pair, which is no text; give it as key_base64", `3 "a"="` + "\uFFFD" + `"`}},
		{"not UTF-8", "{\"key\":\"\xff\",\"value\":\"x\"}", records.Options{}, []string{"line 1: not UTF-8; give such bytes as key_base64 or value_base64"}},
		{"an array", `[{"key":"a","value":"x"}]`, records.Options{}, []string{`line 1: a JSON array; give one record {"key": …, "value": …} per line (jq -c '.[]' makes that of an array)`}},
		{"a long line is skipped", `{"key":"a","value":"` + strings.Repeat("x", 200_000) + "\"}\n" + `{"key":"b","value":""}`, records.Options{MaxRecord: 100_000},
			[]string{"line 1: record too long: more than 100000 bytes", `2 "b"=""`}},
		{"nothing", "", records.Options{}, nil},
		{"byte order mark", "\xef\xbb\xbfkey,value\na,x\n", records.Options{}, []string{`2 "a"="x"`}},

		{"CSV with quotes and lines", "key,value,ttl\na,\"x,\ny\",\nb,z,5s\n", records.Options{}, []string{`2 "a"="x,\ny"`, `4 "b"="z" ttl 5s`}},
		{"CSV columns in any order", "Value , other,KEY\nx,o,a\n", records.Options{Format: records.CSV}, []string{`2 "a"="x"`}},
		{"CSV by name", "{a,key,value\nx,y,z\n", records.Options{Name: "f.CSV"}, []string{`2 "y"="z"`}},
		{"CSV row too short", "key,value\na\nb,x\n", records.Options{}, []string{"line 2: wrong number of fields", `3 "b"="x"`}},
		{"CSV stray quote", "key,value\na,x\"y\nb,x\n", records.Options{}, []string{"line 2: bare \" in non-quoted-field", `3 "b"="x"`}},
		{"CSV bad ttl and key", "key,value,ttl\na,x,5\n,x,\na,x,0s\na,\xff,\n", records.Options{}, []string{
			`line 2: ttl "5" is no duration; write it as in 5s, 1m30s or 24h`, "line 3: no key, or an empty one", "line 4: ttl 0s is not positive",
			"line 5: not UTF-8; use JSON lines with key_base64 or value_base64 for such bytes"}},
		{"CSV quote never closed", "key,value\na,x\nb,\"" + strings.Repeat("x\n", 100_000), records.Options{MaxRecord: 50_000},
			[]string{`2 "a"="x"`, "line 3: record too long: more than 50000 bytes; is a quote not closed?"}},
		{"CSV without header", "a,b\nc,d\n", records.Options{}, []string{`open: line 1: CSV begins with a header naming the columns key and value (and ttl if wanted), this one is "a,b"`}},
		{"CSV column twice", "key,value,key\n", records.Options{}, []string{`open: line 1: the column key is there twice`}},
		{"CSV empty", "", records.Options{Format: records.CSV}, []string{`open: the file is empty; CSV begins with a header naming the columns key and value`}},
		{"unknown format", "", records.Options{Format: "xml"}, []string{`open: unknown format "xml"; use jsonl or csv`}},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, readAll(t, tt.in, tt.o)) })
	}
}

func TestIgnoredColumnsAreSaid(t *testing.T) {
	r, err := records.NewReader(strings.NewReader("key,value,color\n"), records.Options{})
	require.NoError(t, err)
	require.Equal(t, records.CSV, r.Format())
	require.Equal(t, []string{`columns ignored: "color"`}, r.Notes())
}

func TestErrorOfTheFile(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, head := range []string{"key,value\na,x\n", `{"key":"a","value":"x"}` + "\n"} {
		r, err := records.NewReader(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)), records.Options{})
		require.NoError(t, err)
		_, _, err = r.Next()
		require.NoError(t, err)
		_, _, err = r.Next()
		require.ErrorIs(t, err, broken)
	}
	_, err := records.NewReader(iotest.ErrReader(broken), records.Options{})
	require.ErrorIs(t, err, broken)
}
