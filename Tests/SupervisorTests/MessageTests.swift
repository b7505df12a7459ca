import Address
import Policy
import Reactor
import Testing

@testable import Supervisor

@Suite("What the supervisor and a role tell each other")
struct MessageTests {
    private static let listener = Listener(
        kind: .socks5, endpoint: Endpoint(address: .v6(1), port: 1080), authentication: .required, interface: "lan0")

    @Test("Every order arrives as it was sent")
    func orders() throws {
        let user = UnixUser(name: "nobody", uid: 65534, gid: 65534)
        let verbs: [Order.Verb] = [
            .begin(Beginning(user: user, logLevel: "info", memory: 1 << 30)),
            .begin(Beginning(user: nil, logLevel: "debug", memory: 1)),
            .offer(Self.listener.endpoint), .stage, .commit, .abort, .drain(milliseconds: 5000), .report,
        ]
        for (serial, verb) in verbs.enumerated() {
            let bytes = Message.encode(Order(serial: serial, verb: verb))
            let order = try #require(Message.decode(Order.self, from: bytes))
            #expect(order.serial == serial)
            #expect("\(order.verb)" == "\(verb)")
        }
    }

    @Test("An assignment arrives as it was sent, addresses of both families included")
    func assignment() throws {
        let estate = Estate(
            policy: Policy(
                listeners: [Self.listener], users: [User(name: "a\"\u{e9}", passwordHash: "h")],
                rules: [Rule(id: 3, action: .deny, destination: Network(.v4(0x0a00_0000), prefix: 8))],
                openings: [Opening(name: "ssh", .ssh, from: .anywhere)], firewall: .enforce, lan: ["lan0"]),
            surroundings: Surroundings(interfaces: [
                .init(name: "lan0", addresses: [.init(address: .v6(UInt128.max - 1), prefix: 64)])
            ]),
            live: [.init(listener: Self.listener, number: 255)], identity: nil, hold: .enforced, ownsTable: true)
        for role in Role.all {
            let sent = role.share(estate, role)
            switch sent {
            case .relay(let share):
                let alteration = try #require(Message.decode(RelayAlteration.self, from: sent.encode(since: nil)))
                #expect(try alteration.applied(to: nil) == share)
            case .firewall(let share):
                #expect(Message.decode(FirewallAssignment.self, from: sent.encode(since: nil)) == share)
            case .names(let share):
                #expect(Message.decode(NamesAssignment.self, from: sent.encode(since: nil)) == share)
            }
        }
    }

    /// A share was the policy with fields blanked: a field that was new to the policy went to every role.
    @Test("A role is given what it needs and nothing else: passwords go to the relay that asks for them")
    func need() throws {
        let other = Listener(
            kind: .http, endpoint: Endpoint(address: .v4(0x0a00_0001), port: 3128), authentication: .none)
        let estate = Estate(
            policy: Policy(
                listeners: [Self.listener, other], users: [User(name: "a", passwordHash: "secret")],
                rules: [Rule(id: 3, action: .deny, user: "a")], openings: []),
            surroundings: Surroundings(),
            live: [.init(listener: Self.listener, number: 1), .init(listener: other, number: 2)],
            identity: ServerIdentity(certificates: "chain", key: "secret"), hold: .shown, ownsTable: true)
        func told(_ role: Role) -> String {
            String(decoding: role.share(estate, role).encode(since: nil), as: UTF8.self)
        }
        #expect(told(.socks5).contains("secret"))
        #expect(!told(.http).contains("secret") && told(.http).contains("rules"))
        // Of the rules it knows those that the kernel can ask: none about a user.
        #expect(!told(.firewall).contains("secret") && told(.firewall).contains("\"rules\":[]"))
    }

