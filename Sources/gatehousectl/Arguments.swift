import Address
import Admin
import ArgumentParser
import Policy

// How the policy's values are written on the command line. ArgumentParser puts the bad value and the argument's name before
// the reasons given here.

extension Listener.Kind: ExpressibleByArgument {
    init?(argument: String) {
        self.init(rawValue: argument)
        guard isProxy else { return nil }
    }

    static var allValueStrings: [String] { allCases.filter(\.isProxy).map(\.rawValue) }
}
extension Listener.Authentication: ExpressibleByArgument {}
extension Rule.Action: ExpressibleByArgument {}

extension Endpoint {
    @Sendable static func parse(argument text: String) throws -> Endpoint {
        if let endpoint = Endpoint(text) { return endpoint }
        let form = "write ADDRESS:PORT, like 192.168.1.1:1080 or [::1]:1080"
        // An IPv6 address and a port, or an IPv6 address without one? Both read the same.
        if let colon = text.lastIndex(of: ":"), let address = IPAddress(text[..<colon]), case .v6 = address,
            let port = parsePort(text[text.index(after: colon)...])
        {
            throw Refusal("write the address in brackets: \(Endpoint(address: address, port: port))")
        }
        if let address = IPAddress(text) {
            throw Refusal("the port is missing; write \(Endpoint(address: address, port: 1080)), say")
        }
        if let colon = text.lastIndex(of: ":"), parsePort(text[text.index(after: colon)...]) == nil {
            throw Refusal("a port is a number from 1 to 65535; \(form)")
        }
        throw Refusal("not a numeric address with a port; \(form)")
    }
}

extension Network {
    @Sendable static func parse(argument text: String) throws -> Network {
        if let network = Network(text) { return network }
        let parts = text.split(separator: "/", maxSplits: 1)
        if parts.count == 2, let address = IPAddress(parts[0]), let prefix = Int(parts[1]) {
            let network = Network(address, prefix: prefix)
            if network.prefix == prefix {
                throw Refusal("it names an address inside a network; write \(network) or \(address)")
            }
            throw Refusal("the prefix is too long for the address; write \(network), say")
        }
        throw Refusal("write ADDRESS or ADDRESS/PREFIX, like 10.0.0.0/8 or 2001:db8::/32; names are not networks")
    }
}

extension IPAddress {
    @Sendable static func parse(argument text: String) throws -> IPAddress {
        guard let address = IPAddress(text) else {
            throw Refusal("write a numeric address, like 203.0.113.7 or 2001:db8::7")
        }
        return address
    }
}

extension PortRange {
    @Sendable static func parse(argument text: String) throws -> PortRange {
        guard let ports = PortRange(text) else {
            throw Refusal("write PORT or PORT-PORT, numbers from 1 to 65535, the lower one first")
        }
        return ports
    }
}

extension Choice {
    static func parse(_ value: @escaping @Sendable (String) throws -> Value) -> @Sendable (String) throws -> Self {
        { text in text == "any" ? .any : .one(try value(text)) }
    }
}

/// A domain, normalised as the names are that clients ask for.
struct Domain: Sendable {
    let name: String

    @Sendable static func parse(argument text: String) throws -> Domain {
        if text.hasPrefix("*.") || text.hasPrefix(".") {
            let name = text.drop { $0 == "*" || $0 == "." }
            guard !name.isEmpty else {
                throw Refusal("a domain is a name; `gatehousectl rule default` is for everything that no rule is about")
            }
            throw Refusal("a domain stands for all that is below it; write \(name)")
        }
        if let name = text.firstMatch(of: #/^[a-z]+:\/\/(?:[^\/@]*@)?([^\/:?#]+)/#.ignoresCase())?.1 {
            throw Refusal("a domain is the name alone, without what stands around it in an address; write \(name)")
        }
        switch try Host(text) {
        case .name(let name): return Domain(name: name)
        case .address: throw Refusal("an address is no domain; give it to --to")
        }
    }
}

/// Bytes per second. A type of its own, as is the next: the error is to name the unit.
struct Bandwidth: Sendable {
    let bytes: Int

    @Sendable static func parse(argument text: String) throws -> Bandwidth {
        let units = ["K": 1000, "M": 1_000_000, "G": 1_000_000_000]
        let unit = text.last.flatMap { units[$0.uppercased()] }
        let digits = unit == nil ? text : String(text.dropLast())
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
            case (let bytes, false) = number.multipliedReportingOverflow(by: unit ?? 1)
        else { throw Refusal("write bytes per second, like 500K, 10M or 1G (thousands, millions, thousand millions)") }
        return Bandwidth(bytes: bytes)
    }
}

/// New sessions per second.
struct Rate: Sendable {
    let perSecond: Int

    @Sendable static func parse(argument text: String) throws -> Rate {
        let digits = text.hasSuffix("/s") ? String(text.dropLast(2)) : text
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits) else {
            throw Refusal("write new sessions per second, like 20/s")
        }
        return Rate(perSecond: number)
    }
}

/// A type of its own: as a bare UInt16 the error would not name the range.
struct Port: Hashable, Sendable {
    let number: UInt16

    @Sendable static func parse(argument text: String) throws -> Port {
        guard let number = parsePort(text) else { throw Refusal("a port is a number from 1 to 65535") }
        return Port(number: number)
    }
}

extension CompletionKind {
    static var interface: CompletionKind { .shellCommand("ls /sys/class/net") }
    /// - Parameter condition: of awk(1), for the lines that count.
    static func column(_ number: Int, ofVerb verb: String, where condition: String = "1") -> CompletionKind {
        .shellCommand("gatehousectl \(verb) list 2>/dev/null | awk 'NR > 1 && \(condition) { print $\(number) }'")
    }
    /// The first column of the one table, among those that a verb shows, whose first heading it is.
    static func names(under heading: String, ofVerb verb: String) -> CompletionKind {
        .shellCommand(
            "gatehousectl \(verb) list 2>/dev/null | awk 'NF == 0 { here = 0 } here { print $1 } $1 == \"\(heading)\" { here = 1 }'"
        )
    }
}

extension InterfaceAddress {
    @Sendable static func parse(argument text: String) throws -> InterfaceAddress {
        guard let address = InterfaceAddress(text) else {
            throw Refusal("write an address with its prefix, like 192.168.10.1/24")
        }
        return address
    }
}

extension AddressRange {
    @Sendable static func parse(argument text: String) throws -> AddressRange {
        guard let range = AddressRange(text) else {
            throw Refusal("write the first and the last address, like 192.168.10.100-192.168.10.199")
        }
        return range
    }
}

extension Way {
    @Sendable static func parse(argument text: String) throws -> Way {
        guard let way = Way(text) else {
            throw Refusal("write \(allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return way
    }
}
