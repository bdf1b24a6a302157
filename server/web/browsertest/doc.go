// Package browsertest looks at the inspector with a browser: headless Chromium, driven by its own protocol, on loopback and with a
// profile that is thrown away. It is a module of its own, so that nobody who uses the library gets what it takes.
//
//	go test . -v                    needs chromium, chromium-browser or google-chrome in the PATH, or $CHROMIUM
//	go test . -shots DIR            writes pictures of all views, in all sizes and both colour schemes
package browsertest
