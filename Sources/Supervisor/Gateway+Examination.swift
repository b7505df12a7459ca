import Address
import Admin
import Machine
import Policy
import Reactor
import Ruleset

/// How the gateway is: what `doctor` tells.
extension Gateway {
    /// Below so many bytes the store may soon not be written any more.
    private static let leastSpace = 64 << 20

    func examination() async -> Examine.Reply {
        let state = await door.state(firewallMode)
        return Examine.Reply(
            findings: findings(state), nameServers: names.servers.servers.map { "\($0.address)" })
    }

    /// What is worst of what no warning tells; nil: nothing is wrong.
    func worstFinding(_ state: DoorState, besides warnings: [String]) -> Finding? {
        let rest = findings(state).filter { $0.grade != .good && !warnings.contains($0.text) }
        return rest.first { $0.grade == .bad } ?? rest.first
    }

    /// In the order in which somebody would look for a fault: the daemon, the machine, the door, the network, what is offered.
    private func findings(_ state: DoorState) -> [Finding] {
        var looked = [daemonFinding, storeFinding, spaceFinding]
        looked += kernelFindings
        looked += [clockFinding, doorFinding(state)]
        looked += otherTables
        looked += zoneFindings
        looked += strays
        looked.append(routeFinding)
        looked += nameFindings
        looked += listenerFindings(state)
        looked += serviceFindings
        looked += certificateFindings
        let told = Set(looked.map(\.text))
        // What else is to be looked at.
        return looked + warnings.filter { !told.contains($0) }.map { Finding("policy", .doubtful, $0) }
    }

    // MARK: - The daemon and the machine

    private var daemonFinding: Finding {
        let dead = processes.filter { $0.state != .running }
        if let process = dead.first {
            // It waits for the firewall's rules, as long as the kernel has not taken them.
            let why = process.lastEnd.isEmpty ? "has not begun its work yet" : "does not run: it \(process.lastEnd)"
            return Finding(
                "processes", .bad, "the \(process.role.name) role \(why)",
                remedy: "`journalctl -u gatehouse` says why")
        }
        let restarts = processes.reduce(0) { $0 + $1.restarts }
        return Finding(
            "processes", restarts > 0 ? .doubtful : .good,
            "all \(processes.count) roles run" + (restarts > 0 ? ", after \(restarts) restarts" : ""),
            remedy: restarts > 0 ? "`gatehousectl what-changed` shows when they ended" : nil)
    }

    private var storeFinding: Finding {
        if let fallback = door.fallback {
            return Finding("store", .bad, "\(fallback)", remedy: "nothing can be changed until it can be read again")
        }
        if let copyFailure {
            return Finding(
                "store", .doubtful, "\(copyFailure)", remedy: "a start without the store would find an older policy")
        }
        return Finding("store", .good, "revision \(revision.id) is kept")
    }

    private var spaceFinding: Finding {
        guard let system = FileSystem(holding: options.state) else {
            return Finding("disk", .bad, "\(options.state) cannot be looked at")
        }
        let megabytes = "\(system.free >> 20) MB free for \(options.state)"
        if system.isReadOnly {
            return Finding(
                "disk", .bad, "\(options.state) is read-only",
                remedy: "nothing can be changed: `mount -o remount,rw`, or a new card")
        }
        guard system.free >= Self.leastSpace else {
            return Finding("disk", .bad, megabytes, remedy: "make room: `journalctl --vacuum-size=50M`, `apt clean`")
        }
        return Finding("disk", .good, megabytes)
    }

    private var kernelFindings: [Finding] {
        let release = KernelRelease.current
        var findings: [Finding] = []
        if options.ownsTable, !release.isAtLeast(6, 9) {
            findings.append(
                Finding("kernel", .good, "Linux \(release): a flushed table is put back when the kernel tells of it"))
        } else {
            findings.append(Finding("kernel", .good, "Linux \(release)"))
        }
        if let obstacle = Sandbox.landlockObstacle {
            findings.append(
                Finding(
                    "sandbox", .doubtful, obstacle, remedy: "a kernel with Landlock (5.13) shuts the roles in better"))
        } else {
            findings.append(Finding("sandbox", .good, "Landlock and seccomp shut the roles in"))
        }
        findings += ground.faults.map { Finding("settings", .bad, $0) }
        return findings
    }

