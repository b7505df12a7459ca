import Foundation
import Glibc
import TestNetwork
import Testing

/// What becomes of the doors of SOCKS sessions when somebody who is needed for them hangs, dies or is replaced.
@Suite(
    "The door of an association", .serialized, .enabled(if: isRoot, "needs root: network namespaces"),
    .timeLimit(.minutes(3)))
struct AssociationDoorTests {
    let home: Home

    init() throws {
        home = try Home()
        home.killsRoles = true
        home.manager = try ServiceManager(in: home.directory)
        try home.start()
        try home.ctl("setup", "--lan", "lan0", "--wan", "wan0")
        try home.meetDevice()
        try home.ctl(
            "listener", "add", "socks5", "192.168.77.1:1090", "--interface", "lan0", "--bind-ports", "21000-21009")
    }

    /// How many elements the sets of associations and of BIND have together.
    private func holes() throws -> Int {
        var count = 0
        for set in ["associations_ipv4", "rendezvous_ipv4", "open_rendezvous_ipv4"] {
            let text = try home.gateway.run("nft", "list", "set", "inet", "gatehouse", set)
            guard let start = text.range(of: "elements = {") else { continue }
            count += text[start.upperBound...].split(separator: ",").count
        }
        return count
    }

    /// Whether a datagram of the client's comes to an origin.
    private func works(_ client: Associate) throws -> Bool {
        let origin = try DatagramPeer(in: home.wan, Home.wanHost)
        try client.send("ping", to: Home.wanHost, origin.port)
        guard let got = try origin.receive(within: .milliseconds(500)) else { return false }
        return String(decoding: got.bytes, as: UTF8.self) == "ping"
    }

    /// A client that asks for an association or for BIND, and has no answer yet.
    private func ask(_ command: UInt8) throws -> Peer {
        let peer = try Peer(to: Home.gatewayOnLAN, 1090, from: home.lan)
        peer.setPatience(seconds: 30)
        try peer.send([5, 1, 0])
        guard try peer.receive(exactly: 2) == [5, 0] else { throw Failure("the greeting was refused") }
        try peer.send(
            command == 3 ? SOCKS5.connect("0.0.0.0", 0, command: 3) : SOCKS5.connect(Home.wanHost, 21, command: 2))
        return peer
    }

    /// What `systemctl restart` does with the unit: ExecStop=, then SIGTERM.
    private func handOver() throws {
        home.daemon?.signal(SIGURG)
        home.daemon?.signal(SIGTERM)
        #expect(home.daemon?.ended() == 0, "\(home.daemon?.said ?? "")")
    }

    @Test(
        "cannot be had while the firewall role hangs: after ten seconds the client is refused, and told why it was is the operator"
    )
    func hangs() throws {
        let before = try Associate(home, port: 1090)
        let origin = try echo(in: home)
        kill(try #require(try home.processes()["firewall"]?.first), SIGSTOP)
        let begin = ContinuousClock.now
        let peers = try [3, 2].map { try ask($0) }
        // Whoever needs no door waits for nobody, and what is open stays so.
        let tunnel = try home.tunnel(.socks5, origin.port)
        #expect(try works(before) && ContinuousClock.now - begin < .seconds(5))
        for peer in peers {
            #expect(try SOCKS5.reply(from: peer).code == 1)
            #expect(try peer.receiveToEnd() == [])
        }
        let time = ContinuousClock.now - begin
        print("refused after \(time)")
        #expect(time < .seconds(15))
        let said = home.daemon?.said ?? ""
        #expect(said.contains("the firewall could not be opened for a session"), "\(said)")
        #expect(said.contains("the firewall role did not answer within"), "\(said)")
        let log = try home.ctl("session", "log", "--denied")
        #expect(
            log.split(separator: "\n").count {
                $0.contains("failed") && $0.contains("the firewall could not be opened")
            }
                == 2, "\(log)")
        // The role is another one soon, which knows nothing of what was refused.
        let after = try #require(try eventuallyAssociated())
        #expect(try works(before) && works(after))
        #expect(try holes() == 2)
        for client in [before, after] { client.control.finish() }
        #expect(try eventually { try holes() == 0 })
        withExtendedLifetime(tunnel) {}
    }

