import Address
import Wire

/// Names that mean something here or nothing anywhere, and are never asked for outside.
enum SpecialNames {
    /// The answer; nil: the name is an ordinary one.
    static func answer(_ name: DNSName, _ type: DNSType) -> DNSAnswer? {
        if name.isWithin(localhost) {
            // RFC 6761 §6.3.
            switch type {
            case .a: return DNSAnswer(to: name, type, .success, [.address(.v4(0x7f00_0001))], seconds: seconds)
            case .aaaa: return DNSAnswer(to: name, type, .success, [.address(.v6(1))], seconds: seconds)
            default: return DNSAnswer(to: name, type, seconds: seconds, by: localhost)
            }
        }
        // The one name at the head of each zone is there, and nothing below it.
        guard let zone = zones.first(where: name.isWithin) else {
            // A single label is a name of the home or nobody's.
            guard name.labelCount == 1 else { return nil }
            // But whoever checks signatures asks the root for what ties a top-level domain to it.
            guard !DNSType.ofDelegations.contains(type) else { return nil }
            return DNSAnswer(to: name, type, .noSuchName, seconds: HomeNames.absenceSeconds, by: name)
        }
        let isNowhere = nowhere.contains(zone)
        let isHead = name == zone && !isNowhere
        // The zone above tells, signed, that nothing ties this one to it (RFC 4035 §3.1.4.1, RFC 8375 §4).
        if isHead, type == .delegationSigner { return nil }
        let seconds = isHead || isNowhere ? seconds : HomeNames.absenceSeconds
        return DNSAnswer(to: name, type, isHead ? .success : .noSuchName, seconds: seconds, by: zone)
    }

    private static let seconds: UInt32 = 300
    private static let localhost = DNSName("localhost")!

    /// Zones that do not even have a head.
    private static let nowhere: Set<DNSName> = Set(
        [
            // RFC 6761 §6.2, §6.4; RFC 7686 §2; RFC 9476 §2; RFC 6762 §3 (multicast DNS tells those, and nothing else does);
            // set aside for private use by ICANN in 2024.
            "test", "invalid", "onion", "alt", "local", "internal",
            // Firefox asks for it to learn whether the network minds that its questions go elsewhere: this says yes.
            "use-application-dns.net",
        ].map { DNSName($0)! })

    private static let zones: [DNSName] =
        Array(nowhere)
        + [
            // RFC 9462 §6.4: which encrypted server belongs to this one; there is none, and the upstream's is not to be told.
            "resolver.arpa",
            // RFC 8375 §4.
            "home.arpa",
            // RFC 6303 §4, RFC 7793 §2.
            "10.in-addr.arpa", "168.192.in-addr.arpa", "0.in-addr.arpa", "127.in-addr.arpa", "254.169.in-addr.arpa",
            "2.0.192.in-addr.arpa", "100.51.198.in-addr.arpa", "113.0.203.in-addr.arpa", "255.255.255.255.in-addr.arpa",
            String(repeating: "0.", count: 32) + "ip6.arpa", "1." + String(repeating: "0.", count: 31) + "ip6.arpa",
            "c.f.ip6.arpa", "d.f.ip6.arpa", "8.e.f.ip6.arpa", "9.e.f.ip6.arpa", "a.e.f.ip6.arpa", "b.e.f.ip6.arpa",
            "8.b.d.0.1.0.0.2.ip6.arpa",
        ].map { DNSName($0)! } + (16...31).map { DNSName("\($0).172.in-addr.arpa")! }
        + (64...127).map { DNSName("\($0).100.in-addr.arpa")! }
}

extension DNSType {
    /// NS, SOA, DS, DNSKEY (RFC 4034 §2).
    static let ofDelegations: Set<DNSType> = [.ns, .authority, .delegationSigner, DNSType(rawValue: 48)]
}
