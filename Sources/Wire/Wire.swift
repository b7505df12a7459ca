// Wire: the protocols as bytes. Sans-IO codecs over Span: SOCKS5 (RFC 1928, RFC 1929), SOCKS4, the heads and the framing of
// HTTP/1.1 with its chunked content (RFC 9110, RFC 9112, RFC 7617), DNS messages (RFC 1035), and the PAC file.
//
// It may know bytes and grammar. It must never touch a descriptor, wait, resolve a name, or decide whether something is
// allowed. Every parser takes what has arrived so far and answers with one of: a value and how many bytes it took, "more
// bytes are needed", or an error that says what to answer. None may trap on any input.
