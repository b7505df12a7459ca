/// Where a request in absolute-form leads (RFC 9112 §3.2.2): `http://host[:port][/path][?query]`, or `ws://` for the request that opens a
/// WebSocket (RFC 6455 §4.1).
package struct HTTPTarget: Hashable, Sendable {
    package let authority: Authority
    /// Host and port as written, which is what Host has to say.
    let hostRange: Range<Int>
    /// Path and query as written: may be empty, or begin with the query.
    let pathRange: Range<Int>
}

extension HTTPRequestHead {
    /// The target, which is to be in absolute-form. Only http can be forwarded; a fragment has no meaning here (RFC 3986 §3.5). User
    /// information is never passed on: clients that put it there say the same in Authorization, or nothing is to be guessed
    /// (RFC 9110 §4.2.4).
    package func absoluteTarget() throws(HTTPError) -> HTTPTarget {
        let target = fields.bytes[targetRange]
        guard let colon = target.firstIndex(of: ASCII.colon), target[colon...].starts(with: "://".utf8) else {
            throw .malformed(
                "the target is not a whole URI, as a proxy has to be given; set this as a proxy, not as a server")
        }
        let scheme = target[..<colon]
        guard equalsIgnoringCase(scheme, "http".utf8) || equalsIgnoringCase(scheme, "ws".utf8) else {
            for secure in ["https", "wss"] where equalsIgnoringCase(scheme, secure.utf8) {
                throw .unsupported(
                    "\(secure) goes through a tunnel: set this proxy for https as well, so that CONNECT is used")
            }
            throw .unsupported("this proxy fetches http only; anything else goes through a tunnel (CONNECT) or SOCKS5")
        }
        let rest = target[(colon + 3)...]
        guard !rest.contains(UInt8(ascii: "#")) else { throw .malformed("the target has a fragment") }
        let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
        var host = rest[..<end]
        if let at = host.lastIndex(of: UInt8(ascii: "@")) {
            guard fields.contains(.authorization) else {
                throw .malformed("the target has a user in it; send Authorization in its place")
            }
            host = host[(at + 1)...]
        }
        let authority = try Authority(host, defaultPort: 80)
        let written = host.last == ASCII.colon ? host.dropLast() : host
        return HTTPTarget(
            authority: authority, hostRange: written.startIndex..<written.endIndex, pathRange: end..<rest.endIndex)
    }
}

extension HTTPRequestHead {
    /// The path of a target in absolute-form, with the query; `/` where it is empty (RFC 9110 §4.2.3).
    package func path(of target: HTTPTarget) -> String {
        let path = fields.text(target.pathRange)
        return path.hasPrefix("/") ? path : "/" + path
    }
}
