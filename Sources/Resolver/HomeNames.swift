package import Address
package import Wire

/// The names of the home's own devices and of the gateway, forward and reverse, under a domain that means every home
/// (`home.arpa`, RFC 8375), and as single labels.
package struct HomeNames: Sendable {
    package struct Host: Hashable, Sendable {
        /// Labels; the first is the one that its addresses lead back to.
        package var labels: [String]
        package var addresses: [IPAddress]

        package init(labels: [String], addresses: [IPAddress]) {
            self.labels = labels
            self.addresses = addresses
        }
    }

    private let domain: DNSName
    private let gateway: DNSName
    private var forward: [DNSName: [IPAddress]] = [:]
    private var reverse: [DNSName: DNSName] = [:]

    /// A device may have another address in a minute (RFC 4861 has no word on it, and a lease may end).
    private static let seconds: UInt32 = 60
    /// A device that comes, or gets an address of the other family, is found by whoever asked for it a moment before (RFC 2308 §5).
    static let absenceSeconds: UInt32 = 5

    package static let none = HomeNames(domain: "home.arpa", gateway: "gatehouse", hosts: [])

    /// - Parameters:
    ///   - gateway: the label of the name server's own name.
    ///   - hosts: the first that claims a name or an address has it. A label that is none is passed over.
    package init(domain: String, gateway: String, hosts: [Host]) {
        let apex = DNSName(domain) ?? DNSName("home.arpa")!
        self.domain = apex
        self.gateway = DNSName("\(gateway).\(apex)") ?? apex
        for host in hosts {
            var names: [DNSName] = []
            for label in host.labels {
                guard let short = DNSName(label), short.labelCount == 1, let long = DNSName("\(label).\(apex)") else {
                    continue
                }
                // Its addresses lead back to a name that leads to it.
                if forward[long] == nil { names.append(long) }
                for name in [short, long] where forward[name] == nil { forward[name] = host.addresses }
            }
            guard let first = names.first else { continue }
            for address in host.addresses where reverse[address.reverseName] == nil {
                reverse[address.reverseName] = first
            }
        }
    }

    /// nil: it is no name of the home, or it is for the world to say.
    func answer(_ name: DNSName, _ type: DNSType) -> DNSAnswer? {
        // What ties a top-level domain to the root is the root's to tell, whatever a device is called: without it nothing below would
        // hold for those who check signatures. What ties `home.arpa` to `arpa` is that there are none (RFC 8375 §4).
        if name.labelCount == 1, DNSType.ofDelegations.contains(type) { return nil }
        if name == domain, type == .delegationSigner { return nil }
        if let addresses = forward[name] {
            let data = addresses.filter { $0.type == type }.map { DNSData.address($0) }
            return DNSAnswer(
                to: name, type, .success, data, seconds: data.isEmpty ? Self.absenceSeconds : Self.seconds,
                by: data.isEmpty ? zone(of: name) : nil)
        }
        if let host = reverse[name] {
            let data: [DNSData] = type == .pointer ? [.pointer(host)] : []
            return DNSAnswer(to: name, type, .success, data, seconds: Self.seconds, by: data.isEmpty ? name : nil)
        }
        guard name.isWithin(domain) else { return nil }
        guard name == domain else {
            return DNSAnswer(to: name, type, .noSuchName, seconds: Self.absenceSeconds, by: domain)
        }
        let data: [DNSData] =
            switch type {
            case .authority: [.start(server: gateway, negativeSeconds: Self.absenceSeconds)]
            case .ns: [.nameServer(gateway)]
            default: []
            }
        return DNSAnswer(to: name, type, .success, data, seconds: Self.seconds, by: data.isEmpty ? domain : nil)
    }

    private func zone(of name: DNSName) -> DNSName { name.isWithin(domain) ? domain : name }
}

extension IPAddress {
    fileprivate var type: DNSType { if case .v4 = self { .a } else { .aaaa } }

    /// The name whose PTR record leads back from the address (RFC 1035 §3.5, RFC 3596 §2.5).
    package var reverseName: DNSName {
        switch self {
        case .v4(let bits):
            let labels = (0..<4).map { "\(bits >> UInt32(8 * $0) & 255)" }
            return DNSName(labels.joined(separator: ".") + ".in-addr.arpa")!
        case .v6(let bits):
            let labels = (0..<32).map { String(UInt8(truncatingIfNeeded: bits >> UInt128(4 * $0)) & 15, radix: 16) }
            return DNSName(labels.joined(separator: ".") + ".ip6.arpa")!
        }
    }
}
