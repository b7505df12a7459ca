package import Address
import Glibc

/// Packets that the kernel passes on between two others, as connection tracking knows them: who began it, who answers, and how
/// much went either way. What the machine itself has a part in is none.
package struct RoutedFlow: Hashable, Sendable {
    /// By which the kernel knows it as long as it lasts.
    package let identifier: UInt32
    /// The protocol's number (IANA, Assigned Internet Protocol Numbers).
    package let transport: UInt8
    /// Who began it, as seen at home; port 0 where the protocol has none.
    package let source: Endpoint
    /// Who answers.
    package let destination: Endpoint
    package let mark: UInt32
    /// Where the first packet was to go, before a forward replaced it.
    package let sought: Endpoint
    /// Where the answers go: to who began it, or to an address of this machine's that stands for them.
    package let answered: IPAddress
    /// Whether a forward replaced the destination.
    package let isForwarded: Bool
    /// Whether another flow announced it, as an FTP session does the transfer of a file.
    package let isExpected: Bool
    /// Whether it is a TCP connection that both ends have closed, or one has reset: the kernel knows it for a while longer.
    package let isOver: Bool
    /// Bytes from who began it; 0: nobody counts (net.netfilter.nf_conntrack_acct).
    package let sent: UInt64
    package let received: UInt64
    /// When it began, in nanoseconds since 1970; nil: nobody keeps the time (net.netfilter.nf_conntrack_timestamp).
    package let start: UInt64?
    /// As the kernel has the first packet's addresses (CTA_TUPLE_ORIG).
    private let family: UInt8
    private let tuple: [UInt8]
}

extension RoutedFlow {
    // linux/netfilter/nfnetlink_conntrack.h: NFNL_SUBSYS_CTNETLINK << 8 with IPCTNL_MSG_CT_NEW, IPCTNL_MSG_CT_GET and
    // IPCTNL_MSG_CT_DELETE.
    private static let new: UInt16 = 0x100
    private static let get: UInt16 = 0x101
    private static let delete: UInt16 = 0x102
    /// Of a `struct nfgenmsg`.
    private static let headSize = 4

    /// Those of now, in the calling thread's network namespace. Takes CAP_NET_ADMIN.
    ///
    /// - Parameters:
    ///   - own: the machine's addresses.
    ///   - use: gets each as the kernel tells it. There may be hundreds of thousands.
    package static func forEach(
        besides own: Set<IPAddress>, _ use: (RoutedFlow) -> Void
    ) throws(MachineFailure) {
        let request = NetlinkRequest(
            family: .netfilter, type: get, isDump: true, payload: [UInt8](repeating: 0, count: headSize))
        try request.forEachMessage { if let flow = RoutedFlow($0, own: own) { use(flow) } }
    }

    /// Has the kernel mark it otherwise: the bits of `mask` become those of `mark`.
    package func setMark(_ mark: UInt32, mask: UInt32) throws(MachineFailure) {
        var payload: [UInt8] = [family, 0, 0, 0]
        // CTA_TUPLE_ORIG, CTA_MARK and CTA_MARK_MASK (linux/netfilter/nfnetlink_conntrack.h).
        let attributes: [(UInt16, [UInt8])] = [
            (1 | 0x8000, tuple), (8, Self.bytes(mark)), (21, Self.bytes(mask)),
        ]
        for (number, value) in attributes {
            payload.append(UInt16(4 + value.count))
            payload.append(number)
            payload += value + [UInt8](repeating: 0, count: -value.count & 3)
        }
        _ = try NetlinkRequest(family: .netfilter, type: Self.new, isDump: false, payload: payload).messages()
    }

    /// Has the kernel forget it: its next packet is judged like a first one, and translated like one.
    package func end() throws(MachineFailure) {
        var payload: [UInt8] = [family, 0, 0, 0]
        // CTA_TUPLE_ORIG, and CTA_ID, so that no other flow is meant that has taken its place.
        for (number, value) in [(UInt16(1 | 0x8000), tuple), (12, Self.bytes(identifier))] {
            payload.append(UInt16(4 + value.count))
            payload.append(number)
            payload += value + [UInt8](repeating: 0, count: -value.count & 3)
        }
        _ = try NetlinkRequest(family: .netfilter, type: Self.delete, isDump: false, payload: payload).messages()
    }

