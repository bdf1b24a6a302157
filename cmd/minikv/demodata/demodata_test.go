package demodata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/minikv/minikv/cmd/minikv/demodata"
)

func ExampleRead() {
	file := strings.NewReader(`[
		{"name":"Andorra la Vella","lat":"42.5","lng":"1.5","country":"AD","admin1":"07","admin2":""},
		{"name":"Clinton","lat":"32.3","lng":"-90.3","country":"US","admin1":"MS","admin2":"049"},
		{"name":"Clinton","lat":"41.8","lng":"-90.1","country":"US","admin1":"IA","admin2":"045"}]`)
	for rec, err := range demodata.Read(file) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(rec.Key)
	}
	// Output:
	// city/AD/Andorra-la-Vella/1
	// city/US/Clinton/1
	// city/US/Clinton/2
}

func TestExcerpt(t *testing.T) {
	keys := map[string]bool{}
	for rec, err := range demodata.Excerpt() {
		require.NoError(t, err)
		require.False(t, keys[rec.Key], "%s twice", rec.Key)
		require.True(t, strings.HasPrefix(rec.Key, "city/"), rec.Key)
		require.LessOrEqual(t, len(rec.Key), 1024)
		var city struct{ Name, Lat, Lng, Country string }
		require.NoError(t, json.Unmarshal(rec.Value, &city))
		require.NotEmpty(t, city.Name)
		keys[rec.Key] = true
	}
	require.Greater(t, len(keys), 1900)
	require.Less(t, len(keys), 2500)
	// The demo and its script name these.
	for _, k := range []string{"city/AD/Andorra-la-Vella/1", "city/FR/Lyon/1", "city/JP/Tokyo/1", "city/PT/Lisbon/1", "city/US/Boston/1"} {
		require.True(t, keys[k], k)
	}
}

func TestExcerptStopsWhenAsked(t *testing.T) {
	n := 0
	for range demodata.Excerpt() {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
}

const lyon = `{"name":"Lyon","lat":"45.74846","lng":"4.84671","country":"FR","admin1":"84","admin2":"69"}`

func TestReadKeepsTheRecord(t *testing.T) {
	recs, err := collect(strings.NewReader("[" + lyon + "]"))
	require.NoError(t, err)
	require.Len(t, recs, 1)
	require.JSONEq(t, lyon, string(recs[0].Value))
}

func TestReadNamesInKeys(t *testing.T) {
	for name, want := range map[string]string{
		"Sant Julià de Lòria": "city/FR/Sant-Julià-de-Lòria/1",
		"Bleiburg/Pliberk":    "city/FR/Bleiburg-Pliberk/1",
		"'s-Gravenhage":       "city/FR/s-Gravenhage/1",
		"St. John's (West)":   "city/FR/St-John-s-West/1",
		"6th of October City": "city/FR/6th-of-October-City/1",
		"東京":                  "city/FR/東京/1",
		"???":                 "city/FR/-/1",
	} {
		b, err := json.Marshal(name)
		require.NoError(t, err)
		recs, err := collect(strings.NewReader("[" + strings.Replace(lyon, `"Lyon"`, string(b), 1) + "]"))
		require.NoError(t, err, name)
		require.Equal(t, want, recs[0].Key)
	}
}

func TestReadRefusals(t *testing.T) {
	with := func(old, new string) string { return "[" + lyon + "," + strings.Replace(lyon, old, new, 1) + "]" }
	for name, c := range map[string]struct {
		in   string
		want string // in the error
		n    int    // records before it
	}{
		"empty":              {"", "the file is empty", 0},
		"object":             {lyon, "not a JSON array", 0},
		"text":               {"city,lat\nLyon,45", "not a JSON array", 0},
		"gzip":               {"\x1f\x8b\x08\x00", "gzip", 0},
		"cut in a record":    {"[" + lyon + `,{"name":"Ly`, "record 2: the file ends in the middle", 1},
		"cut after a record": {"[" + lyon, "after record 1: the file ends in the middle", 1},
		"cut after a comma":  {"[" + lyon + ",", "record 2: the file ends in the middle", 1},
		"second array":       {"[" + lyon + "][]", "the file goes on", 1},
		"no comma":           {"[" + lyon + lyon + "]", "record 2", 1},
		"number for name":    {with(`"Lyon"`, `7`), "record 2", 1},
		"no name":            {with(`"Lyon"`, `""`), "name is missing", 1},
		"long name":          {with(`Lyon`, strings.Repeat("L", 257)), "257 bytes", 1},
		"country":            {with(`"FR"`, `"France"`), "two-letter", 1},
		"lower-case country": {with(`"FR"`, `"fr"`), "two-letter", 1},
		"latitude":           {with(`45.74846`, `95`), "lat", 1},
		"not a latitude":     {with(`45.74846`, `NaN`), "lat", 1},
		"longitude":          {with(`4.84671`, `-180.5`), "lng", 1},
		"long admin code":    {with(`"84"`, `"`+strings.Repeat("8", 81)+`"`), "administrative", 1},
		"endless record":     {with(`Lyon`, strings.Repeat("L", 200_000)), "more than 65536 bytes", 1},
		"endless space":      {strings.Repeat(" ", 200_000), "more than 65536 bytes", 0},
		"deep nesting":       {with(`"84"`, strings.Repeat(`[`, 20_000)), "record 2", 1},
	} {
		t.Run(name, func(t *testing.T) {
			recs, err := collect(strings.NewReader(c.in))
			require.ErrorContains(t, err, c.want)
			require.Len(t, recs, c.n)
		})
	}
}

func TestReadPassesTheErrorOfTheSource(t *testing.T) {
	broken := errors.New("device gone")
	_, err := collect(io.MultiReader(strings.NewReader("["+lyon+","), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
}

// A file beyond the limit ends with an error after the records within it, and in bounded memory: the source here is
// made while it is read.
func TestReadStopsAtTheLimit(t *testing.T) {
	src := &endless{row: `{"name":"L","lat":"1","lng":"1","country":"FR"},`}
	n, last := 0, error(nil)
	for _, err := range demodata.Read(io.MultiReader(strings.NewReader("["), src)) {
		if last = err; err == nil {
			n++
		}
	}
	require.ErrorContains(t, last, "more than 1000000 records")
	require.Equal(t, 1_000_000, n)
}

func TestReadIsTheSameTwice(t *testing.T) {
	in := "[" + strings.Repeat(lyon+",", 99) + lyon + "]"
	a, err := collect(iotest.OneByteReader(strings.NewReader(in)))
	require.NoError(t, err)
	b, err := collect(strings.NewReader(in))
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.Equal(t, "city/FR/Lyon/100", a[99].Key)
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "[]", "[" + lyon + "]", "[" + lyon + "," + lyon + "]", "[{}]", "[[[[", `[{"name":null}]`, "\xef\xbb\xbf[]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		keys := map[string]bool{}
		recs, _ := collect(strings.NewReader(in))
		for _, r := range recs {
			require.False(t, keys[r.Key])
			require.True(t, json.Valid(r.Value))
			require.LessOrEqual(t, len(r.Key), 1024)
			keys[r.Key] = true
		}
	})
}

func collect(r io.Reader) (recs []demodata.Record, err error) {
	for rec, err := range demodata.Read(r) {
		if err != nil {
			return recs, err
		}
		recs = append(recs, rec)
	}
	return recs, nil
}

// endless repeats row for ever.
type endless struct {
	row string
	at  int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = e.row[e.at]
		e.at = (e.at + 1) % len(e.row)
	}
	return len(p), nil
}