    /// The whole policy went to each relay at each change: with 5 000 rules it read for 40 ms, and served nobody meanwhile.
    @Test("Only what a change alters goes to a relay, which ends up with the whole of it")
    func alterations() throws {
        var random = SystemRandomNumberGenerator()
        func rules() -> [Rule] {
            (0..<Int.random(in: 0...6, using: &random)).map { _ in
                Rule(id: .random(in: 1...4, using: &random), action: .deny)
            }
        }
        func share(_ rules: [Rule], users: Int) -> Share {
            let users = (0..<users).map { User(name: "user\($0)", passwordHash: "h") }
            let estate = Estate(
                policy: Policy(listeners: [Self.listener], users: users, rules: rules), surroundings: Surroundings(),
                live: [.init(listener: Self.listener, number: 1)], identity: nil, hold: .shown, ownsTable: true)
            return Role.socks5.share(estate, .socks5)
        }
        for _ in 0..<500 {
            let (former, latter) = (share(rules(), users: 3), share(rules(), users: .random(in: 0...5, using: &random)))
            guard case .relay(let had) = former, case .relay(let wanted) = latter else { return }
            let sent = try #require(Message.decode(RelayAlteration.self, from: latter.encode(since: former)))
            #expect(try sent.applied(to: had) == wanted)
        }
        let many = (1...5000).map { Rule(id: $0, action: .deny) }
        let (before, after) = (share(many, users: 5000), share(many.dropLast(), users: 4999))
        #expect(after.encode(since: before).count < 2000)
        let sent = try #require(Message.decode(RelayAlteration.self, from: after.encode(since: before)))
        #expect(throws: Refusal.self) { try sent.applied(to: nil) }
    }

    @Test("Every kind of listener has one role, and the places in the ledger are as many as the roles that count")
    func table() {
        for kind in Listener.Kind.allCases { #expect(Role.all.filter { $0.serves.contains(kind) }.count == 1) }
        #expect(Role.all.compactMap(\.party).sorted() == Array(0..<Ledger.parties))
        // Questions for names are no sessions, and counted nowhere.
        #expect(Role.all.allSatisfy { ($0.party == nil) == $0.serves.subtracting([.dns]).isEmpty })
        #expect(Set(Role.all.map(\.title)).count == Role.all.count)
    }

    @Test(
        "What is no message is none",
        arguments: [
            "", "{", "null", "[]", "{}", "\u{0}", #"{"serial":1}"#, #"{"serial":1,"verb":{"destroy":{}}}"#,
            #"{"serial":"1","verb":{"stage":{}}}"#, #"{"serial":1,"verb":{"drain":{"milliseconds":1.5}}}"#,
            #"{"serial":99999999999999999999,"verb":{"stage":{}}}"#, #"{"serial":1,"verb":{"offer":{"_0":"nowhere"}}}"#,
        ])
    func garbage(text: String) {
        #expect(Message.decode(Order.self, from: Array(text.utf8)) == nil)
        #expect(Message.decode(RelayAlteration.self, from: Array(text.utf8)) == nil)
        #expect(Message.decode(FirewallAssignment.self, from: Array(text.utf8)) == nil)
    }

    @Test("Bytes that are no text are no message, and end nobody")
    func bytes() {
        for length in 1..<64 {
            #expect(
                Message.decode(Answer.self, from: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 | 0x80) })
                    == nil)
        }
    }
}

@Suite("What a role tells unasked")
struct EventTests {
    @Test(
        "Every event arrives as it was sent, and none is taken for an answer",
        arguments: [
            Event.tableLost(detail: "deleted", putBackAfterMilliseconds: 3),
            .tableLost(detail: "", putBackAfterMilliseconds: nil), .surroundingsChanged,
        ])
    func events(event: Event) throws {
        guard case .event(let got)? = Message.decode(Word.self, from: Message.encode(Word.event(event))) else {
            Issue.record("\(event) did not arrive")
            return
        }
        #expect(got == event)
        guard
            case .answer(let answer)? = Message.decode(Word.self, from: Message.encode(Word.answer(Answer(serial: 7))))
        else {
            Issue.record("an answer did not arrive")
            return
        }
        #expect(answer.serial == 7)
    }

    @Test("So many in a second are let pass, and again so many in the next")
    func bound() {
        var bound = EventBound(limit: 3)
        let start = ContinuousClock.now
        let admitted = [0, 0, 0, 0, 900, 1100, 1100, 1100, 1100].map { bound.admits(at: start + .milliseconds($0)) }
        #expect(admitted == [true, true, true, false, false, true, true, true, false])
    }
}