    /// nil: it is none, or cannot be read.
    init?(_ message: ArraySlice<UInt8>, own: Set<IPAddress>) {
        let attributes = message.attributes(at: Self.headSize)
        guard let family = message.first, let tuple = attributes[1], let first = Tuple(tuple),
            let answer = attributes[2].flatMap(Tuple.init),
            // With masquerade the answer is to an address of the machine's, and with a forward the first packet was; but nobody of
            // the two ends is the machine.
            !own.contains(first.source.address), !own.contains(answer.source.address),
            !first.source.address.isLoopback, !answer.source.address.isLoopback, !answer.source.address.isGroup
        else { return nil }
        (self.family, self.tuple, transport) = (family, Array(tuple), first.transport)
        (source, destination) = (first.source, answer.source)
        mark = Self.number(attributes[8]) ?? 0
        (sought, answered) = (first.destination, answer.destination.address)
        // CTA_STATUS: IPS_EXPECTED is 1, IPS_DST_NAT 32 (linux/netfilter/nf_conntrack_common.h).
        let status = Self.number(attributes[3]) ?? 0
        (isExpected, isForwarded) = (status & 1 != 0, status & 32 != 0)
        // CTA_PROTOINFO with CTA_PROTOINFO_TCP and CTA_PROTOINFO_TCP_STATE: TCP_CONNTRACK_LAST_ACK is 6, TIME_WAIT 7, CLOSE 8.
        let state = attributes[4]?.attributes(at: 0)[1]?.attributes(at: 0)[1]?.first ?? 0
        isOver = (6...8).contains(state)
        identifier = Self.number(attributes[12]) ?? 0
        sent = attributes[9].flatMap(Self.bytesCounted) ?? 0
        received = attributes[10].flatMap(Self.bytesCounted) ?? 0
        // CTA_TIMESTAMP with CTA_TIMESTAMP_START.
        start = attributes[20]?.attributes(at: 0)[1]?.load(UInt64.self, at: 0).map(UInt64.init(bigEndian:))
    }

    /// CTA_COUNTERS_BYTES.
    private static func bytesCounted(_ counters: ArraySlice<UInt8>) -> UInt64? {
        counters.attributes(at: 0)[2]?.load(UInt64.self, at: 0).map(UInt64.init(bigEndian:))
    }

    private static func number(_ attribute: ArraySlice<UInt8>?) -> UInt32? {
        attribute?.load(UInt32.self, at: 0).map(UInt32.init(bigEndian:))
    }

    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

    /// The addresses and ports of one direction.
    private struct Tuple {
        let transport: UInt8
        let source: Endpoint
        let destination: Endpoint

        init?(_ attribute: ArraySlice<UInt8>) {
            let parts = attribute.attributes(at: 0)
            // CTA_TUPLE_IP with CTA_IP_V4_SRC or CTA_IP_V6_SRC; CTA_TUPLE_PROTO with CTA_PROTO_NUM, CTA_PROTO_SRC_PORT
            // and CTA_PROTO_DST_PORT.
            guard let addresses = parts[1]?.attributes(at: 0), let proto = parts[2]?.attributes(at: 0),
                let transport = proto[1]?.first
            else { return nil }
            func port(_ number: UInt16) -> UInt16 {
                proto[number]?.load(UInt16.self, at: 0).map(UInt16.init(bigEndian:)) ?? 0
            }
            if let bits = addresses[1]?.load(UInt32.self, at: 0), let other = addresses[2]?.load(UInt32.self, at: 0) {
                source = Endpoint(address: .v4(UInt32(bigEndian: bits)), port: port(2))
                destination = Endpoint(address: .v4(UInt32(bigEndian: other)), port: port(3))
            } else if let bits = addresses[3]?.load(UInt128.self, at: 0),
                let other = addresses[4]?.load(UInt128.self, at: 0)
            {
                source = Endpoint(address: .v6(UInt128(bigEndian: bits)), port: port(2))
                destination = Endpoint(address: .v6(UInt128(bigEndian: other)), port: port(3))
            } else {
                return nil
            }
            self.transport = transport
        }
    }
}

extension IPAddress {
    /// Multicast or broadcast.
    fileprivate var isGroup: Bool {
        switch self {
        case .v4(let bits): bits >> 28 >= 14
        case .v6(let bits): bits >> 120 == 0xff
        }
    }
}
