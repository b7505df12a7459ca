// What is not as the operator wants it, though nothing is wrong with the policy: an interface that is missing, an address that
// nobody holds, a door that is wider than most people want.

package import Address

extension Policy {
    /// A sentence for each thing, in the order of the policy.
    ///
    /// - Parameter known: the hardware addresses that interfaces had when they were last there, by the interfaces' names.
    package func warnings(in surroundings: Surroundings, known: [String: HardwareAddress] = [:]) -> [String] {
        let renamed = renamed(in: surroundings, known: known)
        let isMissing = { (name: String) in surroundings.interface(named: name) == nil && renamed[name] == nil }
        var warnings = renamed.sorted { $0.key < $1.key }.map { warning(renamed: $0.key, to: $0.value) }
        for zone in zones {
            warnings += zone.interfaces.filter(isMissing).map {
                "there is no interface \($0) at the moment, which is in the zone \(zone.name)"
            }
            if !zone.interfaces.contains(where: isMissing) { warnings += obstacles(toServing: zone, in: surroundings) }
        }
        for listener in listeners {
            if let text = warning(for: listener, in: surroundings, isMissing) { warnings.append(text) }
        }
        for opening in openings {
            if let text = warning(for: opening, isMissing) { warnings.append(text) }
        }
        warnings += warningsOfShutDoors(in: surroundings)
        if !surroundings.accounts.numbers.isEmpty {
            warnings += exits.filter { $0.user.map { surroundings.accounts.number(of: $0) == nil } ?? false }.map {
                "the exit \($0.name) lets nothing out: there is no account \($0.user ?? "") on this machine"
            }
        }
        if firewall == .enforce, defaultAction == .deny, zones.contains(where: isRouted),
            !rules.contains(where: { $0.action == .allow && $0.user == nil }),
            !passages.contains(where: { $0.ends.to == Zone.internet })
        {
            warnings.append(
                "no routed device reaches the internet, because the default is to deny and no rule allows anything; "
                    + "`gatehousectl rule add allow --port 443` lets one thing pass, `gatehousectl rule default allow` all"
            )
        }
        if egress == .strict, firewall != .enforce {
            warnings.append(
                "egress is strict and refuses nothing, because the firewall is not enforced; `gatehousectl firewall enforce` does that"
            )
        }
        if wan.isEmpty {
            warnings += networkLists.map {
                "the blocklist \($0.name) shuts nothing out: no interface leads to the internet; `gatehousectl zone set internet "
                    + "--interface NAME` gives it one"
            }
        }
        return warnings
    }

    private func warning(
        for listener: Listener, in surroundings: Surroundings, _ isMissing: (String) -> Bool
    ) -> String? {
        let (name, address) = ("\(listener.kind.rawValue) \(listener.endpoint)", listener.endpoint.address.unmapped)
        if let interface = listener.interface, isMissing(interface) {
            return "nobody reaches \(name): there is no interface \(interface) at the moment"
        }
        if let zone = listener.zone, interfaces(of: zone).isEmpty {
            return
                "nobody reaches \(name): the zone \(zone) has no interface; `gatehousectl zone set \(zone)` gives it one"
        }
        guard !address.isUnspecified, !address.isLoopback else { return nil }
        guard let holder = surroundings.interface(holding: address) else {
            return "nobody reaches \(name): no interface has the address \(address) at the moment"
        }
        guard interfaces(of: listener, in: surroundings) == [] else { return nil }
        return "nobody reaches \(name), which asks for no password: its address is on \(holder.name), which is "
            + (zone(of: holder.name) == nil ? "in no zone" : "the internet's")
    }

    private func warning(for opening: Opening, _ isMissing: (String) -> Bool) -> String? {
        switch opening.place {
        case .anywhere where opening.source == nil:
            "the opening \(opening.name) is for anywhere, the internet included; `gatehousectl firewall close "
                + "\(opening.name)`, and open it again with `--from home` to keep it to the home"
        case .anywhere: nil
        case .interface(let name) where isMissing(name):
            "the opening \(opening.name) lets nobody in: there is no interface \(name) at the moment"
        case .zone(let name) where interfaces(of: name).isEmpty:
            "the opening \(opening.name) lets nobody in: the zone \(name) has no interface; `gatehousectl zone set "
                + "\(name)` gives it one"
        case .interface, .zone: nil
        }
    }

    // MARK: interfaces that changed their name

    /// The interfaces that the policy names and that have another name now, with that name: told by the hardware address.
    package func renamed(in surroundings: Surroundings, known: [String: HardwareAddress]) -> [String: String] {
        var renamed: [String: String] = [:]
        for name in namedInterfaces {
            guard let address = known[name], surroundings.interface(named: name)?.hardware != address else { continue }
            // A bridge or a VLAN has the address of one of its members: the member is what was renamed.
            let heirs = surroundings.interfaces.filter { $0.hardware == address && $0.name != name }
            renamed[name] = (heirs.first(where: \.isOwnDoor) ?? heirs.first)?.name
        }
        return renamed
    }

    /// The hardware addresses of the interfaces that the policy names, as far as `known` has others. One that has another name
    /// now keeps the address by which that is told.
    package func hardwareToRemember(
        in surroundings: Surroundings, known: [String: HardwareAddress]
    ) -> [String: HardwareAddress] {
        let renamed = renamed(in: surroundings, known: known)
        var seen: [String: HardwareAddress] = [:]
        for name in namedInterfaces where renamed[name] == nil {
            guard let address = surroundings.interface(named: name)?.hardware, known[name] != address else { continue }
            seen[name] = address
        }
        return seen
    }

    /// Every interface that something of the policy names.
    package var namedInterfaces: Set<String> {
        Set(zones.flatMap(\.interfaces) + listeners.compactMap(\.interface) + openings.compactMap(\.interface))
    }

    private func warning(renamed old: String, to new: String) -> String {
        let text = "\(old) is now called \(new)"
        guard let zone = zone(of: old) else { return text + "; say so where the policy names \(old)" }
        if let other = self.zone(of: new) {
            return text + ", and \(new) is in the zone \(other.name); `gatehousectl setup` puts the sides right"
        }
        let interfaces = zone.interfaces.map { $0 == old ? new : $0 }.joined(separator: ",")
        return text + ": `gatehousectl zone set \(zone.name) --interface \(interfaces)`"
    }
}

extension Opening {
    /// The one that it names, if it names one.
    fileprivate var interface: String? { if case .interface(let name) = place { name } else { nil } }
}