    private func eventuallyAssociated() throws -> Associate? {
        var client: Associate?
        #expect(
            eventually(within: .seconds(30)) {
                client = try? Associate(home, port: 1090)
                return client != nil
            })
        return client
    }

    @Test(
        "cannot be had while the firewall role is dead: the client is refused at once, and served as soon as there is another"
    )
    func dead() throws {
        let before = try Associate(home, port: 1090)
        // Each that dies young is followed by the next one after a longer while.
        for _ in 0..<5 {
            #expect(
                try eventually(within: .seconds(20)) {
                    guard let pid = try home.processes()["firewall"]?.first else { return false }
                    return kill(pid, SIGKILL) == 0
                })
        }
        for command in [UInt8(3), 2] {
            let begin = ContinuousClock.now
            #expect(try SOCKS5.reply(from: ask(command)).code == 1)
            #expect(ContinuousClock.now - begin < .seconds(1))
        }
        #expect(
            try home.ctl("session", "log", "--denied").contains("the firewall could not be opened: the firewall role"))
        let after = try #require(try eventuallyAssociated())
        #expect(try works(before) && works(after))
        #expect(try holes() == 2)
        for client in [before, after] { client.control.finish() }
        #expect(try eventually { try holes() == 0 })
    }

    @Test(
        "is kept over restarts as long as the association goes on, and shut when it ends, in whichever daemon that is")
    func handedOver() throws {
        let (first, second, third) = (
            try Associate(home, port: 1090), try Associate(home, port: 1090), try Associate(home, port: 1090)
        )
        #expect(try holes() == 3)
        try handOver()
        // With nobody there to shut it: the next daemon does.
        #expect(try holes() == 3)
        first.control.finish()
        try home.start()
        #expect(try eventually { try holes() == 2 })
        #expect(try works(second) && works(third))
        let new = try Associate(home, port: 1090)
        #expect(try holes() == 3)
        second.control.finish()
        #expect(try eventually(within: .seconds(2)) { try holes() == 2 })
        #expect(try works(third) && works(new))
        // Once more, with a relay of the daemon before the last one.
        try handOver()
        try home.start()
        #expect(try holes() == 2)
        #expect(try works(third) && works(new))
        third.control.finish()
        #expect(try eventually(within: .seconds(2)) { try holes() == 1 })
        #expect(try works(new))
        new.control.finish()
        #expect(try eventually(within: .seconds(2)) { try holes() == 0 })
        #expect(eventually { home.manager?.names.contains { $0.hasPrefix("relay-") } == false })
    }

    @Test("goes with a relay that outlives its daemon and is killed")
    func killedRelay() throws {
        let client = try Associate(home, port: 1090)
        let relay = try #require(try home.processes()["socks5"]?.first)
        try handOver()
        try home.start()
        #expect(try works(client) && holes() == 1)
        kill(relay, SIGKILL)
        #expect(try eventually(within: .seconds(2)) { try holes() == 0 })
        withExtendedLifetime(client) {}
    }

    @Test("is gone with the next daemon where the supervisor was killed, and nobody gets in by it meanwhile")
    func killed() throws {
        let client = try Associate(home, port: 1090)
        let waiting = try ask(2)
        #expect(try SOCKS5.reply(from: waiting).code == 0)
        #expect(try holes() == 2)
        let relays = try home.processes().filter { $0.key != "supervisor" }.flatMap(\.value)
        home.daemon?.signal(SIGKILL)
        #expect(home.daemon?.ended() == 128 + SIGKILL)
        #expect(eventually { relays.allSatisfy { kill($0, 0) != 0 } })
        // The kernel still has them: nobody is left who could take them out, and nobody is behind them.
        #expect(try client.control.receiveToEnd() == [])
        let device = try DatagramPeer(in: home.lan, "192.168.77.10")
        try device.send([1], to: Home.gatewayOnLAN, client.port)
        #expect(try device.receive(within: .milliseconds(200)) == nil)
        try home.start()
        #expect(try holes() == 0)
        let next = try Associate(home, port: 1090)
        #expect(try works(next) && holes() == 1)
        withExtendedLifetime(waiting) {}
    }
}
