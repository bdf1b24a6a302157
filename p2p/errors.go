package p2p

import "errors"

var (
	// ErrClosed is returned by calls on a Host or Topic after its Close.
	ErrClosed = errors.New("p2p: closed")
	// ErrNotConnected is returned by Open for a peer without a connection.
	ErrNotConnected = errors.New("p2p: not connected to this peer")
	// ErrMessageTooLarge is returned by Publish above Config.MaxMessage.
	ErrMessageTooLarge = errors.New("p2p: message too large")
	// ErrFrameTooLarge is returned by ReadFrame for a frame announced above max.
	ErrFrameTooLarge = errors.New("p2p: frame too large")
	// ErrFrameRoom is returned by ReadFrame when too much has come of frames that are not whole, and this one is the slowest.
	ErrFrameRoom = errors.New("p2p: no room for so large a frame at the moment")
	// ErrFrame is returned by ReadFrame for a length prefix that is no minimal uvarint.
	ErrFrame = errors.New("p2p: malformed frame")
)
