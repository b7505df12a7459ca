import Address
import Policy
import Testing

private let kid = HardwareAddress("52:54:00:00:00:01")!
private let tv = HardwareAddress("3c:5a:b4:00:00:02")!
private let stranger = HardwareAddress("3c:5a:b4:12:34:56")!

/// A home in which these three were seen, and how they call themselves.
private func seen(_ names: String?...) -> Surroundings {
    var seen = home
    seen.household = Household(
        members: zip([kid, tv, stranger], names).enumerated().map { index, pair in
            .init(
                number: UInt16(index + 1), hardware: pair.0, interface: "eth1", hostname: pair.1,
                addresses: [IPAddress("192.168.1.\(10 + index)")!])
        })
    return seen
}

private func policy(_ devices: Device...) -> Policy {
    Policy(lan: ["eth1"], wan: ["eth0"], devices: devices)
}

@Suite("Devices") struct DeviceTests {
    @Test func `A device is called as it calls itself until the operator names it`() {
        let household = seen("Annas-iPhone.local", "TV_Wohnzimmer", nil).household
        #expect(
            policy().deviceNames(in: household) == [1: "annas-iphone", 2: "tv-wohnzimmer", 3: "device-123456"])
        let named = policy(Device(name: "kid", hardware: kid))
        #expect(named.deviceNames(in: household)[1] == "kid")
    }

    @Test func `A device that claims another's name does not get it, and that is told`() {
        let household = seen("printer", "printer", "gatehouse").household
        let names = policy().deviceNames(in: household)
        #expect(names == [1: "printer", 2: "printer-000002", 3: "gatehouse-123456"])
        let claims = policy().claims(in: household)
        #expect(claims.count == 2 && claims[0].hasPrefix("\(tv) calls itself printer, which is another's name"))
        // The operator's word goes before whoever was there first.
        let named = policy(Device(name: "printer", hardware: stranger))
        #expect(named.deviceNames(in: household) == [1: "printer-000001", 2: "printer-000002", 3: "printer"])
    }

    @Test func `What names a device goes by its new name, and keeps it from being forgotten`() throws {
        let seen = seen("kid", "tv", nil)
        var policy = policy(Device(name: "kid", hardware: kid))
        policy.blocklists = [Blocklist(name: "games", device: "kid", count: 1, content: "0123456789abcdef")]
        try policy.changeDevice(kid, in: seen) { $0.name = "anna" }
        #expect(policy.blocklists.map(\.device) == ["anna"])
        try policy.check(in: seen)
        let refusal = #expect(throws: Refusal.self) { try policy.forgetDevice(kid) }
        #expect(try #require(refusal).description.contains("`gatehousectl blocklist remove games` first"))
        policy.zones.append(Zone(name: "guest"))
        policy.blocklists[0] = Blocklist(name: "games", zone: "guest", count: 1, content: "0123456789abcdef")
        let other = #expect(throws: Refusal.self) { try policy.removeZone(named: "guest", in: seen) }
        #expect(try #require(other).description.contains("`gatehousectl blocklist remove games` first"))
    }

    @Test func `Where new devices wait, one waits until its way is said, whatever else is`() throws {
        var policy = policy()
        let home = try #require(policy.zones.firstIndex { $0.name == Zone.home })
        policy.zones[home].newDevices = .blocked
        let seen = seen("kid", "tv", nil)
        try policy.changeDevice(kid, in: seen) { $0.pause = .until(7) }
        _ = policy.closeExpired(at: 8)
        #expect(policy.device(with: kid)?.pause == nil)
        #expect(policy.way(of: kid, in: policy.zones[home]) == .blocked)
        policy.adopt(tv, in: seen.household)
        #expect(policy.way(of: tv, in: policy.zones[home]) == .blocked)
        try policy.changeDevice(tv, in: seen) { $0.way = nil }
        #expect(policy.way(of: tv, in: policy.zones[home]) == .routed)
    }

    @Test func `A device that uses another's address is told`() {
        var device = Device(name: "printer", hardware: HardwareAddress("3c:5a:b4:00:00:99")!)
        device.address = IPAddress("192.168.1.12")
        let claims = policy(device).claims(in: seen("kid", "tv", "thief").household)
        #expect(claims == ["thief (\(stranger)) uses 192.168.1.12, which is the address of printer"])
    }

    @Test(arguments: ["", "Kid", "-kid", "kid-", "the kid", "kid.home", "gatehouse", "localhost", "123", "käthe"])
    func `What is no host name is no name for a device`(_ name: String) {
        #expect(throws: Refusal.self) { try Policy.checkName(ofDevice: name) }
    }

    @Test func `A device is found by its name, its hardware or an address that it has`() throws {
        let (policy, household) = (policy(Device(name: "kid", hardware: kid)), seen("phone", "tv", nil).household)
        for (text, hardware) in [
            ("kid", kid), ("tv", tv), ("192.168.1.11", tv), ("\(stranger)", stranger), ("device-123456", stranger),
        ] {
            #expect(try policy.hardware(named: text, in: household) == hardware)
        }
        for text in ["phone", "192.168.1.99", ""] {
            #expect(throws: Refusal.self) { try policy.hardware(named: text, in: household) }
        }
    }

    @Test func `What is decided about a device begins with the name that it has, and a new name is new everywhere`()
        throws
    {
        let surroundings = seen("phone", "tv", nil)
        var policy = policy()
        try policy.changeDevice(kid, in: surroundings) { $0.way = .blocked }
        #expect(policy.devices == [Device(name: "phone", hardware: kid, way: .blocked)])
        try policy.add(Rule(id: 1, action: .deny, device: "phone", domain: "games.example"))
        try policy.set(Limit(subject: .device("phone"), bandwidth: 1_000_000))
        policy.forwards = [Forward(name: "web", transport: .tcp, port: 80, device: "phone")]
        try policy.changeDevice(kid, in: surroundings) { $0.name = "kid" }
        #expect(policy.rules[0].device == "kid" && policy.limits[0].subject == .device("kid"))
        #expect(policy.forwards[0].device == "kid")
        #expect(
            refusal { () throws(Refusal) in try policy.forgetDevice(kid) }?.contains("rule 1 names the device kid")
                == true)
        try policy.removeRule(1)
        try policy.removeLimit(for: .device("kid"))
        policy.forwards = []
        try policy.forgetDevice(kid)
        #expect(policy.devices.isEmpty)
    }

    @Test func `Two devices have neither one name nor one address`() throws {
        var policy = policy()
        try policy.changeDevice(kid, in: seen()) {
            $0.name = "kid"
            $0.address = IPAddress("192.168.1.20")
        }
        let before = policy
        let sameName = refusal { () throws(Refusal) in try policy.changeDevice(tv, in: seen()) { $0.name = "kid" } }
        #expect(sameName?.contains("there is a device kid already") == true)
        let sameAddress = refusal { () throws(Refusal) in
            try policy.changeDevice(tv, in: seen()) { $0.address = IPAddress("192.168.1.20") }
        }
        #expect(sameAddress?.contains("192.168.1.20 is the address of kid already") == true)
        let isIPv6 = refusal { () throws(Refusal) in
            try policy.changeDevice(tv, in: seen()) { $0.address = IPAddress("fd00::1") }
        }
        #expect(isIPv6?.contains("IPv4") == true)
        let group = HardwareAddress("01:00:5e:00:00:01")!
        #expect(throws: Refusal.self) { try policy.changeDevice(group, in: seen()) { $0.way = .blocked } }
        #expect(policy == before)
    }

    @Test func `A rule or a limit for a device that is not there is refused`() throws {
        var policy = policy()
        let rule = refusal { () throws(Refusal) in try policy.add(Rule(id: 1, action: .deny, device: "kid")) }
        #expect(rule?.contains("there is no device kid") == true)
        let limit = refusal { () throws(Refusal) in try policy.set(Limit(subject: .device("kid"), sessions: 3)) }
        #expect(limit?.contains("there is no device kid") == true)
    }

    @Test func `A pause ends by itself, and what is over is taken back`() throws {
        var device = Device(name: "kid", hardware: kid)
        device.pause = .until(1000)
        var policy = policy(device)
        #expect(policy.holds(at: 999, on: .utc) == [kid: .paused] && policy.holds(at: 1000, on: .utc).isEmpty)
        #expect(policy.nextTurn(after: 10, on: .utc) == 1000 && policy.nextTurn(after: 1000, on: .utc) == nil)
        policy.closeExpired(at: 999)
        #expect(policy.devices[0].pause == .until(1000))
        #expect(policy.closeExpired(at: 1000) == ["device resume kid"])
        #expect(policy.devices[0].pause == nil)
    }

    @Test func `The next turn is where hours begin or end, and nothing is one at the edge of the week`() {
        var device = Device(name: "kid", hardware: kid)
        // 2026-11-27, a Friday, at noon.
        let noon = 1_795_780_800
        device.schedule = Schedule("mon-fri 07:00-21:00")
        #expect(policy(device).nextTurn(after: noon, on: .utc) == noon + 9 * 3600)
        #expect(policy(device).nextTurn(after: noon + 9 * 3600, on: .utc) == noon + 2 * 86_400 + 19 * 3600)
        device.schedule = Schedule("mon-sun 00:00-24:00")
        #expect(policy(device).nextTurn(after: noon, on: .utc) == nil)
    }

    // MARK: what the proxies make of it

    private func access(_ policy: Policy, in surroundings: Surroundings, at time: Int = 0) -> Access {
        Access(policy, surroundings: surroundings, standings: policy.standings(in: surroundings, at: time))
    }

    private func client(_ device: UInt16, _ address: String = "192.168.1.50") -> Access.Client {
        Access.Client(
            listener: endpoint("192.168.1.1:1080"), kind: .socks5, address: IPAddress(address)!, device: device)
    }

    @Test func `A rule for a device holds for it at any address, and for no other`() throws {
        let surroundings = seen("kid", "tv", nil)
        var policy = policy(Device(name: "kid", hardware: kid))
        policy.listeners = [Listener(kind: .socks5, endpoint: endpoint("192.168.1.1:1080"))]
        try policy.add(Rule(id: 1, action: .deny, device: "kid", domain: "games.example"))
        let access = access(policy, in: surroundings)
        let games = try Host("www.games.example")
        for address in ["192.168.1.50", "2001:db9:2::77"] {
            #expect(access.refusal(of: games, port: 443, for: client(1, address)) == .rule(id: 1))
            #expect(access.refusal(of: games, port: 443, for: client(2, address)) == nil)
            #expect(access.refusal(of: games, port: 443, for: client(0, address)) == nil)
        }
        #expect(access.refusal(of: try Host("example.com"), port: 443, for: client(1)) == nil)
        // Never seen: the rule is nobody's, and by no means everybody's.
        var unseen = policy
        unseen.devices[0].hardware = HardwareAddress("52:54:00:00:00:77")!
        #expect(
            self.access(unseen, in: surroundings).refusal(of: games, port: 443, for: client(0)) == nil)
    }

    @Test func `A device has its own limit, and is one client at all its addresses`() throws {
        let surroundings = seen("kid", "tv", nil)
        var policy = policy(Device(name: "kid", hardware: kid))
        try policy.set(Limit(subject: .device("kid"), sessions: 3))
        try policy.set(Limit(subject: .client(Network("192.168.1.0/24")!), sessions: 7))
        let limits = access(policy, in: surroundings).limits
        let (four, six) = (IPAddress("192.168.1.50")!, IPAddress("2001:db9:2::77")!)
        #expect(limits.limit(forClient: four, device: 1).sessions == 3)
        #expect(limits.limit(forClient: four, device: 2).sessions == 7)
        #expect(limits.client(at: four, device: 1).key == limits.client(at: six, device: 1).key)
        #expect(limits.client(at: four, device: 1).key != limits.client(at: four, device: 2).key)
        #expect(limits.client(at: four, device: 0).key == .address(four))
        // A number that nobody has any more is no device.
        #expect(limits.client(at: four, device: 99).key == .address(four))
        // A device that takes a new hardware address each time is bounded as one that takes a new address.
        #expect(limits.client(at: six, device: 1).neighbourhood == limits.client(at: six, device: 2).neighbourhood)
        #expect(limits.client(at: six, device: 1).neighbourhood != nil)
    }

    /// The kernel and the proxies must never differ: both go by `way`, and here it is seen that the proxies do.
    @Test func `Access serves a device exactly when its way and the time let it, for 500 policies`() {
        var random = SystemRandomNumberGenerator()
        let hours = ["mon-fri 07:00-21:00", "sat-sun 00:00-24:00", "fri 18:00-01:00"].map { Schedule($0)! }
        var outcomes: Set<DeviceStanding.Stop?> = []
        for _ in 0..<500 {
            var policy = Policy(
                listeners: [Listener(kind: .socks5, endpoint: endpoint("192.168.1.1:1080"))], lan: ["eth1"],
                wan: ["eth0"])
            for index in policy.zones.indices {
                policy.zones[index].way = Way.allCases.randomElement(using: &random)!
                policy.zones[index].newDevices = Bool.random(using: &random) ? Way.allCases.randomElement() : nil
            }
            policy.zones.append(Zone(name: "guest", interfaces: ["eth2"]))
            let now = Int.random(in: 1_795_000_000...1_796_000_000, using: &random)
            var surroundings = home
            for number in 1...8 as ClosedRange<UInt16> {
                let hardware = HardwareAddress(bytes: [0x3c, 0, 0, 0, 0, UInt8(number)])!
                surroundings.household.members.append(
                    .init(
                        number: number, hardware: hardware,
                        interface: ["eth1", "eth2", "eth0", "eth9"].randomElement(using: &random)!))
                guard Bool.random(using: &random) else { continue }
                var device = Device(name: "d\(number)", hardware: hardware)
                device.way = Bool.random(using: &random) ? Way.allCases.randomElement() : nil
                switch Int.random(in: 0...3, using: &random) {
                case 0: device.pause = .forever
                case 1: device.pause = .until(now + Int.random(in: -1...1, using: &random))
                default: break
                }
                device.schedule = Bool.random(using: &random) ? hours.randomElement(using: &random) : nil
                policy.devices.append(device)
            }
            let access = access(policy, in: surroundings, at: now)
            for member in surroundings.household.members {
                let verdict = access.verdict(
                    on: IPAddress("93.184.216.34")!, of: .address(IPAddress("93.184.216.34")!), port: 443,
                    for: client(member.number))
                let zone = policy.zone(of: member.interface).flatMap { $0.name == Zone.internet ? nil : $0 }
                let stop = zone.flatMap { Self.stop(member.hardware, $0, policy, now) }
                outcomes.insert(stop)
                #expect(verdict == (stop.map { .deny(.stopped($0)) } ?? .allow))
                #expect(access.admits(client(member.number)) == (stop == nil))
            }
        }
        #expect(outcomes.count == 4, "each outcome has come up")
    }

    /// In words of its own.
    private static func stop(
        _ hardware: HardwareAddress, _ zone: Zone, _ policy: Policy, _ now: Int
    ) -> DeviceStanding.Stop? {
        guard policy.way(of: hardware, in: zone) != .blocked else { return .blocked }
        guard let device = policy.devices.first(where: { $0.hardware == hardware }) else { return nil }
        if device.pause == .forever { return .paused }
        if case .until(let end)? = device.pause, end > now { return .paused }
        guard let schedule = device.schedule else { return nil }
        return schedule.allows(at: now, on: .utc) ? nil : .outOfHours
    }
}
