import Address
import Policy
import Testing

@Suite("The changes from one policy to another")
struct ChangesTests {
    private let former = Policy(
        listeners: [
            Listener(kind: .socks5, endpoint: Endpoint("127.0.0.1:1080")!),
            Listener(kind: .http, endpoint: Endpoint("127.0.0.1:3128")!, clients: [Network("127.0.0.0/8")!]),
        ],
        users: [User(name: "anna", passwordHash: "1"), User(name: "bob", passwordHash: "2")],
        rules: [
            Rule(id: 1, action: .allow, destination: Network("10.0.0.0/8")!), Rule(id: 2, action: .deny, user: "bob"),
        ],
        limits: [Limit(subject: .eachClient, sessions: 5)], openings: [Opening(name: "ssh", .ssh, from: .anywhere)])

    @Test("Nothing changed, or the order alone: nothing is told")
    func nothing() {
        #expect(former.changes(from: former).isEmpty)
        var shuffled = former
        shuffled.listeners.reverse()
        shuffled.users.reverse()
        #expect(shuffled.changes(from: former).isEmpty)
    }

    @Test("Each kind of thing is told when it comes, goes or changes, and of a password nothing but that it is new")
    func everything() {
        var latter = former
        latter.zones[0].interfaces = ["eth1"]
        latter.listeners.remove(at: 0)
        latter.listeners[0].authentication = .required
        latter.listeners.append(Listener(kind: .mixed, endpoint: Endpoint("[::1]:80")!, zone: "home"))
        latter.users.removeLast()
        latter.users[0].passwordHash = "3"
        latter.rules = [Rule(id: 10, action: .deny, ports: PortRange(25, 25)!)]
        latter.limits[0].sessions = 6
        latter.openings = []
        latter.firewall = .enforce
        latter.defaultAction = .deny
        let changes = latter.changes(from: former)
        #expect(
            changes.lines == [
                "- zone home without interfaces", "+ zone home eth1",
                "- listener socks5 127.0.0.1:1080, no password",
                "- listener http 127.0.0.1:3128, no password, from 127.0.0.0/8",
                "+ listener http 127.0.0.1:3128, with password, from 127.0.0.0/8",
                "+ listener mixed [::1]:80, no password, for home",
                "- user bob", "~ user anna, new password",
                "- rule 1 allow to 10.0.0.0/8", "- rule 2 deny user bob", "+ rule 10 deny port 25",
                "- limit client: 5 sessions", "+ limit client: 6 sessions",
                "- opening ssh tcp 22 from anywhere",
                "- firewall observe", "+ firewall enforce",
                "- rule default allow", "+ rule default deny",
            ])
        #expect(Set(changes.reversed.all) == Set(former.changes(from: latter).all))
    }

    @Test("Changes can be made again and taken back, unless what they concern is another by now")
    func making() throws {
        var latter = former
        latter.users.removeLast()
        latter.limits[0].rate = 7
        latter.openings.append(Opening(name: "dns", .ports(.udp, PortRange(53, 53)!), from: .zone(Zone.home)))
        let changes = latter.changes(from: former)
        #expect(try former.making(changes).changes(from: latter).isEmpty)
        #expect(try latter.making(changes.reversed).changes(from: former).isEmpty)
        #expect(throws: Refusal("opening dns udp 53 from home cannot come back, there is opening dns udp 53 from home"))
        {
            try latter.making(Changes([.added(.opening(latter.openings[1]))]))
        }
        #expect(throws: Refusal("user bob is no more")) { try latter.making(changes) }
        latter.limits[0].sessions = 8
        let refusal = Refusal(
            "limit client: 5 sessions, 7 new sessions per second is no more, there is "
                + "limit client: 8 sessions, 7 new sessions per second")
        #expect(throws: refusal) { try latter.making(changes.reversed) }
    }
}
