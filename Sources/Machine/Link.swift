import Glibc

/// What kind of interface one is, and on which bridge it hangs (rtnetlink(7)).
struct Link: Hashable, Sendable {
    var index: UInt32
    var name: String
    /// `bridge`, `wireguard`, `veth`; nil: a card of its own.
    var kind: String?
    /// The number of the bridge that it is a port of; nil: of none.
    var bridge: UInt32?
    /// The longest packet that it carries, in bytes; nil: the kernel does not say.
    var mtu: Int?

    static func all() throws(MachineFailure) -> [Link] {
        let request = NetlinkRequest(
            family: .route, type: getLink, isDump: true, payload: [UInt8](repeating: 0, count: headSize))
        return try request.messages().compactMap(Link.init)
    }

    /// nil: there is none with this number, as there is none with 0.
    static func with(index: UInt32) -> Link? {
        guard index != 0 else { return nil }
        var payload = [UInt8](repeating: 0, count: 4)
        payload.append(index)
        payload += [UInt8](repeating: 0, count: headSize - payload.count)
        let request = NetlinkRequest(family: .route, type: getLink, isDump: false, payload: payload)
        return (try? request.messages())?.first.flatMap(Link.init)
    }

    private static let getLink: UInt16 = 18
    /// Of a `struct ifinfomsg` (linux/rtnetlink.h).
    private static let headSize = 16

    init(index: UInt32, name: String, kind: String? = nil, bridge: UInt32? = nil, mtu: Int? = nil) {
        self.index = index
        self.name = name
        self.kind = kind
        self.bridge = bridge
        self.mtu = mtu
    }

    init?(_ message: ArraySlice<UInt8>) {
        let attributes = message.attributes(at: Self.headSize)
        // IFLA_IFNAME; IFLA_LINKINFO with IFLA_INFO_KIND inside; IFLA_MASTER; IFLA_MTU.
        guard let index = message.load(UInt32.self, at: 4), let name = attributes[3]?.text else { return nil }
        self.init(
            index: index, name: name, kind: attributes[18]?.attributes(at: 0)[1]?.text,
            bridge: attributes[10]?.load(UInt32.self, at: 0),
            mtu: attributes[4]?.load(UInt32.self, at: 0).map(Int.init))
    }
}
