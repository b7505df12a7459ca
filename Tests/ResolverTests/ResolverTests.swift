import Address
import Glibc
import Reactor
import TestNetwork
import Testing

@testable import Resolver

private let both = ["192.0.2.1", "2001:db8::1"]

@Suite(.timeLimit(.minutes(1))) struct ResolverTests {
    @Test func `IPv6 and IPv4 come in turns, IPv6 first`() async throws {
        let names = try NameServer { _ in
            .addresses(["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2"], seconds: 60)
        }
        let asker = try await Asker(names)
        let expected = ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]
        #expect(try await asker.addresses("dual.example") == expected)
        #expect(try await asker.addresses("dual.example") == expected)
        #expect(names.questions.sorted() == ["A dual.example", "AAAA dual.example"])
    }

    @Test func `Aliases lead to addresses`() async throws {
        let names = try NameServer { _ in .alias("edge.example.net", both) }
        #expect(try await Asker(names).addresses("www.example") == ["2001:db8::1", "192.0.2.1"])
    }

    @Test func `Those who ask for one name at once share one lookup`() async throws {
        let names = try NameServer { _ in .later(.milliseconds(30), .addresses(["192.0.2.7"])) }
        let asker = try await Asker(names)
        #expect(await asker.askAtOnce(50, for: "busy.example") == Array(repeating: ["192.0.2.7"], count: 50))
        #expect(names.questions.sorted() == ["A busy.example", "AAAA busy.example"])
    }

    @Test(arguments: [0, 3] as [UInt8])
    func `That a name has no address is believed for as long as its zone says`(_ code: UInt8) async throws {
        let names = try NameServer { query in .none(code: code, seconds: query.name == "brief.example" ? 1 : 300) }
        let asker = try await Asker(names)
        for _ in 0..<3 {
            for name in ["lasting.example", "brief.example"] {
                await #expect(throws: Resolver.Failure.noSuchName) { try await asker.addresses(name) }
            }
        }
        names.answer { _ in .addresses(["192.0.2.7"]) }
        #expect(await wait { (try? await asker.addresses("brief.example")) == ["192.0.2.7"] })
        await #expect(throws: Resolver.Failure.noSuchName) { try await asker.addresses("lasting.example") }
    }

    /// A answered SERVFAIL and AAAA "no such address" was once "no such name", kept for ten seconds.
    @Test func `A failure is no word about the name, and is forgotten within a moment`() async throws {
        let names = try NameServer { query in query.type == 1 ? .code(2) : .none(code: 0, seconds: 300) }
        let asker = try await Asker(names)
        await #expect(throws: Resolver.Failure.failed) { try await asker.addresses("shaky.example") }
        names.answer { _ in .addresses(["192.0.2.7"]) }
        #expect(await wait { (try? await asker.addresses("shaky.example")) == ["192.0.2.7"] })
    }

    @Test func `Where there is no name server, names fail at once and say so`() async throws {
        let asker = try await Asker(NameServers([]))
        let start = ContinuousClock.now
        await #expect(throws: Resolver.Failure.noServers) { try await asker.addresses("some.example") }
        #expect(asker.counters.nameServersSilence == nil, "nobody was silent")
        // To a broadcast address nothing can be sent, as to any before there is a network.
        let unreachable = try await Asker(NameServers([.init(IPAddress("255.255.255.255")!)]))
        await #expect(throws: Resolver.Failure.timedOut) { try await unreachable.addresses("some.example") }
        #expect(ContinuousClock.now - start < .seconds(4))
    }

    @Test func `Name servers that are silent are given up on, and that is told until one speaks`() async throws {
        let names = try NameServer { _ in .silence }
        let asker = try await Asker(NameServers([names.asked], timeout: .milliseconds(100)))
        await #expect(throws: Resolver.Failure.timedOut) { try await asker.addresses("silent.example") }
        #expect(names.questions.count { $0 == "A silent.example" } == 2, "each question was asked twice")
        #expect(asker.counters.nameServersSilence != nil)
        names.answer { _ in .code(2) }
        await #expect(throws: Resolver.Failure.failed) { try await asker.addresses("other.example") }
        #expect(asker.counters.nameServersSilence == nil)
    }

    // MARK: 44

    @Test func `44 The first of two servers is dead: a name costs a moment once, and then nothing`() async throws {
        let dead = try NameServer { _ in .silence }
        let alive = try NameServer { _ in .addresses(["192.0.2.7"]) }
        let asker = try await Asker(dead, alive)
        let first = try await asker.time("a.example")
        #expect(first < .seconds(5), "\(first)")
        let next = try await quickest(.milliseconds(300)) { try await asker.time("b\($0).example") }
        #expect(next < .milliseconds(300), "\(next)")
    }

    @Test func `44 A server where nobody listens costs nothing`() async throws {
        let alive = try NameServer { _ in .addresses(["192.0.2.7"]) }
        let gone = try NameServer { _ in .silence }.asked
        let asker = try await Asker(NameServers([gone, alive.asked]))
        let time = try await quickest(.milliseconds(300)) { try await asker.time("a\($0).example") }
        #expect(time < .milliseconds(300), "\(time)")
    }

    @Test(arguments: [2, 4, 5, 9] as [UInt8])
    func `44 A server that cannot tell is no reason to wait for the next`(_ code: UInt8) async throws {
        let useless = try NameServer { _ in .code(code) }
        let alive = try NameServer { _ in .addresses(both) }
        let asker = try await Asker(useless, alive)
        let time = try await quickest(.milliseconds(300)) { try await asker.time("a\($0).example") }
        #expect(time < .milliseconds(300), "\(time)")
    }

    @Test func `44 Other servers are asked at once, also for what is being looked up, and nothing is forgotten`()
        async throws
    {
        let old = try NameServer { query in query.name == "kept.example" ? .addresses(both, seconds: 60) : .silence }
        let new = try NameServer { query in query.name == "kept.example" ? .silence : .addresses(both) }
        let asker = try await Asker(NameServers([old.asked], timeout: .seconds(30)))
        _ = try await asker.addresses("kept.example")
        let pending = Task { try await asker.addresses("pending.example") }
        #expect(await wait { old.queries(for: "pending.example") > 0 })
        await asker.resolver.use(NameServers([new.asked], timeout: .milliseconds(100)), hosts: .empty)
        #expect(try await pending.value == ["2001:db8::1", "192.0.2.1"])
        // The new ones do not answer, and what the old ones said is better than nothing.
        #expect(try await asker.addresses("kept.example") == ["2001:db8::1", "192.0.2.1"])
        #expect(new.queries(for: "kept.example") > 0)
    }

    @Test(arguments: [1, 4, 5] as [UInt8])
    func `44 A server that knows nothing of EDNS is asked without`(_ code: UInt8) async throws {
        let names = try NameServer { query in
            query.isExtended ? .code(code) : .addresses(both)
        }
        if code == 5 {
            // To refuse is to refuse.
            await #expect(throws: Resolver.Failure.failed) { try await Asker(names).addresses("a.example") }
        } else {
            #expect(try await Asker(names).addresses("a.example").count == 2)
        }
    }

    /// Some forwarders say of types that they do not know what others say of EDNS.
    @Test func `44 A server that cannot tell one thing is asked with EDNS for the next`() async throws {
        let names = try NameServer { query in query.name == "odd.example" ? .code(4) : .addresses(both) }
        let asker = try await Asker(names)
        await #expect(throws: Resolver.Failure.failed) { try await asker.addresses("odd.example") }
        _ = try await asker.addresses("a.example")
        let extended = names.queries.filter { $0.name == "a.example" }.map(\.isExtended)
        #expect(extended == [true, true])
    }

    @Test func `44 A server takes turns with the others where that is asked for`() async throws {
        let servers = try (0..<3).map { _ in try NameServer { _ in .addresses(["192.0.2.7"]) } }
        let asker = try await Asker(NameServers(servers.map(\.asked), rotates: true))
        for index in 0..<6 { _ = try await asker.addresses("n\(index).example") }
        #expect(servers.allSatisfy { $0.queries.count == 4 }, "\(servers.map(\.queries.count))")
    }

    @Test func `44 A name without dots is looked for in the search domains first, others as they are`() async throws {
        let names = try NameServer { query in
            ["printer.home.example", "b.c"].contains(query.name)
                ? .addresses(["192.0.2.7"]) : .none(code: 3, seconds: 60)
        }
        let asker = try await Asker(NameServers([names.asked], search: ["lan", "home.example"]))
        #expect(try await asker.addresses("printer") == ["192.0.2.7"])
        #expect(Set(names.queries.map(\.name)) == ["printer.lan", "printer.home.example"])
        await #expect(throws: Resolver.Failure.noSuchName) { try await asker.addresses("nobody") }
        #expect(names.queries.last?.name == "nobody")
        let before = names.queries.count
        await #expect(throws: Resolver.Failure.noSuchName) { try await asker.addresses("b.example") }
        #expect(names.queries.dropFirst(before).allSatisfy { $0.name == "b.example" })
        // Unless more dots are wanted (resolv.conf(5), ndots).
        let other = try await Asker(NameServers([names.asked], search: ["lan"], dots: 2))
        #expect(try await other.addresses("b.c") == ["192.0.2.7"])
        #expect(names.queries(for: "b.c.lan") == 1)
    }

    @Test(.enabled(if: isRoot, "needs root: network namespaces"))
    func `44 A link-local server is asked behind its own interface`() async throws {
        let (gateway, router) = (try Namespace(), try Namespace())
        try router.run(
            "ip", "-batch", "-",
            input: """
                link set lo up
                link add eth0 type veth peer name wan0 netns \(gateway.path)
                link set eth0 up
                address add fe80::53/64 dev eth0 nodad
                """)
        try gateway.run(
            "ip", "-batch", "-",
            input: "link set lo up\nlink set wan0 up\naddress add fe80::1/64 dev wan0 nodad\n")
        let names = try NameServer(in: router, "fe80::53%eth0") { query in
            query.name == "long.example" ? .truncated(.addresses(both)) : .addresses(both)
        }
        let index = try gateway.enter { if_nametoindex("wan0") }
        let server = NameServers.Server(IPAddress("fe80::53")!, zone: index)
        let asker = try await Asker(NameServers([server]), in: gateway)
        #expect(try await asker.addresses("a.example").count == 2)
        #expect(try await asker.addresses("long.example").count == 2)
        withExtendedLifetime(names) {}
    }

    // MARK: 45

    /// c-ares called back when both answers were there: a dropped AAAA cost 4.5 s with one server and the name with three.
    @Test(arguments: [1, 2, 3], [1, 28] as [UInt16])
    func `45 Silence about one family costs a moment, however many servers there are`(
        _ count: Int, _ answered: UInt16
    ) async throws {
        let servers = try (0..<count).map { _ in
            try NameServer { query in query.type == answered ? .addresses(both) : .silence }
        }
        let asker = try await Asker(NameServers(servers.map(\.asked)))
        let expected = answered == 1 ? ["192.0.2.1"] : ["2001:db8::1"]
        let time = try await quickest(.milliseconds(100)) { attempt in
            #expect(try await asker.addresses("x\(attempt).example") == expected)
            return try await asker.time("y\(attempt).example")
        }
        #expect(time >= .milliseconds(30) && time < .milliseconds(200), "\(time)")
    }

    @Test(arguments: [2, 3, 5] as [UInt8])
    func `45 What is wrong with one family is no reason to fail`(_ code: UInt8) async throws {
        let names = try NameServer { query in query.type == 1 ? .addresses(both, seconds: 60) : .code(code) }
        let asker = try await Asker(names)
        #expect(try await asker.addresses("four.example") == ["192.0.2.1"])
        let before = names.queries.count
        #expect(try await asker.addresses("four.example") == ["192.0.2.1"])
        #expect(names.queries.count == before)
    }

    @Test func `45 The family that comes late is there for whoever follows, and for the next`() async throws {
        let names = try NameServer { query in
            query.type == 1 ? .later(.milliseconds(300), .addresses(both, seconds: 60)) : .addresses(both, seconds: 60)
        }
        let asker = try await Asker(names)
        let answer = try await asker.answer("late.example")
        #expect(answer == Resolver.Answer(addresses: [IPAddress("2001:db8::1")!], isWhole: false))
        let rest = await asker.resolver.rest(of: "late.example")
        #expect(rest.map(\.description) == ["2001:db8::1", "192.0.2.1"])
        #expect(try await asker.answer("late.example").isWhole)
        #expect(try await asker.addresses("late.example") == ["2001:db8::1", "192.0.2.1"])
        #expect(names.queries.count == 2)
    }

    @Test func `45 What does not fit a datagram is asked for over TCP`() async throws {
        let many = (1...60).map { "192.0.2.\($0)" }
        let names = try NameServer { query in
            query.type == 1 ? .truncated(.addresses(many)) : .none(code: 0, seconds: 9)
        }
        let asker = try await Asker(names)
        #expect(try await asker.addresses("many.example") == many.prefix(8).map(\.self))
        #expect(names.queries.filter(\.isOverTCP).map(\.type) == [1])
    }

    /// Each resolver's ids were the same list after each start: its seed was rand() in a sandbox without /dev/urandom.
    @Test func `45 Ids and ports are fresh for each query, and no two resolvers have the same`() async throws {
        let names = try NameServer { _ in .addresses(["192.0.2.7"]) }
        var series: [[UInt16]] = []
        for _ in 0..<2 {
            let before = names.queries.count
            let asker = try await Asker(names)
            for index in 0..<64 { _ = try await asker.addresses("n\(index).example") }
            let queries = names.queries.dropFirst(before)
            #expect(queries.count == 128)
            // Of 128 out of 65536, or of the kernel's 28232 ports, a few may be the same.
            #expect(Set(queries.map(\.identifier)).count > 120)
            #expect(Set(queries.map(\.port)).count > 115)
            let steps = zip(queries.dropFirst(), queries).map { $0.port &- $1.port }
            #expect(Set(steps).count > 100, "ports that follow one another")
            series.append(queries.map(\.identifier))
        }
        #expect(zip(series[0], series[1]).count { $0 == $1 } < 4)
    }

    @Test(
        arguments: ["identifier", "name", "type", "port", "server"])
    func `45 An answer that is wrong in one thing is no answer`(_ what: String) async throws {
        let names = try NameServer { _ in .silence }
        let (host, port) = (names.host, names.port)
        names.answer { query in
            let right: NameServer.Reply = .later(.milliseconds(100), .addresses(["192.0.2.7"]))
            guard query.type == 1 else { return .none(code: 0, seconds: 9) }
            let evil = ["192.0.2.66"]
            switch what {
            case "identifier":
                let guesses = (1...16).map { query.answer(evil, identifier: query.identifier &+ $0) }
                return .spoofed(from: "127.0.0.9", port: 0, guesses, then: .messages(guesses))
            case "name": return .messages([query.answer(evil, name: "other.example")])
            case "type": return .messages([query.answer(evil, type: 28)])
            case "port": return .spoofed(from: host, port: port &+ 1, [query.answer(evil)], then: right)
            default: return .spoofed(from: "127.0.0.9", port: port, [query.answer(evil)], then: right)
            }
        }
        // Where the wrong answer comes from the server itself, the right one comes when it is asked again.
        let asker = try await Asker(NameServers([names.asked], timeout: .milliseconds(200), attempts: 3))
        let pending = Task { try await asker.addresses("bank.example") }
        if !["port", "server"].contains(what) {
            #expect(await wait { names.queries(for: "bank.example") >= 1 })
            names.answer { query in query.type == 1 ? .addresses(["192.0.2.7"]) : .none(code: 0, seconds: 9) }
        }
        #expect(try await pending.value == ["192.0.2.7"])
    }

    // MARK: 46

    @Test func `46 A client's names that never resolve keep nobody else waiting`() async throws {
        let names = try NameServer { query in query.name.hasSuffix("slow.example") ? .silence : .addresses(both) }
        let asker = try await Asker(names)
        let usual = try await quickest(.milliseconds(50)) {
            try await asker.time("usual\($0).example", for: "192.0.2.2")
        }
        let flood = (0..<2000).map { index in
            Task.immediate { try? await asker.addresses("r\(index).slow.example", for: "192.0.2.66") }
        }
        #expect(await wait { names.queries.count { $0.name.hasSuffix("slow.example") } >= 64 })
        for index in 0..<20 {
            let time = try await quickest(.milliseconds(150)) {
                try await asker.time("fresh\(index)-\($0).example", for: "192.0.2.2")
            }
            #expect(time < max(.milliseconds(150), usual * 3), "\(time), usually \(usual)")
        }
        // No more than its share is ever under way.
        #expect(Set(names.queries.map(\.name)).count { $0.hasSuffix("slow.example") } <= 128)
        // A name that another client asks for is not one that waits in this client's queue.
        names.answer { _ in .addresses(both) }
        #expect(try await asker.time("r1999.slow.example", for: "192.0.2.2") < .seconds(1))
        for task in flood { task.cancel() }
    }

    @Test func `46 A client's names beyond its share have their turn`() async throws {
        let names = try NameServer { _ in .later(.milliseconds(20), .addresses(["192.0.2.7"])) }
        let asker = try await Asker(names)
        let tasks = (0..<300).map { index in Task.immediate { try? await asker.addresses("n\(index).example") } }
        for task in tasks { #expect(await task.value == ["192.0.2.7"]) }
    }

    @Test func `46 However many clients there are, a new one finds room`() async throws {
        let names = try NameServer { query in query.name.hasSuffix("slow.example") ? .silence : .addresses(both) }
        let asker = try await Asker(NameServers([names.asked], timeout: .seconds(20)))
        let flood = (0..<40).flatMap { client in
            (0..<32).map { index in
                Task.immediate {
                    try? await asker.addresses("r\(client)-\(index).slow.example", for: "2001:db8::\(client + 1)")
                }
            }
        }
        #expect(await wait { names.queries.count { $0.name.hasSuffix("slow.example") } >= 1024 })
        let time = try await quickest(.milliseconds(300)) { try await asker.time("new\($0).example", for: "192.0.2.2") }
        #expect(time < .milliseconds(300), "\(time)")
        for task in flood { task.cancel() }
    }

    @Test func `46 A name that is blocked is answered at once`() async throws {
        let names = try NameServer { query in query.type == 1 ? .addresses(["0.0.0.0"]) : .silence }
        let asker = try await Asker(names)
        #expect(try await asker.addresses("ads.example") == ["0.0.0.0"])
        let time = try await quickest(.milliseconds(30)) { try await asker.time("ads\($0).example") }
        #expect(time < .milliseconds(45), "\(time)")
    }

    // MARK: stale answers (RFC 8767)

    @Test(arguments: [NameServer.Reply.silence, .code(2)])
    func `Addresses that held once are used while no server knows better`(_ trouble: NameServer.Reply) async throws {
        let names = try NameServer { _ in .addresses(both, seconds: 1) }
        let asker = try await Asker(names)
        #expect(try await asker.addresses("stale.example").count == 2)
        names.answer { _ in trouble }
        // It has ended as soon as it is asked for again.
        #expect(
            try await wait {
                _ = try await asker.addresses("stale.example")
                return names.queries(for: "stale.example") > 1
            })
        #expect(try await asker.addresses("stale.example").count == 2)
        await #expect(throws: (any Error).self) { try await asker.addresses("new.example") }
        // That it is gone is better than what it was.
        names.answer { _ in .none(code: 3, seconds: 60) }
        await asker.resolver.use(NameServers([names.asked], attempts: 3), hosts: .empty)
        await #expect(throws: Resolver.Failure.noSuchName) { try await asker.addresses("stale.example") }
    }

    // MARK: what no server is asked

    @Test func `Names of the machine itself stay inside`() async throws {
        let names = try NameServer { _ in .addresses(["192.0.2.7"]) }
        let asker = try await Asker(names, hosts: HostTable(Array("nas 192.168.1.9 fd00::9\nx.lan 0.0.0.0\n".utf8)))
        for name in ["localhost", "db.localhost"] {
            #expect(try await asker.addresses(name) == ["::1", "127.0.0.1"])
        }
        for name in ["a.invalid", "x.onion"] {
            await #expect(throws: Resolver.Failure.noSuchName) { try await asker.addresses(name) }
        }
        #expect(try await asker.addresses("nas") == ["fd00::9", "192.168.1.9"])
        #expect(try await asker.addresses("x.lan") == ["0.0.0.0"])
        #expect(names.queries.isEmpty)
        // Another table holds at once, also for what had been looked up.
        #expect(try await asker.addresses("other.lan") == ["192.0.2.7"])
        await asker.resolver.use(NameServers([names.asked]), hosts: HostTable(Array("other.lan 10.0.0.1\n".utf8)))
        #expect(try await asker.addresses("other.lan") == ["10.0.0.1"])
        #expect(try await asker.addresses("nas") == ["192.0.2.7"])
    }
}

