/// The head of an origin's response (RFC 9112 §4), its bytes kept once and as they came.
package struct HTTPResponseHead: Hashable, Sendable {
    /// 100…599; others are answered as they came, too (RFC 9110 §15), up to 999.
    package let status: Int
    /// May be empty.
    let reason: Range<Int>
    /// 0 or 1.
    package let minorVersion: Int
    package let fields: HTTPFields

    /// More will come before the final response (RFC 9110 §15.2).
    package var isInterim: Bool { status < 200 && status != 101 }

    /// Whether the origin will take another request on this connection (RFC 9112 §9.3). Of an HTTP/1.0 server that is not
    /// believed: its framing depends too often on the close.
    package var isPersistent: Bool { minorVersion >= 1 && !fields.connection.closes }
}
