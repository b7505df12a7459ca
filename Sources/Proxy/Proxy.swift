// Proxy: what happens between a client's first byte and the tunnel: SOCKS and HTTP, authentication, the destination guard, the
// resolver and the dial.
//
// A session is straight-line async code on a Reactor. Bytes are parsed in Wire, decisions are made in Policy, and once a tunnel
// stands it is the Reactor's.
//
// The words, and the types that are named after them:
//
//   listener      Where clients connect to: an endpoint, and what is spoken and served there (`Listener`).
//   session       One client's connection, from accept to close, whatever becomes of it (`Session`). Rules, limits and the list
//                 of sessions go by it. It outlives the task that began it: a tunnel needs none.
//   connection    One end of a session: a socket and what has been read ahead from it (`Connection`). The ends are called
//                 `client` and `origin`.
//   phase         What a session is waiting for at present, and so how long it may wait (`Phase`).
//   conversation  What is spoken with the client of a session until there is a tunnel (`SOCKSConversation`, `HTTPConversation`).
//   exchange      One HTTP request that is passed on, and its response (`HTTPExchange`). A conversation has one after the other.
//   tunnel        Both ends joined: the Reactor moves the bytes, without a task (`Tunnel`).
//   association   A session of UDP: datagrams, as long as the client's connection lasts (`Association`).
//   origin        The server that a client wants to reach, and the connection to it.
//   route         Where a connection to a host may lead, as decided a moment ago: addresses that have been judged (`Route`).
//   way           How a device is carried: routed, relayed, through a proxy, or not at all. What this module does is the way
//                 "proxy".
//   farewell      How a conversation ends that becomes no tunnel (`Farewell`).
