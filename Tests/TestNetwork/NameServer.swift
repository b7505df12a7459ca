import Foundation
import Glibc
import Synchronization

/// A DNS server (RFC 1035) on UDP port 53 of an address inside a namespace, which knows a few names and denies all others.
package final class NameServer: Sendable {
    private let descriptor: CInt
    private let state: Mutex<State>

    private struct State {
        /// Answers by name, in lower case; the first of them is used up by the first query of its type, the last one stays.
        var answers: [String: [[String]]] = [:]
        /// Their identifiers. One that comes again is the same query, whose answer was late.
        var queries: [String: [UInt16]] = [:]
    }

    /// - Parameter answers: for each name the addresses that successive queries get, of both families.
    package init(in namespace: Namespace, _ host: String, _ answers: [String: [[String]]]) throws {
        descriptor = try namespace.enter { socket(AF_INET, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
        state = Mutex(State(answers: answers))
        guard try withAddress(host, 53, { bind(descriptor, $0, $1) }) == 0 else {
            throw SocketFailure("bind to port 53")
        }
        let own = dup(descriptor)
        Thread.detachNewThread { [weak self] in
            defer { close(own) }
            var buffer = [UInt8](repeating: 0, count: 1500)
            while true {
                var client = sockaddr_storage()
                var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
                let count = withUnsafeMutablePointer(to: &client) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        recvfrom(own, &buffer, buffer.count, 0, $0, &length)
                    }
                }
                guard count > 0, let reply = self?.reply(to: Array(buffer[..<count])) else { break }
                _ = withUnsafePointer(to: &client) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(own, reply, reply.count, 0, $0, length)
                    }
                }
            }
        }
    }

    deinit {
        // Wakes the thread in recvfrom.
        shutdown(descriptor, CInt(SHUT_RDWR))
        close(descriptor)
    }

    /// How many queries for `name` came in, of type A (1) or AAAA (28).
    package func queries(for name: String, type: UInt16 = 1) -> Int {
        state.withLock { $0.queries["\(name) \(type)"]?.count ?? 0 }
    }

    private func reply(to query: [UInt8]) -> [UInt8] {
        var place = 12
        var labels: [String] = []
        while place < query.count, query[place] != 0 {
            let length = Int(query[place])
            labels.append(String(decoding: query[(place + 1)...].prefix(length), as: UTF8.self).lowercased())
            place += 1 + length
        }
        guard place + 4 < query.count else { return Array(query.prefix(2)) + [0x81, 0x81] }
        let type = UInt16(query[place + 1]) << 8 | UInt16(query[place + 2])
        let question = query[12..<(place + 5)]
        let name = labels.joined(separator: ".")
        let identifier = UInt16(query[0]) << 8 | UInt16(query[1])
        let addresses: [String]? = state.withLock { state in
            let earlier = state.queries["\(name) \(type)", default: []]
            let asked = earlier.firstIndex(of: identifier) ?? earlier.count
            if asked == earlier.count { state.queries["\(name) \(type)"] = earlier + [identifier] }
            return state.answers[name].flatMap { $0.isEmpty ? nil : $0[min(asked, $0.count - 1)] }
        }
        let records = (addresses ?? []).compactMap { record($0, type) }
        // QR, AA, RD, RA; NXDOMAIN for a name that nobody gave.
        let head: [UInt8] = [query[0], query[1], 0x85, addresses == nil ? 0x83 : 0x80]
        return head + [0, 1, 0, UInt8(records.count), 0, 0, 0, 0] + question + records.joined()
    }

    /// An answer for the question's name that holds for no second; nil if `address` is of the other family.
    private func record(_ address: String, _ type: UInt16) -> [UInt8]? {
        let isIPv6 = address.contains(":")
        guard type == (isIPv6 ? 28 : 1) else { return nil }
        var bytes = [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)
        guard inet_pton(isIPv6 ? AF_INET6 : AF_INET, address, &bytes) == 1 else { return nil }
        return [0xc0, 12, 0, UInt8(type), 0, 1, 0, 0, 0, 0, 0, UInt8(bytes.count)] + bytes
    }
}
