/// What Connection says of a message (RFC 9110 §7.6.1): what becomes of the connection, and which fields go no further.
struct ConnectionOptions: Hashable, Sendable {
    /// More than any sender has use for.
    private static let most = 32

    private(set) var closes = false
    private(set) var upgrades = false
    /// The names of fields, in lower case. Most messages name none.
    private var names: Set<[UInt8]> = []

    init() {}

    init(of fields: HTTPFields) throws(HTTPError) {
        var count = 0
        fields.forEachMember(of: .connection) { range in
            count += 1
            guard count <= Self.most else { return }
            switch fields.bytes[range].map(\.lowercased) {
            case Self.close: closes = true
            case Self.upgrade: upgrades = true
            // The field is left out in any case.
            case Self.keepAlive: break
            case let name: names.insert(name)
            }
        }
        guard count <= Self.most else { throw .malformed("Connection has more than \(Self.most) options") }
    }

    /// Whether the field called `name` is about the connection, and not about the message.
    func names(_ name: ArraySlice<UInt8>) -> Bool { !names.isEmpty && names.contains(name.map(\.lowercased)) }

    private static let close = Array("close".utf8)
    private static let upgrade = Array("upgrade".utf8)
    private static let keepAlive = Array("keep-alive".utf8)
}
