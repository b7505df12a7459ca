import Foundation
import Glibc
import Synchronization

/// A DNS server (RFC 1035) on one address, over UDP and TCP, which says what its test wants it to say.
package final class NameServer: Sendable {
    /// A query as it came in.
    package struct Query: Sendable {
        /// In lower case.
        package let name: String
        /// A is 1, AAAA is 28.
        package let type: UInt16
        package let identifier: UInt16
        /// The client's port.
        package let port: UInt16
        package let isOverTCP: Bool
        package let isExtended: Bool
        fileprivate let message: [UInt8]
        fileprivate let question: ArraySlice<UInt8>
    }

    package enum Reply: Sendable {
        /// Those of the query's family; if there are none, there is no such address.
        case addresses([String], seconds: UInt32 = 0)
        /// Addresses under another name, which the asked one is an alias of.
        case alias(String, [String], seconds: UInt32 = 0)
        /// There is no such name (3), or no such address (0), by the word of the zone.
        case none(code: UInt8, seconds: UInt32)
        /// What the header says is wrong: 2 is SERVFAIL, 5 is REFUSED.
        case code(UInt8)
        /// Over UDP a stub, which says that the whole is to be had over TCP; there, the reply.
        indirect case truncated(Reply)
        /// Not a word.
        case silence
        /// Some messages, one after the other.
        case messages([[UInt8]])
        indirect case later(Duration, Reply)
        /// First these come from another socket, which is bound there, in this process's own namespace.
        indirect case spoofed(from: String, port: UInt16, [[UInt8]], then: Reply)
    }

    package typealias Handler = @Sendable (Query) -> Reply

    /// Where it listens, UDP and TCP.
    package let port: UInt16
    package let host: String
    private let datagrams: CInt
    private let streams: CInt
    private let state: Mutex<State>

    private struct State {
        var handler: Handler
        var queries: [Query] = []
    }

    /// - Parameters:
    ///   - namespace: where it is; nil: in this process's own.
    ///   - port: 0 is any.
    package init(
        in namespace: Namespace? = nil, _ host: String, port: UInt16 = 53, _ handler: @escaping Handler
    ) throws {
        let sockets = try namespace.map { try $0.enter { try Self.open(host, port) } } ?? Self.open(host, port)
        (datagrams, streams, self.port) = sockets
        self.host = host
        state = Mutex(State(handler: handler))
        let (own, listener) = (dup(datagrams), dup(streams))
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
                guard let self else { break }
                // The longest wait of a Peer, which once had this socket, is this one's, too.
                if count < 0, errno == EAGAIN || errno == EINTR { continue }
                guard count > 0 else { break }
                guard let query = Query(Array(buffer[..<count]), from: client, isOverTCP: false) else { continue }
                send(reply(to: query), to: query, client, length)
            }
        }
        Thread.detachNewThread { [weak self] in
            defer { close(listener) }
            while true {
                let connection = accept(listener, nil, nil)
                guard let self else { break }
                if connection < 0, errno == EAGAIN || errno == EINTR { continue }
                guard connection >= 0 else { break }
                let peer = Peer(adopting: connection)
                try? serve(peer)
            }
        }
    }

    /// - Parameters:
    ///   - answers: for each name the addresses that successive queries of one type get, of both families; the last stays. A query
    ///   that comes again, because its answer was late, gets what it got. All other names are denied.
    ///   - seconds: for how long each of them may be kept.
    package convenience init(
        in namespace: Namespace, _ host: String, _ answers: [String: [[String]]], seconds: UInt32 = 0
    ) throws {
        let asked = Mutex<[String: [UInt16]]>([:])
        try self.init(in: namespace, host) { query in
            guard let answers = answers[query.name], !answers.isEmpty else { return .code(3) }
            let turn = asked.withLock { asked in
                let former = asked["\(query.name) \(query.type)", default: []]
                if let turn = former.firstIndex(of: query.identifier) { return turn }
                asked["\(query.name) \(query.type)"] = former + [query.identifier]
                return former.count
            }
            return .addresses(answers[min(turn, answers.count - 1)], seconds: seconds)
        }
    }

    deinit {
        // Wakes the threads in recvfrom and accept.
        for descriptor in [datagrams, streams] {
            shutdown(descriptor, CInt(SHUT_RDWR))
            close(descriptor)
        }
    }

    /// How many queries for `name` came in, of type A (1) or AAAA (28). One that came again is the same.
    package func queries(for name: String, type: UInt16 = 1) -> Int {
        Set(queries.filter { $0.name == name && $0.type == type }.map(\.identifier)).count
    }

    /// All queries so far.
    package var queries: [Query] { state.withLock { $0.queries } }

    /// From now on it speaks so.
    package func answer(_ handler: @escaping Handler) { state.withLock { $0.handler = handler } }

    private static func open(_ host: String, _ port: UInt16) throws -> (CInt, CInt, UInt16) {
        let family = host.contains(":") ? AF_INET6 : AF_INET
        for _ in 0..<16 {
            let datagrams = socket(family, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            let streams = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var on: CInt = 1
            setsockopt(streams, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
            if try withAddress(host, port, { bind(datagrams, $0, $1) }) == 0 {
                let own = Peer(adopting: dup(datagrams)).nearEnd.split(separator: ":").last.flatMap { UInt16($0) }
                if let own, try withAddress(host, own, { bind(streams, $0, $1) }) == 0, listen(streams, 64) == 0 {
                    return (datagrams, streams, own)
                }
            }
            close(datagrams)
            close(streams)
            guard port == 0 else { break }
        }
        throw SocketFailure("bind to \(host), port \(port)")
    }

    private func reply(to query: Query) -> Reply {
        state.withLock { state in
            state.queries.append(query)
            return state.handler
        }(query)
    }

    private func send(_ reply: Reply, to query: Query, _ client: sockaddr_storage, _ length: socklen_t) {
        switch reply {
        case .later(let delay, let reply):
            let own = dup(datagrams)
            Thread.detachNewThread {
                usleep(UInt32(delay / .microseconds(1)))
                for message in query.messages(reply) { Self.send(message, over: own, to: client, length) }
                close(own)
            }
        case .spoofed(let host, let port, let messages, let reply):
            let other = socket(CInt(client.ss_family), CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            _ = try? withAddress(host, port) { bind(other, $0, $1) }
            for message in messages { Self.send(message, over: other, to: client, length) }
            close(other)
            send(reply, to: query, client, length)
        default: for message in query.messages(reply) { Self.send(message, over: datagrams, to: client, length) }
        }
    }

    private static func send(_ message: [UInt8], over socket: CInt, to client: sockaddr_storage, _ length: socklen_t) {
        _ = withUnsafePointer(to: client) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(socket, message, message.count, 0, $0, length)
            }
        }
    }

    private func serve(_ peer: Peer) throws {
        let length = try peer.receive(exactly: 2)
        let message = try peer.receive(exactly: Int(length[0]) << 8 | Int(length[1]))
        guard let query = Query(message, from: sockaddr_storage(), isOverTCP: true) else { return }
        for message in query.messages(reply(to: query)) {
            try peer.send([UInt8(message.count >> 8), UInt8(truncatingIfNeeded: message.count)] + message)
        }
    }
}

