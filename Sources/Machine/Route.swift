package import Address
import Glibc

/// The way that packets take out of this machine, as the main routing table has it (rtnetlink(7)).
package struct Route: Hashable, Sendable {
    /// The networks' own number, from 0; the smaller one is taken first.
    package var metric: UInt32
    /// The interfaces by which it leaves; several where it has several next hops.
    package var interfaces: [String]
    package var isIPv6: Bool
    /// Who takes packets on; empty: nobody does, as on a line with one other end.
    package var routers: [IPAddress]

    package init(metric: UInt32, interfaces: [String], isIPv6: Bool = false, routers: [IPAddress] = []) {
        self.metric = metric
        self.interfaces = interfaces
        self.isIPv6 = isIPv6
        self.routers = routers
    }
}

extension Route {
    /// The default routes of both families, the preferred ones first.
    package static func defaults() throws(MachineFailure) -> [Route] {
        var routes: [Route] = []
        for family in [AF_INET, AF_INET6] {
            let request = NetlinkRequest(
                family: .route, type: getRoute, isDump: true,
                payload: [UInt8(family)] + [UInt8](repeating: 0, count: 11))
            routes += try request.messages().compactMap(defaultRoute)
        }
        return routes.sorted { $0.metric < $1.metric }
    }

    /// The interface by which packets leave for `address`; nil: there is no way.
    package static func interface(towards address: IPAddress) -> String? {
        var (family, destination): (Int32, [UInt8])
        switch address {
        case .v4(let bits): (family, destination) = (AF_INET, withUnsafeBytes(of: bits.bigEndian, Array.init))
        case .v6(let bits): (family, destination) = (AF_INET6, withUnsafeBytes(of: bits.bigEndian, Array.init))
        }
        var payload = [UInt8(family), UInt8(destination.count * 8)] + [UInt8](repeating: 0, count: 10)
        payload.append(UInt16(4 + destination.count))
        payload.append(UInt16(1))  // RTA_DST
        let request = NetlinkRequest(family: .route, type: getRoute, isDump: false, payload: payload + destination)
        guard let answer = try? request.messages().first else { return nil }
        return answer.attributes(at: headSize)[4]?.load(UInt32.self, at: 0).flatMap(Interface.name)
    }

    private static let getRoute: UInt16 = 26
    /// Of a `struct rtmsg` (linux/rtnetlink.h).
    private static let headSize = 12

    /// nil: a route to some network only, or one that leads nowhere, or one of another table.
    static func defaultRoute(_ message: ArraySlice<UInt8>) -> Route? {
        let attributes = message.attributes(at: headSize)
        // RTA_TABLE, RTA_OIF, RTA_MULTIPATH, RTA_PRIORITY; RT_TABLE_MAIN; RTN_UNICAST.
        let table = attributes[15]?.load(UInt32.self, at: 0) ?? message.load(UInt8.self, at: 4).map(UInt32.init)
        guard message.load(UInt8.self, at: 1) == 0, table == 254, message.load(UInt8.self, at: 7) == 1 else {
            return nil
        }
        // RTA_GATEWAY.
        var routers = [attributes[5].flatMap(address)].compactMap(\.self)
        var indices = attributes[4]?.load(UInt32.self, at: 0).map { [$0] } ?? []
        // Each a `struct rtnexthop`: its length, flags, hops, the interface's number.
        var rest = attributes[9] ?? []
        while let length = rest.load(UInt16.self, at: 0).map(Int.init), length >= 8, length <= rest.count,
            let index = rest.load(UInt32.self, at: 4)
        {
            indices.append(index)
            if let router = rest.prefix(length).attributes(at: 8)[5].flatMap(address) { routers.append(router) }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        let names = indices.compactMap(Interface.name)
        guard !names.isEmpty else { return nil }
        return Route(
            metric: attributes[6]?.load(UInt32.self, at: 0) ?? 0, interfaces: names,
            isIPv6: message.first.map(Int32.init) == AF_INET6, routers: routers)
    }

    private static func address(_ attribute: ArraySlice<UInt8>) -> IPAddress? {
        switch attribute.count {
        case 4: attribute.load(UInt32.self, at: 0).map { .v4(UInt32(bigEndian: $0)) }
        case 16: attribute.load(UInt128.self, at: 0).map { .v6(UInt128(bigEndian: $0)) }
        default: nil
        }
    }
}

extension Interface {
    /// The name of the interface with this number; nil: there is none, as there is none with 0. Asked over netlink, since
    /// if_indextoname(3) needs a socket of a kind that the firewall role may not make.
    package static func name(of index: UInt32) -> String? { Link.with(index: index)?.name }
}
