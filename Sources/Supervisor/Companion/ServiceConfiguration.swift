import Address
import Machine
import Policy

/// The one file by which dnsmasq gives the devices of served zones their addresses: DHCP and router advertisements, no DNS.
/// The same policy on the same machine makes the same file.
struct ServiceConfiguration: Hashable, Sendable {
    let links: [ServedLink]
    let text: String

    /// How long a device may keep its address without asking again. It asks after half of it.
    private static let leaseTime = "12h"
    /// Where dnsmasq finds what it was started with: the descriptors of `CompanionHost`, by which it needs no right on the
    /// directories in which the files are.
    private static let leaseFile = "/proc/self/fd/0"

    /// nil: nobody is given addresses.
    init?(policy: Policy, surroundings: Surroundings) {
        let links = policy.servedLinks(in: surroundings)
        self.links = links
        guard !links.isEmpty else { return nil }
        let fixed = policy.devices.filter { device in
            device.address.map { address in links.contains { $0.address?.network.contains(address) == true } } ?? false
        }
        var lines = Self.general
        let most = links.reduce(fixed.count) { $0 + ($1.range?.count ?? 0) }
        // Ranges bound what is given out. With more leases in its file than these, as a larger range of before leaves there,
        // dnsmasq ends.
        lines.append("dhcp-lease-max=\(most + LeaseTable.limit)")
        for link in links {
            lines += ["", "# \(link.zone)"]
            lines += Self.lines(for: link, policy, surroundings)
        }
        if !fixed.isEmpty { lines.append("") }
        for device in fixed {
            guard let address = device.address else { continue }
            // Without its name, which may be a word of dnsmasq's: `ignore`, `infinite`, `2d`. Names are told by ourselves.
            lines.append("dhcp-host=\(device.hardware),\(address)")
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    private static let general = [
        "# Made by gatehoused of its policy; what is changed here is lost. See `gatehousectl zone set --help`.",
        "port=0",
        // A socket for each interface, and interfaces may come and go.
        "bind-dynamic",
        // It becomes nobody else: it is who it is to be when it is started, and holds no more than it needs.
        "keep-in-foreground", "user", "group", "pid-file", "log-facility=-",
        "no-hosts", "no-resolv",
        "dhcp-leasefile=\(leaseFile)",
        // Alone on its links: a device that asks for an address of another network is told at once to ask anew.
        "dhcp-authoritative",
        // A line for each lease is a log of who is at home when.
        "quiet-dhcp", "quiet-dhcp6", "quiet-ra",
        "enable-ra",
        // RFC 8375.
        "domain=home.arpa",
    ]

    private static func lines(for link: ServedLink, _ policy: Policy, _ surroundings: Surroundings) -> [String] {
        let name = link.interface
        let mtu = surroundings.interface(named: name)?.mtu
        // A tag of the interface's name is on whatever comes by it.
        func option(_ option: String, _ value: String) -> String { "dhcp-option=tag:\(name),\(option),\(value)" }
        var lines = ["interface=\(name)"]
        if let address = link.address, let range = link.range {
            lines.append(
                "dhcp-range=\(range.lower),\(range.upper),\(mask(address.prefix)),\(leaseTime)")
            lines.append(option("option:router", "\(address.address)"))
            if link.answersNames { lines.append(option("option:dns-server", "\(address.address)")) }
            if policy.opensTime(to: link.zone) { lines.append(option("option:ntp-server", "\(address.address)")) }
            if let mtu, mtu != 1500, (576...65535).contains(mtu) { lines.append(option("option:mtu", "\(mtu)")) }
            if let script = script(for: link, at: address.address, policy, surroundings) {
                lines.append(option("252", "\"\(script)\""))
            }
        }
        lines.append("dhcp-range=::,constructor:\(name),ra-stateless,64,\(leaseTime)")
        // RFC 7084 G-4: no router for the internet where no way leads there. 0 stands for the usual interval.
        lines.append("ra-param=\(name),0,\(policy.leadsOutByIPv6(in: surroundings) ? 1800 : 0)")
        if link.answersNames {
            // An address of the provider's, for which `::` stands, comes and goes; the home's own stays.
            lines.append(option("option6:dns-server", "[\(link.uniqueLocal.map { "\($0)" } ?? "::")]"))
        }
        return lines
    }

    /// Where the PAC file is, if a listener there serves it to everybody without a password.
    private static func script(
        for link: ServedLink, at address: IPAddress, _ policy: Policy, _ surroundings: Surroundings
    ) -> String? {
        guard let range = link.range else { return nil }
        let offers = Premises(policy, surroundings: surroundings).offers(to: range.lower, at: address).filter {
            ($0.kind == .http || $0.kind == .mixed) && !$0.needsPassword && $0.isIPv4
        }
        return ClientSettings(offers).script
    }

    private static func mask(_ prefix: Int) -> IPAddress { .v4(UInt32.max << UInt32(32 - prefix)) }
}

extension Policy {
    /// Whether the operator has opened NTP's port (RFC 5905 §7.2) of the gateway to a zone: there is a server then.
    fileprivate func opensTime(to zone: String) -> Bool {
        openings.contains { opening in
            (opening.place == .zone(zone) || opening.place == .anywhere) && opening.source == nil
                && opening.services.contains { service in
                    if case .ports(.udp, let ports) = service { ports.contains(123) } else { false }
                }
        }
    }

    /// Whether a packet of IPv6 for everywhere that comes to the gateway from the home goes on to the internet.
    fileprivate func leadsOutByIPv6(in surroundings: Surroundings) -> Bool {
        isRouter && wan.contains { surroundings.interface(named: $0)?.leadsOutByIPv6 == true }
    }
}