extension NameServer.Query {
    fileprivate init?(_ message: [UInt8], from client: sockaddr_storage, isOverTCP: Bool) {
        var place = 12
        var labels: [String] = []
        while place < message.count, message[place] != 0 {
            let length = Int(message[place])
            labels.append(String(decoding: message[(place + 1)...].prefix(length), as: UTF8.self).lowercased())
            place += 1 + length
        }
        guard place + 4 < message.count else { return nil }
        name = labels.joined(separator: ".")
        type = UInt16(message[place + 1]) << 8 | UInt16(message[place + 2])
        identifier = UInt16(message[0]) << 8 | UInt16(message[1])
        question = message[12..<(place + 5)]
        isExtended = message[11] != 0
        // In both families the port is where it is.
        port = withUnsafeBytes(of: client) { UInt16(bigEndian: $0.load(fromByteOffset: 2, as: UInt16.self)) }
        self.isOverTCP = isOverTCP
        self.message = message
    }

    /// A message that answers this query with these records for its own name. Another identifier, or another question, makes
    /// it somebody else's answer.
    package func answer(
        _ addresses: [String], seconds: UInt32 = 0, identifier: UInt16? = nil, name: String? = nil, type: UInt16? = nil
    ) -> [UInt8] {
        let identifier = identifier ?? self.identifier
        var question = Array(self.question)
        if let name { question = wire(name) + question.suffix(4) }
        if let type { question[question.count - 3] = UInt8(type) }
        let records = addresses.compactMap { record($0, [0xc0, 12], seconds) }
        // QR, AA, RD, RA.
        return [
            UInt8(identifier >> 8), UInt8(truncatingIfNeeded: identifier), 0x85, 0x80, 0, 1, 0, UInt8(records.count),
        ]
            + [0, 0, 0, 0] + question + records.joined()
    }

