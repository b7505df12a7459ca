/// Which interface of the machine leads to the home and which to the internet, as far as the machine itself can tell.
package struct Sides: Codable, Hashable, Sendable {
    package var home: String
    /// nil: the machine is one-armed, and its only interface is both the home's and the way out; or nobody knows.
    package var internet: String?

    package init(home: String, internet: String? = nil) {
        self.home = home
        self.internet = internet
    }

    /// Whether one interface is both.
    package func isOneArmed(in surroundings: Surroundings) -> Bool {
        internet == nil && surroundings.candidates.allSatisfy { $0.name == home }
    }
}

extension Sides {
    /// The likeliest ones: the internet is where the default route leads, the home an interface with a private address
    /// behind which something is plugged in.
    ///
    /// - Returns: nil: no interface has an address for the proxies to listen on, and none that could be given one.
    package static func proposed(in surroundings: Surroundings) -> Sides? {
        let candidates = surroundings.candidates
        let internet = candidates.first(where: \.hasDefaultRoute)
        let homes = candidates.filter { $0.ownAddress != nil && $0.name != internet?.name }
        // A bare box has an address on the internet's side alone.
        let bare = candidates.filter { $0.ownAddress == nil && $0.name != internet?.name }
        let likeliest =
            homes.first { $0.isPrivate && $0.hasCarrier } ?? homes.first(where: \.isPrivate) ?? homes.first
            ?? (internet == nil ? nil : bare.first(where: \.hasCarrier) ?? (bare.count == 1 ? bare[0] : nil))
        if let likeliest {
            let other = internet ?? candidates.first { $0.name != likeliest.name && $0.couldLeadOut }
            return Sides(home: likeliest.name, internet: other?.name)
        }
        guard let internet, internet.ownAddress != nil,
            !candidates.contains(where: { $0.name != internet.name && $0.couldLeadOut })
        else { return nil }
        return Sides(home: internet.name)
    }
}

extension Sides: CustomStringConvertible {
    /// As on the command line.
    package var description: String { "--home \(home)" + (internet.map { " --internet \($0)" } ?? "") }
}

extension Surroundings {
    /// The interfaces that may lead to a home or to the internet, in the kernel's order.
    package var candidates: [Interface] { interfaces.filter { !$0.isOfThisMachine } }
}

extension Surroundings.Interface {
    /// Whether nothing but this machine itself, or what runs on it, is behind the interface. A bridge may well be the home's,
    /// of cable and Wi-Fi; those that Docker and others make for their guests are told by their names.
    fileprivate var isOfThisMachine: Bool {
        let makers = ["docker", "virbr", "vnet", "lxdbr", "lxcbr", "incusbr", "podman", "cni", "tailscale"]
        let isNetworkOfDocker =
            name.hasPrefix("br-") && name.utf8.count == 15 && name.dropFirst(3).allSatisfy(\.isHexDigit)
        return isLoopback || driver != "bridge" && !isOwnDoor || isNetworkOfDocker
            || makers.contains(where: name.hasPrefix)
    }

    fileprivate var isPrivate: Bool { ownAddress?.special == .privateRange }

    /// Somebody is at the other end, or the interface has an address all the same.
    fileprivate var couldLeadOut: Bool { hasCarrier || !addresses.isEmpty }
}
