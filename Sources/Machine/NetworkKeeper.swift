import Glibc

/// A program that looks after the addresses of an interface, by what it leaves under /run while it does.
package struct NetworkKeeper: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// systemd-networkd, by that file.
        case networkd(file: String?)
        case networkManager
        case dhcpcd
        case ifupdown
    }

    package let kind: Kind

    /// Who looks after `interface`; nil: nobody that is known.
    ///
    /// - Parameter run: where they leave it.
    package static func of(_ interface: String, in run: String = "/run") -> NetworkKeeper? {
        of(interface, index: if_nametoindex(interface), in: run)
    }

    static func of(_ interface: String, index: UInt32, in run: String) -> NetworkKeeper? {
        let link = lines(of: "\(run)/systemd/netif/links/\(index)")
        // networkctl(1): an interface that no file is about is `unmanaged`.
        if let state = link["ADMIN_STATE"], state != "unmanaged" {
            return NetworkKeeper(kind: .networkd(file: link["NETWORK_FILE"]))
        }
        if lines(of: "\(run)/NetworkManager/devices/\(index)")["managed"] == "true" {
            return NetworkKeeper(kind: .networkManager)
        }
        // dhcpcd(8): one process for all interfaces, for one, or for one family of one.
        let pids = ["pid", "\(interface).pid", "\(interface)-4.pid", "\(interface)-6.pid"]
        if pids.contains(where: { isAlive("\(run)/dhcpcd/\($0)") }) { return NetworkKeeper(kind: .dhcpcd) }
        if lines(of: "\(run)/network/ifstate")[interface] != nil { return NetworkKeeper(kind: .ifupdown) }
        return nil
    }

    /// What to do so that the interface has `address`.
    package func remedy(_ address: String, on interface: String) -> String {
        switch kind {
        case .networkd(let file):
            "write `Address=\(address)` into \(file ?? "its file under /etc/systemd/network") and run `networkctl reload`, or "
                + "have it leave \(interface) alone (`Unmanaged=yes` under [Link])"
        case .networkManager:
            "run `nmcli device modify \(interface) ipv4.method manual ipv4.addresses \(address)`, or have it leave the interface "
                + "alone (`nmcli device set \(interface) managed no`)"
        case .dhcpcd:
            "write `interface \(interface)` and `static ip_address=\(address)` into /etc/dhcpcd.conf, or have it leave the "
                + "interface alone (`denyinterfaces \(interface)`), and start it anew"
        case .ifupdown:
            "write `iface \(interface) inet static` and `address \(address)` into /etc/network/interfaces, or take \(interface) "
                + "out of it (`ifdown \(interface)` first)"
        }
    }

    /// Whether there is the process whose number stands in the file. One that was killed leaves its file behind.
    private static func isAlive(_ path: String) -> Bool {
        guard let number = text(of: path).split(separator: "\n").first.flatMap({ pid_t($0) }), number > 0 else {
            return false
        }
        // Another user's process is alive, too (EPERM).
        return kill(number, 0) == 0 || errno != ESRCH
    }

    private static func text(of path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var buffer = [UInt8](repeating: 0, count: 16384)
        let count = read(file, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : ""
    }

    /// What stands behind `=`, by what stands before it.
    private static func lines(of path: String) -> [String: String] {
        var found: [String: String] = [:]
        for line in text(of: path).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2 { found[parts[0]] = parts[1] }
        }
        return found
    }
}

extension NetworkKeeper: CustomStringConvertible {
    package var description: String {
        switch kind {
        case .networkd: "systemd-networkd"
        case .networkManager: "NetworkManager"
        case .dhcpcd: "dhcpcd"
        case .ifupdown: "ifupdown"
        }
    }
}
