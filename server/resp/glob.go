package resp

// glob says whether a text matches a pattern of Redis: * any text, ? any byte, [a-z] or [^a-z] one of a set, and a
// backslash before a byte that is meant literally. It takes time in proportion to the product of both lengths
// at worst, whatever the number of stars: only the last star met has to be tried again.
func glob(pattern, text string) bool {
	p, t := 0, 0
	star, again := -1, 0 // where to go on when the text does not match from here
	for {
		if p < len(pattern) && pattern[p] == '*' {
			star, again = p, t
			p++
			continue
		}
		if t == len(text) {
			return p == len(pattern)
		}
		if p < len(pattern) {
			if ok, next := globOne(pattern, p, text[t]); ok {
				p, t = next, t+1
				continue
			}
		}
		if star < 0 {
			return false
		}
		again++
		p, t = star+1, again
	}
}

// globOne matches what is at i in the pattern, which is no star, with one byte, and says where the pattern goes
// on.
func globOne(pattern string, i int, b byte) (ok bool, next int) {
	switch pattern[i] {
	case '?':
		return true, i + 1
	case '[':
		return globSet(pattern, i+1, b)
	case '\\':
		if i+1 < len(pattern) {
			i++
		}
	}
	return pattern[i] == b, i + 1
}

// globSet matches a set that begins at i, behind its bracket. Without a closing one it goes to the end.
func globSet(pattern string, i int, b byte) (ok bool, next int) {
	not := i < len(pattern) && pattern[i] == '^'
	if not {
		i++
	}
	for ; i < len(pattern) && pattern[i] != ']'; i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			ok = ok || pattern[i] == b
		case i+2 < len(pattern) && pattern[i+1] == '-':
			lo, hi := pattern[i], pattern[i+2]
			if lo > hi {
				lo, hi = hi, lo
			}
			ok = ok || lo <= b && b <= hi
			i += 2
		default:
			ok = ok || pattern[i] == b
		}
	}
	return ok != not, min(i+1, len(pattern))
}

// literalPrefix is what all texts begin with that match a pattern; whole says that only this text does.
func literalPrefix(pattern string) (prefix string, whole bool) {
	var out []byte
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '*', '?', '[':
			return string(out), false
		case '\\':
			if i+1 < len(pattern) {
				i++
			}
		}
		out = append(out, pattern[i])
	}
	return string(out), true
}