@Suite struct HostTableTests {
    @Test func `A name is found among many, and none that is not there`() {
        let names = (0..<2000).map { "n\($0).example" }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let table = HostTable(Array(names.map { "\($0) 10.0.0.1 fd00::1\n" }.joined().utf8))
        #expect(table.count == 2000)
        for name in names { #expect(table.addresses(of: name) == [IPAddress("10.0.0.1")!, IPAddress("fd00::1")!]) }
        for name in ["", "n", "n1", "n1.exampl", "n1.examplex", "z", "a", "n2000.example"] {
            #expect(table.addresses(of: name) == nil)
        }
        #expect(HostTable.empty.addresses(of: "a") == nil)
        #expect(HostTable(Array("a 10.0.0.1".utf8)).addresses(of: "a") == [IPAddress("10.0.0.1")!])
    }
}

@Suite struct NameCacheTests {
    private let now = ContinuousClock.now
    private let one = [IPAddress("192.0.2.1")!]

    private func isFresh(_ found: NameCache.Found) -> Bool { if case .fresh = found { true } else { false } }
    private func isStale(_ found: NameCache.Found) -> Bool { if case .stale = found { true } else { false } }
    private func isNothing(_ found: NameCache.Found) -> Bool { if case .nothing = found { true } else { false } }

