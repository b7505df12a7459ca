import Glibc

// What a program that looks after the internet's side has to be told so that the home gets IPv6 of the provider's.

extension NetworkKeeper {
    /// What to do so that `home` gets a network of the prefix that the provider delegates by way of `internet` (RFC 8415 §6.3), which
    /// this program looks after.
    package func delegation(from internet: String, to home: String) -> String {
        switch kind {
        case .networkd(let file):
            "write `DHCPPrefixDelegation=yes` under [Network] and `UplinkInterface=\(internet)` and `Announce=no` under "
                + "[DHCPPrefixDelegation] into the file of \(home), `DHCP=yes` under [Network] and `PrefixDelegationHint=::/56` "
                + "under [DHCPv6] into \(file ?? "that of \(internet)"), and run `networkctl reload`"
        case .networkManager:
            "run `nmcli device modify \(home) ipv6.method shared`"
        case .dhcpcd:
            "write `interface \(internet)` and `ia_pd 1 \(home)/0` into /etc/dhcpcd.conf, and start it anew"
        case .ifupdown:
            "ifupdown hands none on, so take \(internet) out of /etc/network/interfaces and let dhcpcd look after it (`ia_pd 1 "
                + "\(home)/0` under `interface \(internet)` in /etc/dhcpcd.conf)"
        }
    }

    /// What to do so that `internet` goes on taking router advertisements while packets are passed on; nil: it does, or it is said
    /// that it is not to. systemd-networkd, unless told, takes none where IPv6 is forwarded (systemd.network(5), `IPv6AcceptRA=`).
    ///
    /// - Parameter root: below which its files lie.
    package func advertisementRemedy(for internet: String, in root: String = "") -> String? {
        guard case .networkd(let file) = kind, let file, !Self.says("IPv6AcceptRA", in: file, root) else { return nil }
        return
            "write `IPv6AcceptRA=yes` under [Network] into \(file), or `no` if \(internet) is to have no IPv6, and run "
            + "`networkctl reload`"
    }

    /// Whether the file, or one that amends it, sets `key` under [Network].
    private static func says(_ key: String, in file: String, _ root: String) -> Bool {
        let name = file.split(separator: "/").last.map(String.init) ?? file
        let directories = ["/etc", "/run", "/usr/local/lib", "/usr/lib"].map {
            "\(root)\($0)/systemd/network/\(name).d"
        }
        let amendments = directories.flatMap { directory in
            Directory.names(in: directory).filter { $0.hasSuffix(".conf") }.map { "\(directory)/\($0)" }
        }
        return ([root + file] + amendments).contains { path in
            var section = ""
            for line in Machine.lines(of: path).map(trimmed) {
                if line.hasPrefix("[") {
                    section = line
                } else if section == "[Network]", let sign = line.firstIndex(of: "="), trimmed(line[..<sign]) == key {
                    return true
                }
            }
            return false
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
