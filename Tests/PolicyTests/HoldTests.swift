import Address
import Foundation
import Policy
import Testing

@Suite("A hold is made of rules")
struct HoldTests {
    private let card = HardwareAddress("02:00:00:00:00:07")!

    private func policy(_ rules: [Rule] = []) -> Policy {
        Policy(rules: rules, devices: [Device(name: "camera", hardware: card)])
    }

    private func visit(_ host: String, _ transport: IPProtocol = .tcp, _ port: UInt16? = 443) throws -> Visit {
        Visit(host: try Host(host), transport: transport, port: port)
    }

    @Test("what is below a name that is allowed needs no rule of its own, and a name stands for no name beside it")
    func names() throws {
        var policy = policy()
        try policy.hold(
            "camera",
            to: [
                visit("www.cloud.example"), visit("cloud.example"), visit("eu.cloud.example", .tcp, 8443),
                visit("cdn.example"), visit("9.9.9.9", .udp, 53), visit("2620:fe::9", .icmpv6, nil),
                visit("9.9.9.9", .icmp, nil),
            ], firstID: 3)
        #expect(
            policy.rules.map { "\($0.id) \($0)" } == [
                "3 allow device camera domain cdn.example protocol tcp port 443, of a hold",
                "4 allow device camera domain cloud.example protocol tcp port 443, of a hold",
                "5 allow device camera domain eu.cloud.example protocol tcp port 8443, of a hold",
                "6 allow device camera to 2620:fe::9/128 protocol icmp, of a hold",
                "7 allow device camera to 9.9.9.9/32 protocol icmp, of a hold",
                "8 allow device camera to 9.9.9.9/32 protocol udp port 53, of a hold",
                "9 deny device camera, of a hold",
            ])
        #expect(policy.isHeld("camera") && !policy.isHeld("tv"))
    }

    @Test("what a rule before allows already is left to it, and one before that decides on everything is told")
    func before() throws {
        var policy = policy([Rule(id: 1, action: .allow, ports: PortRange(443, 443))])
        let made = try policy.hold(
            "camera", to: [visit("cloud.example"), visit("cloud.example", .tcp, 80)], firstID: 2)
        #expect(made.map(\.ports?.lower) == [80, nil])
        #expect(policy.rulesBeforeHold(of: "camera").map(\.id) == [1])
        var other = self.policy([Rule(id: 1, action: .allow, device: "camera")])
        let former = other
        #expect(throws: Refusal.self) { try other.hold("camera", to: [visit("cloud.example")], firstID: 2) }
        #expect(other == former)
    }

    @Test("the domains that a held device is allowed are its hold's and the operator's, as far as it is asked of them")
    func domains() throws {
        var policy = policy([
            Rule(id: 1, action: .allow, domain: "cloud.example"),
            Rule(id: 2, action: .allow, device: "camera", domain: "updates.example", ports: PortRange(443, 443)),
            Rule(id: 3, action: .allow, device: "tv", domain: "films.example"),
            Rule(id: 4, action: .allow, user: "ann", domain: "mail.example"),
            Rule(id: 5, action: .deny, domain: "ads.example"),
            Rule(id: 6, action: .allow, ports: PortRange(80, 80)),
        ])
        #expect(policy.domainsAllowed(toHeld: "camera").isEmpty, "it is not held")
        let made = try policy.hold("camera", to: [visit("www.cloud.example"), visit("new.example")], firstID: 7)
        #expect(made.map(\.domain) == ["new.example", nil])
        try policy.add(Rule(id: 9, action: .allow, domain: "late.example"))
        #expect(policy.domainsAllowed(toHeld: "camera").map(\.id) == [1, 2, 7])
        try policy.add(Rule(id: 10, action: .allow, device: "camera", domain: "more.example"))
        #expect(policy.domainsAllowed(toHeld: "camera").compactMap(\.domain).contains("more.example"))
    }

    @Test(
        "a release takes the hold's rules and no others; what was allowed since stands before the last one until then")
    func release() throws {
        var policy = policy([Rule(id: 1, action: .deny, device: "camera", ports: PortRange(25, 25))])
        try policy.hold("camera", to: [visit("cloud.example")], firstID: 2)
        #expect(throws: Refusal.self) { try policy.hold("camera", to: [visit("cloud.example")], firstID: 4) }
        try policy.add(Rule(id: 4, action: .allow, device: "camera", domain: "new.example"))
        #expect(policy.rules.sorted { $0.id < $1.id }.map(\.id) == [1, 2, 4, 5])
        #expect(policy.rules.first { $0.id == 5 }?.action == .deny)
        // What is denied it, and what is about others, goes behind as ever.
        #expect(throws: Refusal.self) {
            try policy.add(Rule(id: 6, action: .deny, device: "camera", domain: "x.example"))
        }
        try policy.add(Rule(id: 6, action: .allow, domain: "x.example"))
        #expect(policy.rules.first { $0.id == 5 }?.action == .deny)
        try policy.release("camera")
        #expect(policy.rules.map(\.id) == [1, 4, 6])
        #expect(throws: Refusal.self) { try policy.release("camera") }
    }

    @Test("a rule of a copy that a version before kept is the operator's")
    func former() throws {
        let copy = #"{"id": 3, "action": "allow", "device": "camera", "ports": "443"}"#
        let rule = try JSONDecoder().decode(Rule.self, from: Data(copy.utf8))
        #expect(rule == Rule(id: 3, action: .allow, device: "camera", ports: PortRange(443, 443)))
    }

    @Test("no more destinations are remembered than there is room for, and how often there was none is told")
    func room() throws {
        var learning = Learning(hardware: card, since: 0, until: 100)
        for number in 0..<Learning.capacity + 5 {
            let isNews = learning.note(try visit("host\(number).example"), at: nil, time: number)
            #expect(isNews == (number < Learning.capacity))
        }
        learning.note(try visit("host0.example"), at: .v4(7), time: 500)
        #expect(learning.all.count == Learning.capacity && learning.missed == 5)
        let first = learning.all.first { "\($0.visit.host)" == "host0.example" }
        #expect(first?.count == 2 && first?.last == 500 && first?.first == 0 && first?.address == .v4(7))
    }
}
