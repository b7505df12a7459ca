internal import CNetfilter
internal import Glibc
package import Reactor
internal import Ruleset

/// What the kernel tells unasked (multicast groups of netlink(7)), in the network namespace in which it was opened.
package struct Bulletin: ~Copyable {
    package enum Topic: Sendable {
        /// The table `inet gatehouse` was changed or deleted, by whomever: what we do ourselves is told as well.
        case table
        /// An interface or an address came, went or changed.
        case surroundings
        /// A neighbour came, went, or has another hardware address.
        case neighbours
    }

    private let topic: Topic
    package let subscription: Subscription
    private let source: Source

    /// Takes CAP_NET_ADMIN for the table.
    package init(_ topic: Topic, on reactor: Reactor) throws(FirewallError) {
        let (family, groups): (CInt, [CInt]) =
            switch topic {
            case .table: (NETLINK_NETFILTER, [CInt(NFNLGRP_NFTABLES.rawValue)])
            // RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR and RTNLGRP_IPV6_IFADDR of linux/rtnetlink.h.
            case .surroundings: (NETLINK_ROUTE, [1, 5, 9])
            // RTNLGRP_NEIGH.
            case .neighbours: (NETLINK_ROUTE, [3])
            }
        let number = socket(
            AF_NETLINK, CInt(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), family)
        guard number >= 0 else { throw FirewallError("cannot open a netlink socket", errno: errno) }
        let descriptor = Descriptor(adopting: number)
        // The kernel tells nothing to a socket without an address.
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(number, $0, socklen_t(MemoryLayout<sockaddr_nl>.size)) == 0
            }
        }
        guard isBound else { throw FirewallError("cannot bind a netlink socket", errno: errno) }
        guard Subscription(socket: number, groups: groups).resume() else {
            throw FirewallError("cannot hear of changes in the kernel", errno: errno)
        }
        self.topic = topic
        subscription = Subscription(socket: number, groups: groups)
        source = Source(adopting: descriptor, on: reactor)
    }

    /// What the bulletin is told. As long as nobody listens the kernel has no message to write for each element of a set, which takes
    /// it five times as long as the element itself. Of use as long as the bulletin is there.
    package struct Subscription: Sendable {
        fileprivate let socket: CInt
        fileprivate let groups: [CInt]

        package func pause() { _ = groups.allSatisfy { set(NETLINK_DROP_MEMBERSHIP, $0) } }

        @discardableResult
        package func resume() -> Bool { groups.allSatisfy { set(NETLINK_ADD_MEMBERSHIP, $0) } }

        private func set(_ option: CInt, _ group: CInt) -> Bool {
            var group = group
            return setsockopt(socket, SOL_NETLINK, option, &group, socklen_t(MemoryLayout<CInt>.size)) == 0
        }
    }

    /// Waits for something of the topic. What has been told by then is told with it.
    ///
    /// - Returns: by which sockets it was done (`Netlink.portIdentifier`); 0 stands for the kernel itself, and for what was lost.
    @discardableResult
    package borrowing func next() async throws(Errno) -> Set<UInt32> {
        while true {
            var buffer = [UInt8](repeating: 0, count: 32 << 10)
            let count = try await source.attempt { receive($0, into: &buffer) }
            var authors = topic.authors(buffer[..<count])
            while case let more = receive(source.descriptor, into: &buffer), more >= 0 {
                authors.formUnion(topic.authors(buffer[..<more]))
            }
            if !authors.isEmpty { return authors }
        }
    }
}

/// The length of a datagram, or -errno. One that was lost, or cut short, has the length 0.
private func receive(_ descriptor: CInt, into buffer: inout [UInt8]) -> Int {
    let count = recv(descriptor, &buffer, buffer.count, CInt(MSG_DONTWAIT | MSG_TRUNC))
    if count < 0 { return errno == ENOBUFS ? 0 : -Int(errno) }
    return count > buffer.count ? 0 : count
}

extension Bulletin.Topic {
    /// Who did what a datagram of netlink messages says of the topic. An empty one stands for what was lost.
    func authors(_ datagram: ArraySlice<UInt8>) -> Set<UInt32> {
        if datagram.isEmpty || self != .table { return [0] }
        var authors: Set<UInt32> = []
        var rest = datagram
        // struct nlmsghdr: length, type, flags, sequence, port.
        while rest.count >= 16 {
            let length = Int(number(rest, at: 0, bytes: 4))
            guard length >= 16, length <= rest.count else { return authors.union([0]) }
            if concernsTable(rest.prefix(length)) { authors.insert(number(rest, at: 12, bytes: 4)) }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return authors
    }

    /// In a message about anything that is in a table the first kind of attribute is the table's name (linux/nf_tables.h).
    private func concernsTable(_ message: ArraySlice<UInt8>) -> Bool {
        guard number(message, at: 5, bytes: 1) == UInt32(NFNL_SUBSYS_NFTABLES),
            number(message, at: 16, bytes: 1) == UInt32(CNETFILTER_FAMILY_INET)
        else { return false }
        // After struct nfgenmsg.
        var rest = message.dropFirst(20)
        while rest.count >= 4 {
            let (length, type) = (Int(number(rest, at: 0, bytes: 2)), number(rest, at: 2, bytes: 2) & 0x3fff)
            guard length >= 4, length <= rest.count else { return true }
            if type == 1 { return rest.prefix(length).dropFirst(4).elementsEqual(Array(Ruleset.table.utf8) + [0]) }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return false
    }

    private func number(_ bytes: ArraySlice<UInt8>, at offset: Int, bytes count: Int) -> UInt32 {
        let start = bytes.startIndex + offset
        guard start + count <= bytes.endIndex else { return 0 }
        var value: UInt32 = 0
        withUnsafeMutableBytes(of: &value) { $0.copyBytes(from: bytes[start..<start + count]) }
        return value
    }
}
