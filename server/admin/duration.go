package admin

import (
	"encoding/json"
	"fmt"
	"time"
)

// Duration is a time.Duration that travels as text ("1m30s"), so that nobody takes nanoseconds for seconds.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the text of time.Duration.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the text of time.Duration; a bare number is refused, for its unit would be a guess.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is text with its unit, as in \"5s\" or \"24h\", not %s", clip(b))
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is no duration; write it as in \"5s\", \"1m30s\" or \"24h\"", s)
	}
	*d = Duration(v)
	return nil
}

// clip shortens foreign text for an error message.
func clip(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "…"
	}
	return string(b)
}