    /// A message that answers this query with records of whatever kind for its own name.
    ///
    /// - Parameter bits: what is set in the header's second number beside QR, RD and RA.
    package func answer(
        records: [(type: UInt16, seconds: UInt32, data: [UInt8])], bits: UInt16 = 0, extra: [UInt8] = []
    ) -> [UInt8] {
        let flags = 0x8180 | bits
        let bodies = records.map { kind, seconds, data in
            [0xc0, 12, UInt8(kind >> 8), UInt8(truncatingIfNeeded: kind), 0, 1]
                + withUnsafeBytes(of: seconds.bigEndian) { Array($0) }
                + [UInt8(data.count >> 8), UInt8(truncatingIfNeeded: data.count)] + data
        }
        return [
            message[0], message[1], UInt8(flags >> 8), UInt8(truncatingIfNeeded: flags), 0, 1,
            UInt8(records.count >> 8), UInt8(truncatingIfNeeded: records.count), 0, 0, 0, extra.isEmpty ? 0 : 1,
        ] + question + bodies.joined() + extra
    }

    /// The bits of the query's header, and those of its OPT record.
    package var flags: UInt16 { UInt16(message[2]) << 8 | UInt16(message[3]) }
    package var wantsSignatures: Bool { isExtended && message.count >= 11 && message[message.count - 4] & 0x80 != 0 }

    fileprivate func messages(_ reply: NameServer.Reply) -> [[UInt8]] {
        switch reply {
        case .addresses(let addresses, let seconds): return [answer(addresses, seconds: seconds)]
        case .alias(let other, let addresses, let seconds):
            let alias = record(name: [0xc0, 12], 5, seconds, wire(other))
            let records = [alias] + addresses.compactMap { record($0, wire(other), seconds) }
            return [head(0, answers: records.count) + question + records.joined()]
        case .none(let code, let seconds):
            let numbers = [1, 2, 3, 4, seconds].flatMap { number in withUnsafeBytes(of: number.bigEndian) { Array($0) }
            }
            return [
                head(code, authorities: 1) + question
                    + record(name: [0], 6, seconds, wire("ns") + wire("root") + numbers)
            ]
        case .code(let code): return [head(code) + question]
        case .truncated(let reply):
            if isOverTCP { return messages(reply) }
            var message = head(0) + question
            message[2] |= 2
            return [message]
        case .silence: return []
        case .messages(let messages): return messages
        case .later(_, let reply), .spoofed(_, _, _, let reply): return messages(reply)
        }
    }

    private func head(_ code: UInt8, answers: Int = 0, authorities: Int = 0) -> [UInt8] {
        [message[0], message[1], 0x85, 0x80 | code, 0, 1, 0, UInt8(answers), 0, UInt8(authorities), 0, 0]
    }

    private func record(name: [UInt8], _ type: UInt8, _ seconds: UInt32, _ data: [UInt8]) -> [UInt8] {
        name + [0, type, 0, 1] + withUnsafeBytes(of: seconds.bigEndian) { Array($0) } + [0, UInt8(data.count)] + data
    }

    /// nil if `address` is of the other family.
    private func record(_ address: String, _ name: [UInt8], _ seconds: UInt32) -> [UInt8]? {
        let isIPv6 = address.contains(":")
        guard type == (isIPv6 ? 28 : 1) else { return nil }
        var bytes = [UInt8](repeating: 0, count: isIPv6 ? 16 : 4)
        guard inet_pton(isIPv6 ? AF_INET6 : AF_INET, address, &bytes) == 1 else { return nil }
        return record(name: name, UInt8(type), seconds, bytes)
    }

    private func wire(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}
