import Address
import Machine
import Policy

extension Gateway {
    /// What is in the way of the home's having IPv6 of the provider's, with the line that is missing.
    var prefixWarnings: [String] {
        guard firewallMode == .enforce, let home = policy.zones.first(where: policy.isRouted) else { return [] }
        var warnings: [String] = []
        for internet in policy.wan {
            guard let keeper = NetworkKeeper.of(internet) else { continue }
            if let remedy = keeper.advertisementRemedy(for: internet) {
                warnings.append(
                    "\(keeper) takes no router advertisements on \(internet) while the zone \(home.name) is routed, and with them "
                        + "the box loses IPv6: \(remedy)")
            }
        }
        return warnings
            + policy.zonesWithoutPrefix(in: surroundings).map { zone, interface, internet in
                let remedy =
                    NetworkKeeper.of(internet)?.delegation(from: internet, to: interface)
                    ?? "whatever looks after \(internet) has to ask for one (DHCPv6, IA_PD) and give \(interface) an address of it"
                return
                    "the zone \(zone) has no IPv6 of the provider's, for no prefix was handed on to \(interface): \(remedy)"
            }
    }
}
