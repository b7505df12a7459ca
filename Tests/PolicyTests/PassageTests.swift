import Address
import Testing

@testable import Policy

@Suite("Who may begin conversations with whom is said once, and what makes no sense is refused")
struct PassageTests {
    private var policy: Policy {
        Policy(
            listeners: [
                Listener(kind: .http, endpoint: Endpoint("0.0.0.0:3128")!, authentication: .required)
            ],
            openings: [Opening(name: "vpn", .ports(.udp, PortRange(51820, 51820)!), from: .zone(Zone.internet))],
            zones: Zone.builtIn + [Zone(name: "guest", interfaces: ["guest0"])], lan: ["lan0"], wan: ["wan0"],
            devices: [Device(name: "nas", hardware: HardwareAddress("02:00:00:00:00:09")!)])
    }

    private func service(_ text: String) -> Opening.Service { Opening.Service(text)! }

    @Test func `what is allowed comes beside what was, and everything takes all of it in`() throws {
        var policy = policy
        try policy.allow(Passage(from: "guest", to: "home", services: [service("tcp 631")]))
        try policy.allow(Passage(from: "guest", to: "home", services: [service("tcp 631"), service("udp 5353")]))
        #expect(policy.passages.map(\.description) == ["guest to home, tcp 631, udp 5353"])
        try policy.allow(Passage(from: "guest", to: "home"))
        #expect(policy.passages.map(\.description) == ["guest to home"])
        try policy.allow(Passage(from: "guest", to: "home", services: [service("tcp 22")]))
        #expect(policy.passages.map(\.description) == ["guest to home"])
        try policy.deny(Passage.Ends(from: "guest", to: "home"))
        #expect(policy.passages.isEmpty)
        #expect(throws: Refusal.self) { try policy.deny(Passage.Ends(from: "guest", to: "home")) }
    }

    @Test(
        "a passage that leads nowhere is refused with what to do",
        arguments: [
            (Passage(from: "nowhere", to: "home"), "there is no zone nowhere"),
            (Passage(from: "guest", to: "guest"), "everything passes already"),
            (Passage(from: "internet", to: "home"), "gatehousectl forward add"),
            (Passage(from: "guest", to: "home", services: [.other(IPProtocol(number: 6))]), "`--tcp PORT`"),
        ])
    func refused(passage: Passage, reason: String) throws {
        var policy = policy
        let refusal = #expect(throws: Refusal.self) { try policy.allow(passage) }
        #expect(try #require(refusal).description.contains(reason), "\(String(describing: refusal))")
        #expect(policy.passages.isEmpty)
    }

    @Test func `a forward alone makes a router of the gateway`() {
        var policy = policy
        policy.firewall = .enforce
        for index in policy.zones.indices { policy.zones[index].way = .proxy }
        #expect(!policy.isRouter)
        policy.forwards = [Forward(name: "web", transport: .tcp, port: 443, device: "nas", devicePort: 443)]
        #expect(policy.isRouter)
    }

    @Test func `a forward is for a device that is known, by a port that nothing else has`() throws {
        var policy = policy
        func refusal(_ forward: Forward) -> String {
            var other = policy
            do throws(Refusal) {
                try other.add(forward, in: Surroundings())
                return ""
            } catch {
                return error.description
            }
        }
        let web = Forward(name: "web", transport: .tcp, port: 443, device: "nas", devicePort: 8443)
        #expect(refusal(web) == "")
        try policy.add(web, in: Surroundings())
        #expect(refusal(web).contains("there is a forward web already"))
        var other = web
        other.name = "other"
        #expect(refusal(other).contains("tcp 443 leads to nas already"))
        // Two networks that have nothing in common may each have their own.
        policy.forwards[0].source = Network("203.0.113.0/24")
        other.source = Network("198.51.100.0/24")
        #expect(refusal(other) == "")
        other.source = Network("203.0.113.7")
        #expect(refusal(other).contains("leads to nas already"))
        other.port = 3128
        #expect(refusal(other).contains("the http listener on 0.0.0.0:3128 towards the internet"))
        (other.transport, other.port) = (.udp, 51820)
        #expect(refusal(other).contains("the opening vpn"))
        other.port = 0
        #expect(refusal(other).contains("port 0"))
        (other.port, other.device) = (27015, "tv")
        #expect(refusal(other).contains("there is no device tv"))
        // The other way round as well: what is behind a forward nobody reaches.
        let ssh = Opening(name: "ssh", .ssh, from: .zone(Zone.internet))
        let rival = Forward(name: "rival", transport: .tcp, port: 22, device: "nas", devicePort: 22)
        var both = policy
        try both.add(rival, in: Surroundings())
        let before = both
        both.openings.append(ssh)
        let behind = #expect(throws: Refusal.self) { try both.check(in: Surroundings(), since: before) }
        #expect(try #require(behind).description.contains("the forward rival to nas and the opening ssh"))
        #expect(throws: Refusal.self) { try policy.removeForward(named: "nothing") }
        try policy.removeForward(named: "web")
        #expect(policy.forwards.isEmpty)
    }
}
