import Address
import Policy
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
            .begin(Beginning(user: user, logLevel: "info")), .begin(Beginning(user: nil, logLevel: "debug")),
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
        let sent = Assignment(
            revision: 7,
            policy: Policy(
                listeners: [Self.listener], users: [User(name: "a\"\u{e9}", passwordHash: "h")],
                rules: [Rule(id: 3, action: .deny, destination: Network(.v4(0x0a00_0000), prefix: 8))],
                openings: [Opening(name: "ssh", .ssh, from: .anywhere)], firewall: .enforce, lan: ["lan0"]),
            surroundings: Surroundings(interfaces: [
                .init(name: "lan0", addresses: [.init(address: .v6(UInt128.max - 1), prefix: 64)])
            ]),
            accounts: [.init(listener: Self.listener, number: 255)], isEnforced: true, isReleased: false)
        let got = try #require(Message.decode(Assignment.self, from: Message.encode(sent)))
        #expect(got.revision == 7)
        #expect(got.policy == sent.policy)
        #expect(got.surroundings == sent.surroundings)
        #expect(got.accounts.map(\.listener) == [Self.listener])
        #expect(got.accounts.map(\.number) == [255])
        #expect(got.isEnforced && !got.isReleased)
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
        #expect(Message.decode(Assignment.self, from: Array(text.utf8)) == nil)
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
