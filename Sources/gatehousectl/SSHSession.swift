import Address
import Admin
import Glibc
import Policy

/// The SSH session in which this command runs, if it runs in one: the door that its operator came through must not shut
/// behind him.
struct SSHSession: CustomStringConvertible {
    let client: IPAddress
    let server: IPAddress
    /// The server's.
    let port: UInt16
    /// The one that it comes in by; nil: it cannot be told.
    let interface: String?

    /// - Parameter connection: as in SSH_CONNECTION, ssh(1): the client's address and port, the server's address and port.
    init?(connection: String) {
        let words = connection.split(separator: " ")
        guard words.count == 4, let client = Self.address(words[0]), let server = Self.address(words[2]),
            let port = parsePort(words[3])
        else { return nil }
        self.client = client.unmapped
        self.server = server.unmapped
        self.port = port
        // Linux takes a packet for an address of any interface by whichever one it comes, and the firewall goes by that one.
        let holder = interfaceHolding(self.server)
        let way = addressTowards(self.client).flatMap(interfaceHolding)
        interface = way == nil || way == holder ? holder : nil
    }

    /// sshd(8) writes a link-local address with its zone.
    private static func address(_ text: Substring) -> IPAddress? {
        IPAddress(text.prefix { $0 != "%" })
    }

    /// From the environment, or from that of a process above this one: sudo(8) and su(1) do not pass the variable on.
    static func current() -> SSHSession? {
        if let connection = environment("SSH_CONNECTION") { return SSHSession(connection: connection) }
        var process = getppid()
        while process > 1, let parent = parent(of: process) {
            let prefix = "SSH_CONNECTION="
            for variable in content(of: "/proc/\(process)/environ").split(separator: 0) {
                let text = String(decoding: variable, as: UTF8.self)
                if text.hasPrefix(prefix) { return SSHSession(connection: String(text.dropFirst(prefix.count))) }
            }
            process = parent
        }
        return nil
    }

    func isAdmitted(by openings: [Opening], of policy: Policy) -> Bool {
        // The firewall never filters loopback.
        if server.isLoopback { return true }
        return openings.contains { opening in
            opening.services.contains { service in
                if case .ports(.tcp, let ports) = service { ports.contains(port) } else { false }
            } && (policy.interfaces(at: opening.place)?.contains { $0 == interface } ?? true)
                && (opening.source?.contains(client) ?? true)
        }
    }

    /// The command that would make an opening for it.
    func remedy(besides openings: [Opening]) -> String {
        var name = "ssh"
        if openings.contains(where: { $0.name == name }) { name += "-\(interface ?? "2")" }
        let place = interface.map { " --interface \($0)" } ?? ""
        // A port of SSH that the whole internet can try is nothing to recommend.
        let source = client.special == nil ? " --from \(client)" : ""
        return "gatehousectl firewall open \(name) --tcp \(port)\(place)\(source)"
    }

    var description: String {
        "this SSH session, from \(client) to port \(port)\(interface.map { " on \($0)" } ?? ""),"
    }

    /// After a change that took an opening away.
    static func warnIfShutOut(by daemon: Daemon) throws {
        guard let session = current() else { return }
        let report = try daemon.ask(GetFirewall())
        guard report.mode == .enforce, !session.isAdmitted(by: report.openings, of: Policy(zones: report.zones)) else {
            return
        }
        warn(
            """
            \(session) goes on, but no new one like it would be let in; while it lasts, \
            `\(session.remedy(besides: report.openings))` opens the door again
            """)
    }
}

/// From proc_pid_stat(5). The name before may hold blanks and parentheses.
private func parent(of process: pid_t) -> pid_t? {
    let stat = content(of: "/proc/\(process)/stat")
    guard let end = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = String(decoding: stat[(end + 1)...], as: UTF8.self).split(separator: " ")
    return fields.count > 1 ? pid_t(fields[1]) : nil
}

/// Empty if it cannot be read.
private func content(of path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 65536)
    while case let count = read(file, &block, block.count), count > 0 { bytes += block[..<count] }
    return bytes
}

/// This machine's address on the way to another one (udp(7): a connect sends nothing, and routes); nil: there is no way.
private func addressTowards(_ address: IPAddress) -> IPAddress? {
    var storage = sockaddr_storage()
    return withUnsafeMutablePointer(to: &storage) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
            var length = address.write(to: pointer)
            let socket = socket(Int32(pointer.pointee.sa_family), Int32(SOCK_DGRAM.rawValue), 0)
            guard socket >= 0 else { return nil }
            defer { close(socket) }
            guard connect(socket, pointer, length) == 0 else { return nil }
            length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            return getsockname(socket, pointer, &length) == 0 ? IPAddress(socketAddress: pointer)?.unmapped : nil
        }
    }
}

private func interfaceHolding(_ address: IPAddress) -> String? {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return nil }
    defer { freeifaddrs(list) }
    var next = list
    while let entry = next?.pointee {
        next = entry.ifa_next
        if let held = entry.ifa_addr.flatMap(IPAddress.init(socketAddress:)), held == address {
            // An address may have a label of its own, as `eth1:0` (ip-address(8)).
            return String(String(cString: entry.ifa_name).prefix { $0 != ":" })
        }
    }
    return nil
}

extension IPAddress {
    fileprivate init?(socketAddress pointer: UnsafeMutablePointer<sockaddr>) {
        switch Int32(pointer.pointee.sa_family) {
        case AF_INET:
            self = .v4(
                UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr.bigEndian)
        case AF_INET6:
            let bytes = UnsafeRawPointer(pointer).loadUnaligned(as: sockaddr_in6.self).sin6_addr
            self = .v6(withUnsafeBytes(of: bytes) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
        default:
            return nil
        }
    }

    /// With a port that need not be right.
    fileprivate func write(to pointer: UnsafeMutablePointer<sockaddr>) -> socklen_t {
        switch self {
        case .v4(let bits):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(9).bigEndian
            address.sin_addr.s_addr = bits.bigEndian
            UnsafeMutableRawPointer(pointer).storeBytes(of: address, as: sockaddr_in.self)
            return socklen_t(MemoryLayout<sockaddr_in>.size)
        case .v6(let bits):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = UInt16(9).bigEndian
            withUnsafeMutableBytes(of: &address.sin6_addr) { $0.storeBytes(of: bits.bigEndian, as: UInt128.self) }
            UnsafeMutableRawPointer(pointer).storeBytes(of: address, as: sockaddr_in6.self)
            return socklen_t(MemoryLayout<sockaddr_in6>.size)
        }
    }
}
