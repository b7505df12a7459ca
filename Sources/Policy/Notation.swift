// How limits and rules are written and read.

import Address

extension Limit.Subject: CustomStringConvertible, LosslessStringConvertible {
    /// `client`, `client NETWORK`, `device NAME`, `user`, `user NAME`.
    package init?(_ description: String) {
        let parts = description.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        switch (parts[0], parts.count) {
        case ("client", 1): self = .eachClient
        case ("user", 1): self = .eachUser
        case ("client", 2):
            guard let network = Network(String(parts[1])) else { return nil }
            self = .client(network)
        case ("device", 2) where !parts[1].isEmpty: self = .device(String(parts[1]))
        case ("user", 2): self = .user(String(parts[1]))
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .eachClient: "client"
        case .client(let network): "client \(network)"
        case .device(let name): "device \(name)"
        case .eachUser: "user"
        case .user(let name): "user \(name)"
        }
    }
}

extension Rule: CustomStringConvertible {
    /// `deny device kid domain example.com protocol tcp port 443`, `allow device camera domain example.com, of a hold`.
    package var description: String {
        let conditions = [
            device.map { "device \($0)" }, user.map { "user \($0)" }, client.map { "from \($0)" },
            destination.map { "to \($0)" },
            domain.map { "domain \($0)" }, transport.map { "protocol \($0)" }, ports.map { "port \($0)" },
        ]
        return ([action.rawValue] + conditions.compactMap(\.self)).joined(separator: " ")
            + (origin == .hold ? ", of a hold" : "")
    }
}

extension Limit: CustomStringConvertible {
    /// `user kid: 10 sessions, 5 new sessions per second, 1000000 bytes per second`; one that bounds nothing: `client: no bound`.
    package var description: String {
        let amounts = [
            sessions.map { "\($0) sessions" }, rate.map { "\($0) new sessions per second" },
            bandwidth.map { "\($0) bytes per second" }, handshakes.map { "\($0) handshakes" },
            lookups.map { "\($0) lookups" }, questions.map { "\($0) questions per second" },
        ]
        return "\(subject): \(isEmpty ? "no bound" : amounts.compactMap(\.self).joined(separator: ", "))"
    }
}

extension Listener: CustomStringConvertible {
    /// `socks5 192.168.1.1:1080, with password, on eth1, users anna`.
    package var description: String {
        let parts = [
            "\(kind.rawValue) \(endpoint)", authentication == .none ? "no password" : "with password",
            interface.map { "on \($0)" }, zone.map { "for \($0)" },
            clients.isEmpty ? nil : "from \(clients.map(\.description).joined(separator: " "))",
            users.isEmpty ? nil : "users \(users.joined(separator: " "))",
            socks.allowsVersion4 ? "SOCKS4 too" : nil, socks.advertisedAddress.map { "advertises \($0)" },
            socks.udpPorts.map { "UDP ports \($0)" }, socks.bindPorts.map { "BIND ports \($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

extension Opening: CustomStringConvertible {
    /// `ssh tcp 22 from home`, `dns tcp 53, udp 53 from interface:eth1, 10.0.0.0/8`, `web tcp 80 from home until 2026-11-29
    /// 14:05:00 UTC`.
    package var description: String {
        let source = source.map { ", \($0)" } ?? ""
        return "\(name) \(what) from \(place)" + source + (until.map { " until \(Self.time($0))" } ?? "")
    }

    /// Seconds since 1970 as a date and a time of day that are the same wherever they are read.
    package static func time(_ seconds: Int) -> String {
        let (day, rest) = max(seconds, 0).quotientAndRemainder(dividingBy: 86_400)
        // Years from March on, so that the odd day is the last one (H. Hinnant, chrono-Compatible Low-Level Date Algorithms);
        // 719 468 days lie between 0000-03-01 and 1970, 146 097 make 400 years.
        let (era, ofEra) = (day + 719_468).quotientAndRemainder(dividingBy: 146_097)
        let year = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * year + year / 4 - year / 100)
        let march = (5 * ofYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = [year + era * 400 + (month < 3 ? 1 : 0), month, ofYear - (153 * march + 2) / 5 + 1].map(padded)
        let clock = [rest / 3600, rest / 60 % 60, rest % 60].map(padded)
        return "\(date.joined(separator: "-")) \(clock.joined(separator: ":")) UTC"
    }
}

extension Zone: CustomStringConvertible {
    /// `home eth1 wlan0, 192.168.10.1/24, proxy, new devices blocked, serves dhcp, names`; a way that is usual is left out.
    package var description: String {
        let parts: [String?] = [
            interfaces.isEmpty ? "\(name) without interfaces" : "\(name) \(interfaces.joined(separator: " "))",
            addresses.isEmpty ? nil : addresses.map(\.description).joined(separator: " "),
            way == .routed ? nil : way.rawValue, newDevices.map { "new devices \($0.rawValue)" },
            service.map { "serves \($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

extension Device: CustomStringConvertible {
    /// `tv 52:54:00:12:34:56, proxy, at 192.168.10.20, paused, allowed mon-fri 07:00-21:00`.
    package var description: String {
        let pause: String? =
            switch pause {
            case nil: nil
            case .forever: "paused"
            case .until(let end): "paused until \(Opening.time(end))"
            }
        let parts: [String?] = [
            "\(name) \(hardware)", way?.rawValue, address.map { "at \($0)" }, pause, schedule.map { "allowed \($0)" },
        ]
        return parts.compactMap(\.self).joined(separator: ", ")
    }
}

extension Limit.Subject: Codable {
    package init(from decoder: any Decoder) throws { self = try decodeNotation(decoder) }
    package func encode(to encoder: any Encoder) throws { try encodeNotation(self, encoder) }
}
