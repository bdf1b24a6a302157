package ticket

// Bytes returns what a ticket's text stands for, without the checksum.
func Bytes(text string) []byte {
	b, err := encoding.DecodeString(text[len(prefix):])
	if err != nil {
		panic(err)
	}
	return b[:len(b)-sumLen]
}

// TextOf adds the checksum and makes text of bytes.
func TextOf(b []byte) string {
	return prefix + encoding.EncodeToString(append(b[:len(b):len(b)], checksum(b)...))
}
