package server

// Routes are the method and path of each call of the API.
func (s *Server) Routes() (out []string) {
	for _, r := range s.routes() {
		out = append(out, r.method+" "+r.path)
	}
	return out
}