    private var clockFinding: Finding {
        switch WallClock.isSynchronised {
        case true?: Finding("clock", .good, "a time server keeps it right")
        case false?:
            Finding(
                "clock", .doubtful, "no time server keeps it right: certificates, schedules and logs go by it",
                remedy: "`timedatectl set-ntp true`, or install systemd-timesyncd or chrony")
        case nil: Finding("clock", .doubtful, "the kernel does not say whether it is right")
        }
    }

    // MARK: - The door

    private func doorFinding(_ state: DoorState) -> Finding {
        switch state {
        case .enforced: Finding("firewall", .good, "\(state)")
        case .trial:
            Finding("firewall", .doubtful, "\(state)", remedy: "`gatehousectl confirm` keeps it, or it falls back")
        case .observing, .off, .left:
            Finding("firewall", .doubtful, "\(state)", remedy: "`gatehousectl firewall enforce`")
        case .starting: Finding("firewall", .doubtful, "\(state)")
        case .unknown, .fallback, .refused:
            Finding("firewall", .bad, "\(state)", remedy: "`journalctl -u gatehouse` says more")
        }
    }

    private var otherTables: [Finding] {
        guard !door.foreign.isEmpty else { return [Finding("other tables", .good, "nothing else filters here")] }
        return door.foreign.map { Finding("other tables", .doubtful, $0, remedy: "`nft list ruleset` shows it") }
    }

    // MARK: - The network

    private var zoneFindings: [Finding] {
        policy.zones.flatMap { zone -> [Finding] in
            guard !zone.interfaces.isEmpty else {
                guard [Zone.home, Zone.internet].contains(zone.name) else { return [] }
                // A box with one interface has no side for the internet.
                let isOneArmed = zone.name == Zone.internet && !policy.lan.isEmpty
                return [
                    Finding(
                        zone.name, isOneArmed ? .good : .bad,
                        isOneArmed ? "one interface for all: nothing is routed" : "no interface is in it",
                        remedy: isOneArmed ? nil : "`gatehousectl setup`")
                ]
            }
            return zone.interfaces.map { finding(on: $0, in: zone) }
        }
    }

    private func finding(on name: String, in zone: Zone) -> Finding {
        guard let interface = surroundings.interface(named: name) else {
            return Finding(
                zone.name, .bad, "there is no interface \(name)",
                remedy: "`ip link` shows those that there are; `gatehousectl zone set \(zone.name) --interface NAME`")
        }
        guard interface.isUp else {
            return Finding(zone.name, .bad, "\(name) is switched off", remedy: "`ip link set \(name) up`")
        }
        guard interface.hasCarrier else {
            return Finding(
                zone.name, .bad, "nobody is at the other end of \(name)",
                remedy: "look at the cable, the switch or the Wi-Fi")
        }
        let addresses = interface.addresses.filter { $0.address.special != .linkLocal }
        guard !addresses.isEmpty else {
            let remedy =
                zone.name == Zone.internet
                ? "no address came by DHCP: restart the modem, then `networkctl renew \(name)` or its like"
                : "`gatehousectl zone set \(zone.name) --address ADDRESS/PREFIX`"
            return Finding(zone.name, .bad, "\(name) has no address", remedy: remedy)
        }
        return Finding(zone.name, .good, "\(name): \(addresses.map(\.description).joined(separator: " "))")
    }

    /// Interfaces that lead somewhere and are in no zone: what is behind them gets nothing.
    private var strays: [Finding] {
        surroundings.interfaces.filter { $0.isOwnDoor && $0.hasCarrier && policy.zone(of: $0.name) == nil }.map {
            Finding(
                "zones", .doubtful, "\($0.name) is in no zone, and what is behind it gets nothing",
                remedy: "`gatehousectl zone set ZONE --interface \($0.name)`, if it is to get something")
        }
    }

