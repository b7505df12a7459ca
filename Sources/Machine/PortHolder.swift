package import Address
import Glibc

/// Who listens on a port, as /proc tells (proc(5)): what `ss -lntup` does.
package enum PortHolder {
    /// `squid (pid 123)`, or nil if nobody is found or we may not look.
    package static func find(
        _ endpoint: Endpoint, over transport: Connections.ListeningSocket.Transport = .tcp
    ) -> String? {
        let (table, state) = transport == .tcp ? ("tcp", "0A") : ("udp", "07")
        let inodes = ["/proc/net/\(table)", "/proc/net/\(table)6"].flatMap {
            listeningInodes($0, in: endpoint, state: state)
        }
        guard !inodes.isEmpty, let directory = opendir("/proc") else { return nil }
        defer { closedir(directory) }
        let wanted = Set(inodes.map { "socket:[\($0)]" })
        while let entry = readdir(directory) {
            guard let pid = Int32(name(entry)), holds(pid, one: wanted) else { continue }
            return "\(firstLine("/proc/\(pid)/comm") ?? "a program") (pid \(pid))"
        }
        return nil
    }

    /// Inodes of the sockets that stand in the way of `endpoint`: fields 1, 3 and 9 of the table. The state of a TCP socket that
    /// listens is LISTEN (0A), that of a UDP socket that hears everybody is CLOSE (07).
    private static func listeningInodes(_ path: String, in endpoint: Endpoint, state: String) -> [Substring] {
        lines(of: path).dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == state, let colon = fields[1].lastIndex(of: ":"),
                UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == endpoint.port
            else { return nil }
            return isInTheWay(String(fields[1][..<colon]), of: endpoint.address) ? fields[9] : nil
        }
    }

    /// The table writes an address in words of 32 bits, each shown as a number of this machine. Of our own sockets those
    /// for IPv6 are for IPv6 alone, while another program's may take IPv4 as well.
    private static func isInTheWay(_ address: String, of wanted: IPAddress) -> Bool {
        let isUnspecified = address.allSatisfy { $0 == "0" }
        switch wanted {
        case .v4(let bits):
            let plain = hexadecimal(bits)
            return isUnspecified || address == plain || address == "0000000000000000FFFF0000" + plain
                || wanted.isUnspecified && address.count == 8
        case .v6(let bits):
            guard address.count == 32 else { return false }
            let words = [96, 64, 32, 0].map { hexadecimal(UInt32(truncatingIfNeeded: bits >> UInt128($0))) }
            return isUnspecified || wanted.isUnspecified || address == words.joined()
        }
    }

    private static func hexadecimal(_ bits: UInt32) -> String {
        let digits = String(bits.bigEndian, radix: 16, uppercase: true)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    private static func holds(_ pid: Int32, one wanted: Set<String>) -> Bool {
        guard let directory = opendir("/proc/\(pid)/fd") else { return false }
        defer { closedir(directory) }
        var target = [CChar](repeating: 0, count: 64)
        while let entry = readdir(directory) {
            let length = readlink("/proc/\(pid)/fd/\(name(entry))", &target, target.count)
            guard length > 0 else { continue }
            let text = String(decoding: target[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
            if wanted.contains(text) { return true }
        }
        return false
    }

    private static func name(_ entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
    }

    private static func firstLine(_ path: String) -> String? {
        lines(of: path).first.map(String.init)
    }
}

/// The lines of a file of /proc; none if it cannot be read.
func lines(of path: String) -> [Substring] {
    guard let file = fopen(path, "re") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = fread(&chunk, 1, chunk.count, file)
        guard count > 0 else { break }
        bytes += chunk[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
}
