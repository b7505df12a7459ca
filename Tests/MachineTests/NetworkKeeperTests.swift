import Foundation
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
            #expect(try keeper("dhcpcd/\(name)", "612\n")?.kind == .dhcpcd)
        }
        #expect(try keeper("network/ifstate", "lo=lo\neth1=eth1\n")?.kind == .ifupdown)
    }

    @Test func `is nobody where another interface is meant, or they leave it alone`() throws {
        #expect(try keeper("systemd/netif/links/3", "ADMIN_STATE=unmanaged\nOPER_STATE=carrier\n") == nil)
        #expect(try keeper("systemd/netif/links/4", "ADMIN_STATE=configured\n") == nil)
        #expect(try keeper("NetworkManager/devices/3", "[device]\nmanaged=false\n") == nil)
        #expect(try keeper("dhcpcd/eth0.pid", "612\n") == nil)
        #expect(try keeper("network/ifstate", "lo=lo\neth0=eth0\n") == nil)
    }
}