    private var routeFinding: Finding {
        let ways = surroundings.interfaces.filter(\.hasDefaultRoute).map(\.name)
        guard !ways.isEmpty else {
            return Finding(
                "route", .bad, "there is no default route, so nothing gets to the internet",
                remedy: "no router was told by DHCP: look at the modem, then `ip route`")
        }
        let outside = policy.wan
        guard outside.isEmpty || ways.contains(where: outside.contains) else {
            return Finding(
                "route", .bad,
                "the default route leads out by \(ways.joined(separator: ", ")), which is not the internet's side",
                remedy: "`gatehousectl setup` puts the sides right")
        }
        let ipv6 = surroundings.interfaces.contains(where: \.leadsOutByIPv6) ? "" : "; none for IPv6"
        return Finding("route", .good, "everything leaves by \(ways.joined(separator: ", "))\(ipv6)")
    }

    private var nameFindings: [Finding] {
        let warnings = nameWarnings
        guard warnings.isEmpty else {
            return warnings.map { Finding("names", .bad, $0, remedy: "/etc/resolv.conf names the servers") }
        }
        return [
            Finding("names", .good, "asked of \(names.servers.servers.map(\.description).joined(separator: ", "))")
        ]
    }

    // MARK: - What is offered

    private func listenerFindings(_ state: DoorState) -> [Finding] {
        guard !policy.listeners.isEmpty else {
            return [Finding("listeners", .doubtful, "there is none yet", remedy: "`gatehousectl setup`")]
        }
        let exposure = Exposure(
            ruleset: state.isHeld ? rules(of: policy) : nil, policy: policy, surroundings: surroundings,
            published: door.published)
        return policy.listeners.map { listener in
            let subject = "\(listener.kind) \(listener.endpoint)"
            if let missing = missing.first(where: { $0.listener == listener }) {
                return Finding(subject, .bad, "it is not open: \(missing.reason)")
            }
            let address = listener.endpoint.address.unmapped
            if address.isLoopback { return Finding(subject, .good, "open, for this machine alone") }
            let held = surroundings.interfaces.flatMap(\.addresses).map(\.address)
            let reach = exposure.reach(
                of: Exposure.Target(
                    content: .tcp(listener.endpoint.port),
                    addresses: address.isUnspecified ? held.filter { $0.isIPv6 == address.isIPv6 } : [address],
                    interface: policy.device(of: listener, in: surroundings),
                    isBoundToAddress: !address.isUnspecified))
            guard !reach.isEmpty else {
                return Finding(
                    subject, .bad, "it is open, and nobody reaches it",
                    remedy: "`gatehousectl listener set` says for whom it is; `gatehousectl zone list` shows the zones")
            }
            let isOutside = reach.contains { $0.zone == Zone.internet }
            return Finding(
                subject, isOutside ? .doubtful : .good, "open to \(reach.map(\.description).joined(separator: ", "))",
                remedy: isOutside
                    ? "the internet reaches it; `gatehousectl listener set` with `--from home` shuts it off" : nil)
        }
    }

    private var serviceFindings: [Finding] {
        guard companion.wanted != nil else { return [] }
        let warnings = serviceWarnings
        guard warnings.isEmpty else { return warnings.map { Finding("addresses", .bad, $0) } }
        let served = policy.zones.filter { $0.service?.dhcp == true }.map(\.name)
        return [
            Finding(
                "addresses", companion.state == .running ? .good : .bad,
                companion.state == .running
                    ? "given to devices in \(served.joined(separator: ", ")), and nobody else gives any"
                    : "dnsmasq is \(companion.state.rawValue)")
        ]
    }

    private var certificateFindings: [Finding] {
        guard policy.listeners.contains(where: { $0.kind == .https }) else { return [] }
        let warnings = certificateWarnings
        guard warnings.isEmpty else { return warnings.map { Finding("certificate", .bad, $0) } }
        return [Finding("certificate", .good, "the https listeners show one that holds")]
    }
}
