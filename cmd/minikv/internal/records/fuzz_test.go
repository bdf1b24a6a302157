package records_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/cmd/minikv/internal/records"
	"github.com/minikv/minikv/server/admin"
)

func FuzzJSONLines(f *testing.F) {
	f.Add(`{"key":"a","value":"x","ttl":"5s"}` + "\n" + `{"key_base64":"/w==","value_base64":"AP8="}`)
	f.Add(`{"key":"b","value": {"n": [1, 2.50]} }` + "\r\n" + `{"key":"a","value":"\ud800"}`)
	f.Add(`{"key":"a","value":"x","expires":"2030-01-02T03:04:05.5Z","node":1,"lock":{}}` + "\n\nrubbish\n[1]")
	f.Fuzz(func(t *testing.T, in string) { check(t, in, records.JSONLines) })
}

func FuzzCSV(f *testing.F) {
	f.Add("key,value,ttl\na,\"x,\ny\",\nb,z,5s\n")
	f.Add("value,other,KEY\nx,o,a\nx\n,,\"")
	f.Add("\xef\xbb\xbfkey,value\r\na,x\r\n")
	f.Fuzz(func(t *testing.T, in string) { check(t, in, records.CSV) })
}

// check reads everything and demands that each record is sound and comes back equal from its own JSON.
func check(t *testing.T, in string, format records.Format) {
	const max = 1 << 10
	r, err := records.NewReader(strings.NewReader(in), records.Options{Format: format, MaxRecord: max})
	if err != nil {
		return
	}
	last := 0
	for steps := 0; ; steps++ {
		require.LessOrEqual(t, steps, len(in)+1, "the reader does not advance")
		rec, line, err := r.Next()
		if err == io.EOF {
			return
		}
		var le *records.LineError
		if err != nil {
			require.True(t, errors.As(err, &le), "an error without its line: %v", err)
			require.Positive(t, le.Line)
			if le.Fatal {
				return
			}
			continue
		}
		require.Greater(t, line, last)
		last = line
		require.NotEmpty(t, rec.Key)
		require.GreaterOrEqual(t, rec.TTL, time.Duration(0))
		b, err := json.Marshal(rec)
		if rec.Expires.Year() > 9999 || rec.Expires.Year() < 0 {
			continue // not in RFC 3339
		}
		require.NoError(t, err)
		var again admin.Record
		require.NoError(t, again.UnmarshalJSON(b))
		require.Equal(t, rec.Key, again.Key)
		require.Equal(t, string(rec.Value), string(again.Value))
		require.Equal(t, rec.TTL, again.TTL)
		require.True(t, rec.Expires.Equal(again.Expires))
	}
}
