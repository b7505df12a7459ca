// Proxy: what happens between a client's first byte and the tunnel: SOCKS5 and HTTP sessions, authentication, the
// destination guard, the resolver and the dialer.
//
// Sessions are straight-line async code on a Reactor. Bytes are parsed in Wire, decisions are made in Policy, and once a
// tunnel stands it is the Reactor's.
