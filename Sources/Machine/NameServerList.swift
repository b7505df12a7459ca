package import Address
import Glibc

/// What resolv.conf(5) says: whom to ask for names, and how.
package struct NameServerList: Hashable, Codable, Sendable {
    package struct Server: Hashable, Codable, Sendable, CustomStringConvertible {
        package var address: IPAddress
        /// The interface behind which a link-local server is, as it is written there; nil: none is named.
        package var zone: String?
        /// The index of that interface; 0: there is none of that name at present.
        package var index: UInt32

        package init(address: IPAddress, zone: String? = nil, index: UInt32 = 0) {
            self.address = address
            self.zone = zone
            self.index = index
        }

        package var description: String { zone.map { "\(address)%\($0)" } ?? "\(address)" }
    }

    package var servers: [Server] = []
    package var search: [String] = []
    /// A name with fewer dots is looked for in the search domains first.
    package var dots = 1
    /// Seconds for which each server is waited for; nil: nobody said.
    package var timeout: Int?
    package var attempts = 2
    package var rotates = false
    /// The server is this gateway's own, which keeps answers itself and is told for whom it is asked.
    package var isOwn = false

    private static let mostServers = 8
    private static let mostDomains = 16

    package init() {}

    /// This gateway's own server alone.
    package init(own address: IPAddress) {
        servers = [Server(address: address)]
        isOwn = true
    }

    /// - Parameter text: the file. What cannot be read of it is passed over, as everybody does.
    package init(parsing text: [UInt8]) {
        for line in text.split(separator: UInt8(ascii: "\n")) {
            // A comment begins in the first column.
            guard let first = line.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";") else { continue }
            let words = line.split(whereSeparator: \.isBlank).map { String(decoding: $0, as: UTF8.self) }
            guard words.count > 1 else { continue }
            switch words[0] {
            case "nameserver": addServer(words[1])
            // The last of the two, and of several, counts.
            case "domain": search = [words[1]].compactMap(Self.domain)
            case "search": search = Array(words[1...].compactMap(Self.domain).prefix(Self.mostDomains))
            case "options": for word in words[1...] { setOption(word) }
            default: break
            }
        }
    }

    private mutating func addServer(_ text: String) {
        let parts = text.split(separator: "%", maxSplits: 1)
        guard servers.count < Self.mostServers, let address = parts.first.flatMap({ IPAddress(String($0)) }) else {
            return
        }
        let zone = parts.count > 1 ? String(parts[1]) : nil
        let server = Server(address: address.unmapped, zone: zone, index: zone.map(Self.index) ?? 0)
        if !servers.contains(server) { servers.append(server) }
    }

    /// Of an interface, by name or by number (RFC 4007 §11.2).
    private static func index(of zone: String) -> UInt32 {
        let index = if_nametoindex(zone)
        return index == 0 ? UInt32(zone) ?? 0 : index
    }

    private static func domain(_ text: String) -> String? {
        let domain = text.lowercased()
        let name = domain.hasSuffix(".") ? String(domain.dropLast()) : domain
        let isName = name.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
        return isName && !name.isEmpty && name.utf8.count < 254 ? name : nil
    }

    /// Within the bounds of the C library.
    private mutating func setOption(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1)
        let number = parts.count > 1 ? Int(parts[1]) : nil
        switch (parts.first, number) {
        case ("ndots", let number?): dots = min(max(number, 0), 15)
        case ("timeout", let number?): timeout = min(max(number, 1), 30)
        case ("attempts", let number?): attempts = min(max(number, 1), 5)
        case ("rotate", nil): rotates = true
        default: break
        }
    }
}

extension UInt8 {
    var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") || self == UInt8(ascii: "\r") }
}
