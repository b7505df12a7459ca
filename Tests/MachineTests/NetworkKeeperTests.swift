import Foundation
import Glibc
import Testing

@testable import Machine

/// The files are as these programs of Debian 12 leave them.
@Suite struct `Who looks after an interface` {
    private let run = NSTemporaryDirectory() + "gatehouse-run-\(UUID().uuidString)"

    private func keeper(_ path: String, _ text: String) throws -> NetworkKeeper? {
        let file = URL(filePath: run + "/" + path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: run) }
        try text.write(to: file, atomically: true, encoding: .utf8)
        return NetworkKeeper.of("eth1", index: 3, in: run)
    }

    @Test func `is told by what each leaves under /run, with what to do`() throws {
        let networkd = try #require(
            try keeper(
                "systemd/netif/links/3",
                "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=routable\n"
                    + "NETWORK_FILE=/etc/systemd/network/home.network\nDNS=\n"))
        #expect("\(networkd)" == "systemd-networkd")
        #expect(
            networkd.remedy("192.168.10.1/24", on: "eth1").contains(
                "`Address=192.168.10.1/24` into /etc/systemd/network/home.network"))
        #expect(
            try keeper("NetworkManager/devices/3", "[device]\nmanaged=true\nroute-metric-default-eff=100\n")?.kind
                == .networkManager)
        for name in ["pid", "eth1.pid", "eth1-4.pid"] {
            #expect(try keeper("dhcpcd/\(name)", "\(getpid())\n")?.kind == .dhcpcd)
        }
        #expect(try keeper("network/ifstate", "lo=lo\neth1=eth1\n")?.kind == .ifupdown)
    }

    @Test func `is told which line is missing for the home to get a prefix of the provider's`() {
        func line(_ kind: NetworkKeeper.Kind) -> String {
            NetworkKeeper(kind: kind).delegation(from: "eth0", to: "eth1")
        }
        let networkd = line(.networkd(file: "/etc/systemd/network/wan.network"))
        #expect(networkd.contains("`DHCPPrefixDelegation=yes` under [Network]") && networkd.contains("file of eth1"))
        #expect(networkd.contains("under [DHCPv6] into /etc/systemd/network/wan.network"), "\(networkd)")
        #expect(line(.dhcpcd).contains("`ia_pd 1 eth1/0`"))
        #expect(line(.networkManager).contains("nmcli device modify eth1 ipv6.method shared"))
        #expect(line(.ifupdown).contains("ifupdown hands none on"))
    }

    @Test(
        "networkd is told to take router advertisements unless a file says something of it",
        arguments: [
            ("[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n", nil, true),
            ("[Network]\nDHCP=yes\nIPv6AcceptRA=yes\n", nil, false),
            ("[Network]\n IPv6AcceptRA = no\n", nil, false),
            // Another section's settings are others.
            ("[Network]\nDHCP=yes\n[IPv6AcceptRA]\nUseDNS=no\nIPv6AcceptRA=yes\n", nil, true),
            ("[Network]\n#IPv6AcceptRA=yes\n", nil, true),
            ("[Network]\nDHCP=yes\n", "[Network]\nIPv6AcceptRA=yes\n", false),
            ("[Network]\nDHCP=yes\n", "[Network]\nDNS=9.9.9.9\n", true),
        ] as [(String, String?, Bool)])
    func advertisements(text: String, amendment: String?, isMissing: Bool) throws {
        let root = NSTemporaryDirectory() + "gatehouse-root-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let file = "/usr/lib/systemd/network/80-wan.network"
        let directory = root + "/etc/systemd/network/80-wan.network.d"
        for path in [root + "/usr/lib/systemd/network", directory] {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
        try text.write(toFile: root + file, atomically: true, encoding: .utf8)
        try amendment?.write(toFile: directory + "/10-ra.conf", atomically: true, encoding: .utf8)
        let remedy = NetworkKeeper(kind: .networkd(file: file)).advertisementRemedy(for: "eth0", in: root)
        #expect((remedy != nil) == isMissing)
        if isMissing { #expect(remedy?.contains("`IPv6AcceptRA=yes` under [Network] into \(file)") == true) }
        for kind in [NetworkKeeper.Kind.dhcpcd, .networkManager, .ifupdown, .networkd(file: nil)] {
            #expect(NetworkKeeper(kind: kind).advertisementRemedy(for: "eth0", in: root) == nil)
        }
    }

    @Test func `is nobody where another interface is meant, or they leave it alone`() throws {
        #expect(try keeper("systemd/netif/links/3", "ADMIN_STATE=unmanaged\nOPER_STATE=carrier\n") == nil)
        #expect(try keeper("systemd/netif/links/4", "ADMIN_STATE=configured\n") == nil)
        #expect(try keeper("NetworkManager/devices/3", "[device]\nmanaged=false\n") == nil)
        #expect(try keeper("dhcpcd/eth0.pid", "\(getpid())\n") == nil)
        // No process has the number that is too high for one (proc(5), pid_max).
        #expect(try keeper("dhcpcd/eth1.pid", "\(1 << 22 + 1)\n") == nil)
        #expect(try keeper("network/ifstate", "lo=lo\neth0=eth0\n") == nil)
    }
}
