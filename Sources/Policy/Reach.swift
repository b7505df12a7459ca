package import Address

/// One interface by which something can be reached.
package struct Reach: Codable, Hashable, Sendable {
    /// Wider ones first.
    package enum Audience: String, Codable, Hashable, Sendable, CaseIterable, Comparable {
        case everybody, knownDevices, network

        package static func < (left: Self, right: Self) -> Bool {
            (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
        }
    }

    package var interface: String
    /// nil: the interface is in none.
    package var zone: String?
    package var audience: Audience
    /// The one network from which; nil: from all.
    package var source: Network?
    /// What the rule that lets them in is called; nil: none does, as nothing is filtered.
    package var rule: String?

    package init(
        interface: String, zone: String?, audience: Audience, source: Network? = nil, rule: String? = nil
    ) {
        self.interface = interface
        self.zone = zone
        self.audience = audience
        self.source = source
        self.rule = rule
    }
}

extension Reach: CustomStringConvertible {
    /// `home`, `guest (known devices)`, `internet from 203.0.113.7`, `wlan1, which is in no zone`.
    package var description: String {
        let place = zone ?? "\(interface), which is in no zone"
        switch audience {
        case .everybody: return place
        case .knownDevices: return "\(place) (known devices)"
        case .network: return "\(place) from \(source.map { "\($0)" } ?? "some")"
        }
    }
}
