import Glibc

/// A question to the kernel over netlink(7), and the messages with which it answers.
struct NetlinkRequest {
    /// With the numbers of linux/netlink.h.
    enum Family: Int32 {
        case route = 0
        case socketDiagnosis = 4
        case netfilter = 12
    }

    /// What a message carries behind its header.
    typealias Payload = ArraySlice<UInt8>

    let family: Family
    let type: UInt16
    /// All objects of a kind are asked for; false: the one that `payload` describes.
    let isDump: Bool
    let payload: [UInt8]

    /// Asks and waits for the whole answer.
    func messages() throws(MachineFailure) -> [Payload] {
        var messages: [Payload] = []
        try forEachMessage { messages.append($0) }
        return messages
    }

    /// Asks and hands over each message of the answer as it comes, so that no more than a datagram of it is in memory. Waits two
    /// seconds at most for each: a kernel that says nothing must not stop the supervisor.
    func forEachMessage(_ use: (Payload) -> Void) throws(MachineFailure) {
        let descriptor = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), family.rawValue)
        guard descriptor >= 0 else { throw MachineFailure("no netlink socket", errno) }
        defer { close(descriptor) }
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let request = self.request
        guard send(descriptor, request, request.count, 0) == request.count else {
            throw MachineFailure("the kernel takes no netlink request", errno)
        }
        // The kernel fills at most 32 kB at once (netlink_dump in net/netlink/af_netlink.c).
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw MachineFailure("the kernel does not answer over netlink", errno) }
            let isComplete = try Self.read(buffer[..<count], use)
            if isComplete || !isDump { return }
        }
    }

    /// Hands over the messages of one datagram.
    ///
    /// - Returns: whether the last one of a dump was among them.
    static func read(_ datagram: Payload, _ use: (Payload) -> Void) throws(MachineFailure) -> Bool {
        var rest = datagram
        while let length = rest.load(UInt32.self, at: 0).map(Int.init), length >= Self.headerSize,
            length <= rest.count, let type = rest.load(UInt16.self, at: 4)
        {
            let payload = rest.prefix(length).dropFirst(Self.headerSize)
            switch type {
            case 3: return true  // NLMSG_DONE
            case 2:  // NLMSG_ERROR
                let code = payload.load(Int32.self, at: 0) ?? 0
                guard code == 0 else { throw MachineFailure("the kernel refuses a netlink request", -code) }
            default: use(payload)
            }
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return false
    }

    private static let headerSize = 16

    private var request: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(UInt32(Self.headerSize + payload.count))
        bytes.append(type)
        // NLM_F_REQUEST with NLM_F_DUMP, or with NLM_F_ACK: what has no answer is acknowledged.
        bytes.append(UInt16(isDump ? 0x301 : 0x5))
        bytes.append(UInt32(1))
        bytes.append(UInt32(0))
        return bytes + payload
    }
}

extension ArraySlice<UInt8> {
    /// A number in the machine's order; nil: it does not lie inside.
    func load<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number? {
        guard offset >= 0, offset + MemoryLayout<Number>.size <= count else { return nil }
        return withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: type) }
    }

    /// The attributes (netlink(7), `struct nlattr`) that begin at `offset`.
    func attributes(at offset: Int) -> NetlinkAttributes { NetlinkAttributes(dropFirst(offset)) }

    /// Text that a NUL ends.
    var text: String { String(decoding: prefix { $0 != 0 }, as: UTF8.self) }
}

extension [UInt8] {
    /// In the machine's order.
    mutating func append(_ number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number) { append(contentsOf: $0) }
    }

    /// An attribute (netlink(7), `struct nlattr`), filled up to a multiple of four bytes.
    mutating func append(attribute kind: UInt16, _ value: [UInt8]) {
        append(UInt16(4 + value.count))
        append(kind)
        self += value
        self += [UInt8](repeating: 0, count: -value.count & 3)
    }
}
