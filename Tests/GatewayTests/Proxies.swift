import Foundation
import Glibc
import TestNetwork

/// The two proxies of a home, as a client on the LAN uses them.
enum ProxyKind: String, CaseIterable, Sendable {
    case socks5, http

    var port: UInt16 { self == .socks5 ? 1080 : 3128 }
}

extension Home {
    /// A connection from the LAN host to a proxy, nothing said yet.
    func dial(_ kind: ProxyKind, from device: Namespace? = nil) throws -> Peer {
        try Peer(to: Self.gatewayOnLAN, kind.port, from: device ?? lan)
    }

    /// A tunnel from the LAN host, or another device, to `host` on the WAN.
    func tunnel(
        _ kind: ProxyKind, to host: String = Home.wanHost, _ port: UInt16, from device: Namespace? = nil
    ) throws -> Peer {
        let client = try dial(kind, from: device)
        switch kind {
        case .socks5:
            try client.send([5, 1, 0])
            guard try client.receive(exactly: 2) == [5, 0] else { throw Failure("the SOCKS5 greeting was refused") }
            try client.send(SOCKS5.connect(host, port))
            let reply = try SOCKS5.reply(from: client)
            guard reply.code == 0 else { throw Failure("SOCKS5 reply \(reply.code)") }
        case .http:
            try client.send(HTTP.connect(host, port))
            let head = try client.receiveHead()
            guard head.hasPrefix("HTTP/1.1 200") else { throw Failure(head) }
        }
        return client
    }
}

enum SOCKS5 {
    struct Reply: Equatable {
        var code: UInt8
        /// BND.ADDR:BND.PORT, numerically.
        var bound: String
    }

    /// RFC 1928 §4. A host that is no address goes as a name.
    static func connect(_ host: String, _ port: UInt16, command: UInt8 = 1) -> [UInt8] {
        [5, command, 0] + address(host) + [UInt8(port >> 8), UInt8(port & 0xff)]
    }

    static func address(_ host: String) -> [UInt8] {
        let numbers = host.split(separator: ".").compactMap { UInt8($0) }
        if numbers.count == 4, host.split(separator: ".").count == 4 { return [1] + numbers }
        if host.contains(":") {
            var bytes = [UInt8](repeating: 0, count: 16)
            inet_pton(AF_INET6, host, &bytes)
            return [4] + bytes
        }
        return [3, UInt8(host.utf8.count)] + host.utf8
    }

    /// RFC 1928 §6.
    static func reply(from client: Peer) throws -> Reply {
        let head = try client.receive(exactly: 4)
        guard head.count == 4, head[0] == 5, head[2] == 0 else { throw Failure("no SOCKS5 reply: \(head)") }
        switch head[3] {
        case 1:
            let rest = try client.receive(exactly: 6)
            return Reply(
                code: head[1],
                bound: rest[..<4].map { "\($0)" }.joined(separator: ".") + ":\(Int(rest[4]) << 8 | Int(rest[5]))")
        case 4:
            let rest = try client.receive(exactly: 18)
            var buffer = [CChar](repeating: 0, count: 64)
            inet_ntop(AF_INET6, Array(rest[..<16]), &buffer, socklen_t(buffer.count))
            let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            return Reply(code: head[1], bound: "\(text):\(Int(rest[16]) << 8 | Int(rest[17]))")
        default: throw Failure("ATYP \(head[3]) in a reply")
        }
    }
}

enum HTTP {
    static func connect(_ host: String, _ port: UInt16, fields: [String] = []) -> String {
        let authority = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let lines = ["CONNECT \(authority) HTTP/1.1", "Host: \(authority)"] + fields
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// The status and the field values of a head, names in lower case.
    static func parse(_ head: String) -> (status: Int, fields: [String: String]) {
        let lines = head.components(separatedBy: "\r\n")
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
        return (status, fields)
    }
}