    @Test func `An answer is kept as long as it says, an hour at most, and not at all for zero`() {
        var cache = NameCache(capacity: 8)
        cache.keep(.success(one), for: "a", timeToLive: .seconds(60), at: now)
        cache.keep(.success(one), for: "b", timeToLive: .seconds(86400), at: now)
        cache.keep(.success(one), for: "c", timeToLive: .zero, at: now)
        cache.keep(.failure(.noSuchName), for: "d", timeToLive: .seconds(10), at: now)
        #expect(isFresh(cache.look(for: "a", at: now + .seconds(59))))
        #expect(isStale(cache.look(for: "a", at: now + .seconds(60))))
        #expect(isFresh(cache.look(for: "b", at: now + .seconds(3599))))
        #expect(isStale(cache.look(for: "b", at: now + .seconds(3600))))
        #expect(isNothing(cache.look(for: "c", at: now)))
        #expect(isFresh(cache.look(for: "d", at: now + .seconds(9))))
        #expect(isNothing(cache.look(for: "d", at: now + .seconds(10))))
        #expect(isNothing(cache.look(for: "a", at: now + .seconds(86400 + 60))))
        #expect(cache.count == 1, "what was found to be over is dropped")
    }

    @Test func `Stale addresses go for half a minute without another attempt`() {
        var cache = NameCache(capacity: 8)
        cache.keep(.success(one), for: "a", timeToLive: .seconds(60), at: now)
        cache.keepStale("a", at: now + .seconds(100))
        #expect(isFresh(cache.look(for: "a", at: now + .seconds(129))))
        #expect(isStale(cache.look(for: "a", at: now + .seconds(130))))
        cache.expire(at: now + .seconds(100))
        #expect(isStale(cache.look(for: "a", at: now + .seconds(101))))
    }

    @Test func `It never holds more than it may, and gives up first what ends first`() {
        var cache = NameCache(capacity: 64)
        for index in 1...1000 {
            cache.keep(.success([]), for: "\(index)", timeToLive: .seconds(index), at: now)
            #expect(cache.count <= 64)
        }
        #expect(isFresh(cache.look(for: "1000", at: now)))
        #expect(isNothing(cache.look(for: "1", at: now)))
    }
}
