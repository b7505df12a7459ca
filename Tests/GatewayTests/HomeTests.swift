import Foundation
import Glibc
import TestNetwork
import Testing

/// The tests of the gateway are worth what their surroundings are worth.
@Suite("The three namespaces are wired as drawn", .enabled(if: isRoot, "needs root: network namespaces"))
struct HomeTests {
    @Test(
        "LAN and WAN reach the gateway, and nothing else",
        arguments: [
            (Home.gatewayOnLAN, true), ("fd77::1", true), (Home.gatewayOnWAN, false), ("2001:db9:113::1", false),
        ])
    func wired(address: String, isLAN: Bool) throws {
        let home = try Home()
        let server = try Origin(in: home.gateway, address) { peer in try peer.send(peer.farEnd) }
        let client = try Peer(to: address, server.port, from: isLAN ? home.lan : home.wan)
        #expect(String(decoding: try client.receiveToEnd(), as: UTF8.self) == client.nearEnd)
    }

    @Test("the name server says what it was told, in turn")
    func names() throws {
        let home = try Home()
        let server = try NameServer(
            in: home.wan, Home.wanHost, ["a.test": [["192.0.3.1", "2001:db9::1"], ["192.0.3.2"]]])
        func ask(_ identifier: String) throws -> String {
            try home.gateway.run(
                "python3", "-c",
                "import socket,sys\ns=socket.socket(2,2)\ns.settimeout(5)\n"
                    + "s.sendto(bytes.fromhex('\(identifier)01000001000000000000016104746573740000010001'),"
                    + "('\(Home.wanHost)',53))\nprint(s.recv(512)[-4:].hex())")
        }
        #expect(try ask("abcd") == "c0000301\n")
        #expect(try ask("abce") == "c0000302\n")
        // The same one again, as from somebody who has not had the answer.
        #expect(try ask("abcd") == "c0000301\n")
        #expect(server.queries(for: "a.test") == 2)
        #expect(server.queries(for: "a.test", type: 28) == 0)
    }

    @Test("a program does not outlive its object")
    func program() throws {
        let home = try Home()
        var program: RunningProgram? = try RunningProgram(
            ["sleep", "600"], in: home.gateway, log: home.directory + "/log")
        let identifier = try #require(program?.identifier)
        #expect(kill(identifier, 0) == 0)
        program = nil
        #expect(eventually { kill(identifier, 0) != 0 })
    }
}
