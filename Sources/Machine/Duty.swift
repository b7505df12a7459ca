import Glibc

/// Something that this machine does for others, beside listening on ports, and that a firewall which lets nothing pass
/// would end.
package enum Duty: Hashable, Sendable {
    /// It passes on packets between its interfaces (net.ipv4.ip_forward or its IPv6 twin is on).
    case forwarding
    /// Containers' or guests' networks hang on these interfaces.
    case guests(Host, interfaces: [String])
    /// Tunnels of WireGuard.
    case tunnels([String])
    /// Frames between the ports of these bridges pass through the IP firewall as well (br_netfilter is loaded), as those
    /// between Wi-Fi and cable do.
    case bridging([String])

    package enum Host: String, Hashable, Sendable, CaseIterable {
        case docker = "Docker"
        case libvirt
        case lxd = "LXD"
        case incus = "Incus"
        case lxc = "LXC"
        case podman = "Podman"
        case tailscale = "Tailscale"

        /// Whether an interface of this name is one that it makes.
        fileprivate func makes(_ interface: String) -> Bool {
            switch self {
            case .docker: interface == "docker0" || interface == "docker_gwbridge" || isNetworkOfDocker(interface)
            case .libvirt: interface.hasPrefix("virbr")
            case .lxd: interface.hasPrefix("lxdbr")
            case .incus: interface.hasPrefix("incusbr")
            case .lxc: interface.hasPrefix("lxcbr")
            case .podman: interface.hasPrefix("podman") || interface.hasPrefix("cni-podman")
            case .tailscale: interface.hasPrefix("tailscale")
            }
        }

        /// `br-` and the twelve digits with which the network's number begins.
        private func isNetworkOfDocker(_ interface: String) -> Bool {
            let digits = interface.utf8.dropFirst(3)
            return interface.hasPrefix("br-") && digits.count == 12
                && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }
    }
}

extension Duty {
    /// What the kernel's settings and the interfaces show, in the calling thread's network namespace.
    package static func all() throws(MachineFailure) -> [Duty] {
        let isForwarding =
            ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"].contains(where: isOn)
        let isBridgeFiltered =
            ["/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"]
            .contains(where: isOn)
        return of(try Link.all(), isForwarding: isForwarding, isBridgeFiltered: isBridgeFiltered)
    }

    static func of(_ links: [Link], isForwarding: Bool, isBridgeFiltered: Bool) -> [Duty] {
        var duties: [Duty] = isForwarding ? [.forwarding] : []
        for host in Host.allCases {
            let own = links.map(\.name).filter(host.makes)
            if !own.isEmpty { duties.append(.guests(host, interfaces: own)) }
        }
        let tunnels = links.filter { $0.kind == "wireguard" }.map(\.name)
        if !tunnels.isEmpty { duties.append(.tunnels(tunnels)) }
        // A bridge with a single port passes nothing on.
        let bridges = links.filter { bridge in
            bridge.kind == "bridge" && links.count { $0.bridge == bridge.index } > 1
        }
        if isBridgeFiltered, !bridges.isEmpty { duties.append(.bridging(bridges.map(\.name))) }
        return duties
    }

    private static func isOn(_ path: String) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var byte: UInt8 = 0
        return read(file, &byte, 1) == 1 && byte != UInt8(ascii: "0")
    }
}

extension Duty: CustomStringConvertible {
    /// What would end, as a sentence.
    package var description: String {
        switch self {
        case .forwarding:
            "this machine passes packets on between its interfaces (ip_forward is on); only what the policy lets pass will"
        case .guests(.tailscale, let interfaces):
            "Tailscale (\(interfaces.joined(separator: ", "))): what it carries for other machines will not pass"
        case .guests(let host, let interfaces):
            "\(host.rawValue) (\(interfaces.joined(separator: ", "))): its networks will reach nothing, and nobody its "
                + "published ports"
        case .tunnels(let interfaces):
            "WireGuard (\(interfaces.joined(separator: ", "))): what it carries for other machines will not pass"
        case .bridging(let bridges):
            "frames between the ports of \(bridges.joined(separator: ", ")), as from Wi-Fi to cable, will not pass: "
                + "br_netfilter sends them through the firewall"
        }
    }
}
