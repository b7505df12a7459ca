package import Address
import Glibc

/// A conversation that the kernel's connection tracking remembers, so that its packets pass as answers.
package struct Flow: Hashable, Sendable {
    /// The protocol's number (IANA, Assigned Internet Protocol Numbers).
    package let transport: UInt8
    /// Who began it.
    package let source: IPAddress
    package let destination: IPAddress
    /// 0 where the protocol has none.
    package let port: UInt16
    /// Of who began it; 0 where the protocol has none.
    package let sourcePort: UInt16
    /// By which the kernel knows it: its family, the first packet's addresses (CTA_TUPLE_ORIG), and a number (CTA_ID).
    private let family: UInt8
    private let tuple: [UInt8]
    private let identifier: [UInt8]
}

extension Flow {
    // linux/netfilter/nfnetlink_conntrack.h: NFNL_SUBSYS_CTNETLINK << 8 with IPCTNL_MSG_CT_GET and IPCTNL_MSG_CT_DELETE.
    private static let get: UInt16 = 0x101
    private static let delete: UInt16 = 0x102
    /// Of a `struct nfgenmsg`.
    private static let headSize = 4

    /// As they are now, in the calling thread's network namespace, of any protocol but TCP, whose connections are the sockets' own, and
    /// ICMP, whose echoes that come in are judged one by one. Takes CAP_NET_ADMIN.
    package static func current() throws(MachineFailure) -> [Flow] {
        try current { ![1, 6, 58].contains($0.transport) }
    }

    /// The same, of whatever protocol.
    package static func current(where isMeant: (Flow) -> Bool) throws(MachineFailure) -> [Flow] {
        let request = NetlinkRequest(
            family: .netfilter, type: get, isDump: true, payload: [UInt8](repeating: 0, count: headSize))
        var flows: [Flow] = []
        try request.forEachMessage { if let flow = Flow($0), isMeant(flow) { flows.append(flow) } }
        return flows
    }

    /// Makes the kernel forget it: its next packet is judged like a first one.
    package func end() throws(MachineFailure) {
        var payload: [UInt8] = [family, 0, 0, 0]
        for (number, value) in [(UInt16(1 | 0x8000), tuple), (12, identifier)] where !value.isEmpty {
            payload.append(UInt16(4 + value.count))
            payload.append(number)
            payload += value + [UInt8](repeating: 0, count: -value.count & 3)
        }
        _ = try NetlinkRequest(family: .netfilter, type: Self.delete, isDump: false, payload: payload).messages()
    }

    /// nil: what cannot be read.
    private init?(_ message: ArraySlice<UInt8>) {
        let attributes = message.attributes(at: Self.headSize)
        // CTA_TUPLE_ORIG with CTA_TUPLE_IP and CTA_TUPLE_PROTO.
        guard let family = message.first, let tuple = attributes[1] else { return nil }
        let parts = tuple.attributes(at: 0)
        guard let addresses = parts[1]?.attributes(at: 0), let transport = parts[2]?.attributes(at: 0),
            let number = transport[1]?.first,
            let source = Self.address(addresses, v4: 1, v6: 3),
            let destination = Self.address(addresses, v4: 2, v6: 4)
        else { return nil }
        (self.family, self.transport, self.source, self.destination) = (family, number, source, destination)
        sourcePort = transport[2]?.load(UInt16.self, at: 0).map(UInt16.init(bigEndian:)) ?? 0
        port = transport[3]?.load(UInt16.self, at: 0).map(UInt16.init(bigEndian:)) ?? 0
        (self.tuple, identifier) = (Array(tuple), Array(attributes[12] ?? []))
    }

    private static func address(_ attributes: NetlinkAttributes, v4: UInt16, v6: UInt16) -> IPAddress? {
        if let bits = attributes[v4]?.load(UInt32.self, at: 0) { return .v4(UInt32(bigEndian: bits)) }
        return attributes[v6]?.load(UInt128.self, at: 0).map { .v6(UInt128(bigEndian: $0)) }
    }
}
