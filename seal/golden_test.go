package seal_test

import (
	"crypto/sha256"
	"encoding/hex"
)

// digest stands for bytes that are too long to show.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

const (
	goldenTopic       = "minikv/1/55d5aaf28b68d3889e656178514335494214560ad79fdd784ec5d772824577fb"
	goldenCertificate = "0102000000006b0e0e0062a611b472d89b0e5fc93c069b9f700b4c552d55bc0e87b56008ef17b6b2bebe476e9e961506ae66d15c5747494f25d3bcbf178df02cd94fdff66205c2b6f6425d2ef791a5827ed7ed0f2245e28e571c5a8e960f81b3bc231f26fd283273ad0d02582761c6fca37ff3aa3177818cdf382304540b24d2598f645d0c81de24da0f4da8355f64cc3a806774701f7a7559f16be998da712665785162dcdde1dde601"
	goldenDelta       = "61129a94fe3b7f09eef7f730702be4b73630096e44580e35f6c41898fa4d855f"
	goldenOpen        = "d8eff864e7fac26ba94581c3db2b5fed2a73709385d001033d3969ddea8ddf44"
	goldenAnswer      = "3f3c614b12c7cbbd84d98f21cdec384e2df8e3a15001296784e26d238c3f27ab"
	goldenFrames      = "86449b0622769221e3e71fd4c3de1d795608c92af039a9cf41f15ea617ae5bcb"
)
