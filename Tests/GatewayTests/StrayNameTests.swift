import Foundation
import TestNetwork
import Testing

/// Questions for names that the devices of a served zone ask elsewhere, by the packets of real programs.
@Suite("Names asked elsewhere", .serialized, .enabled(if: isRoot, "needs root: network namespaces"))
struct StrayNameTests {
    let routed: RoutedHome
    /// The name server of the box, and those on the internet that devices have in their heads.
    let own: NameServer
    let far: NameServer
    let far6: NameServer

    private static let farAnswer = "198.18.0.66"

    init() throws {
        routed = try RoutedHome()
        own = try NameServer(in: routed.home.wan, Home.wanHost) { _ in .addresses([Home.wanHost], seconds: 60) }
        let handler: NameServer.Handler = { _ in .addresses([Self.farAnswer], seconds: 60) }
        far = try NameServer(in: routed.home.wan, RoutedHome.far, port: 53, handler)
        far6 = try NameServer(in: routed.home.wan, RoutedHome.far6, port: 53, handler)
        try routed.home.startNames(firewall: nil)
        try routed.home.ctl("zone", "add", "guest", "--interface", "guest0")
    }

    private var home: Home { routed.home }

    private func ask(_ host: Namespace, _ server: String, _ arguments: String...) throws -> String {
        try host.attempt(["dig", "@\(server)", "+tries=1", "+time=3"] + arguments).output
    }

    /// What has come of a question: `answered` by the gateway, by somebody `elsewhere`, `refused` with an answer, or nothing: `lost`.
    private func fate(_ host: Namespace, _ server: String, _ transport: String) throws -> String {
        let said = try ask(host, server, transport, "www\(UInt32.random(in: 0...UInt32.max)).example")
        if said.contains(Self.farAnswer) { return "elsewhere" }
        if said.contains(Home.wanHost) { return "answered" }
        if said.contains("refused") || said.contains("unreachable") || said.contains("end of file") { return "refused" }
        return said.contains("timed out") ? "lost" : said
    }

    private static let servers = [RoutedHome.far, RoutedHome.far6]

    /// How a packet to this port ends: errno's name, or `lost` after two seconds.
    private func end(_ address: String, _ port: UInt16, stream: Bool) throws -> String {
        let family = address.contains(":") ? "AF_INET6" : "AF_INET"
        return try home.lan.run(
            "python3", "-c",
            """
            import socket, errno
            s = socket.socket(socket.\(family), socket.\(stream ? "SOCK_STREAM" : "SOCK_DGRAM"))
            s.settimeout(2)
            try:
                s.connect(("\(address)", \(port)))
                s.send(b"word")
                s.recv(9)
                print("open", end="")
            except TimeoutError:
                print("lost", end="")
            except OSError as error:
                print(errno.errorcode[error.errno], end="")
            """)
    }

    @Test(
        "are answered here, over UDP and TCP and both families, and nothing leaves the box; who is not served asks whom it likes"
    )
    func answered() throws {
        for server in Self.servers {
            for transport in ["+notcp", "+tcp"] {
                #expect(try fate(home.lan, server, transport) == "answered", "\(server) \(transport)")
                #expect(try ask(home.lan, server, transport, "gatehouse").contains(Home.gatewayOnLAN))
            }
        }
        // Whether anybody is there or not.
        #expect(try fate(home.lan, "198.18.0.99", "+notcp") == "answered")
        #expect(far.queries.isEmpty && far6.queries.isEmpty, "\(far.queries.map(\.name))")
        #expect(try fate(routed.guest, RoutedHome.far, "+notcp") == "elsewhere")
        #expect(try fate(routed.guest, RoutedHome.far, "+tcp") == "elsewhere")
        #expect(far.queries.count == 2)
        // For devices that only have the proxies it is the same.
        try home.ctl("zone", "set", "home", "--way", "proxy", "--no-trial")
        for server in Self.servers { #expect(try fate(home.lan, server, "+notcp") == "answered", "\(server)") }
        #expect(far.queries.count == 2 && far6.queries.isEmpty)
    }

    @Test(
        "are refused with an answer where that is wanted, or let go, and those to the gateway itself are answered all the same"
    )
    func refused() throws {
        for way in ["routed", "proxy"] {
            try home.ctl("zone", "set", "home", "--stray-dns", "refused", "--way", way, "--no-trial")
            for server in Self.servers {
                #expect(try fate(home.lan, server, "+tcp") == "refused", "\(way) \(server)")
                #expect(
                    try ["ECONNREFUSED", "EHOSTUNREACH", "EACCES"].contains(end(server, 53, stream: false)), "\(server)"
                )
            }
            #expect(try fate(home.lan, Home.gatewayOnLAN, "+notcp") == "answered")
        }
        #expect(far.queries.isEmpty && far6.queries.isEmpty)
        try home.ctl("zone", "set", "home", "--stray-dns", "allowed", "--way", "routed", "--no-trial")
        for server in Self.servers {
            for transport in ["+notcp", "+tcp"] {
                #expect(try fate(home.lan, server, transport) == "elsewhere", "\(server) \(transport)")
            }
        }
    }

    @Test("over TLS (port 853) are refused at once, so that a device that tries that first goes on without")
    func encrypted() throws {
        let services = try Services(in: home.wan, at: RoutedHome.far, ports: [853])
        let six = try DatagramPeer.echo(in: home.wan, RoutedHome.far6, port: 853)
        for stray in ["answered", "refused"] {
            try home.ctl("zone", "set", "home", "--stray-dns", stray, "--no-trial")
            for server in Self.servers {
                #expect(try end(server, 853, stream: true) == "ECONNREFUSED", "\(stray) \(server)")
                let datagram = try end(server, 853, stream: false)
                #expect(
                    ["ECONNREFUSED", "EHOSTUNREACH", "EACCES"].contains(datagram), "\(stray) \(server): \(datagram)")
            }
            // The gateway itself has nobody there, and says so as well: this is where phones try it first.
            for own in [Home.gatewayOnLAN, "fd77::1"] {
                #expect(try end(own, 853, stream: true) == "ECONNREFUSED", "\(own)")
                #expect(try end(own, 853, stream: false) != "lost", "\(own)")
            }
        }
        try home.ctl("zone", "set", "home", "--stray-dns", "allowed", "--no-trial")
        for server in Self.servers {
            #expect(try end(server, 853, stream: true) == "open", "\(server)")
            #expect(try end(server, 853, stream: false) == "open", "\(server)")
        }
        withExtendedLifetime((services, six)) {}
    }

    /// A phone holds on to its socket: the kernel translates a connection when it begins, and never after.
    @Test("from a socket that asked elsewhere before the gateway answered go nowhere else any more")
    func underWay() throws {
        try home.ctl("zone", "set", "home", "--stray-dns", "allowed", "--no-trial")
        let phone = try DatagramPeer(in: home.lan, "0.0.0.0")
        let question: [UInt8] = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 119, 119, 119, 0, 0, 1, 0, 1]
        try phone.send(question, to: RoutedHome.far, 53)
        #expect(try phone.receive()?.bytes.suffix(4) == [198, 18, 0, 66])
        try home.ctl("zone", "set", "home", "--stray-dns", "answered", "--no-trial")
        let before = far.queries.count
        #expect(
            try eventually(within: .seconds(5)) {
                try phone.send(question, to: RoutedHome.far, 53)
                guard let answer = try phone.receive(within: .milliseconds(300)) else { return false }
                return answer.bytes.suffix(4) != [198, 18, 0, 66]
            }, "\(far.queries.count - before) questions went elsewhere")
    }
}
