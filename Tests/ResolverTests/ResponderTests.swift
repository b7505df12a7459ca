import Address
import Synchronization
import TestNetwork
import Testing
import Wire

@testable import Resolver

/// A query message: id 7, recursion desired.
private func query(_ name: String, _ type: UInt16 = 1, id: UInt16 = 7, options: [UInt8] = []) -> [UInt8] {
    [UInt8(id >> 8), UInt8(truncatingIfNeeded: id), 1, 0, 0, 1, 0, 0, 0, 0, 0, options.isEmpty ? 0 : 1]
        + DNSName(name)!.bytes + [UInt8(type >> 8), UInt8(truncatingIfNeeded: type), 0, 1] + options
}

/// An OPT record with this option.
private func extended(_ code: UInt16, _ value: [UInt8]) -> [UInt8] {
    [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, UInt8(4 + value.count), UInt8(code >> 8), UInt8(truncatingIfNeeded: code), 0]
        + [UInt8(value.count)] + value
}

private func code(_ message: [UInt8]) -> UInt8 { message[3] & 15 }

private let neverAsked: NameServer.Handler = { _ in .addresses(["192.0.2.66", "2001:db8::66"], seconds: 60) }

@Suite(.timeLimit(.minutes(2))) struct ResponderTests {
    // MARK: what comes from the servers

    @Test func `Records of every type pass whole, known or not`() async throws {
        let data: [UInt8] = [0, 1, 0, 0, 1, 0, 3, 2, 0x68, 0x32]
        let names = try NameServer { query in
            .messages([query.answer(records: [(query.type, 60, query.type == 16 ? [4] + Array("text".utf8) : data)])])
        }
        let answerer = try await Answerer(names)
        #expect(try answerer.short("www.example", "HTTPS") == [#"1 . alpn="h2""#])
        #expect(try answerer.short("www.example", "TXT") == [#""text""#])
        #expect(try answerer.short("www.example", "TYPE65400") == [##"\# 10 00010000010003026832"##])
    }

    /// It was announced once by name, so that another rule about the same name, or one above it, never heard of it.
    @Test func `What is kept is announced to whoever wants to know of it anew, whoever did before`() async throws {
        let names = try NameServer { _ in .addresses(["192.0.2.1"], seconds: 300) }
        let answerer = try await Answerer(names)
        let announcements = Announcements()
        func expectNews(_ expected: [String]) async {
            let isTold = await wait { announcements.all.withLock { $0.sorted() == expected } }
            #expect(isTold, "\(announcements.all.withLock { $0 })")
            announcements.all.withLock { $0 = [] }
        }
        await answerer.announce(to: announcements)
        for name in ["www.cloud.example", "other.example"] { #expect(try answerer.short(name) == ["192.0.2.1"]) }
        var knowledge = Knowledge(announced: NameSet(domains: ["www.cloud.example"]))
        await answerer.use(knowledge, news: knowledge.announced)
        await expectNews(["www.cloud.example 192.0.2.1"])
        // The same once more, and a second one above it.
        await answerer.use(knowledge, news: knowledge.announced)
        await expectNews(["www.cloud.example 192.0.2.1"])
        knowledge.announced = NameSet(domains: ["www.cloud.example", "cloud.example"])
        await answerer.use(knowledge, news: NameSet(domains: ["cloud.example"]))
        await expectNews(["www.cloud.example 192.0.2.1"])
        // To whoever knows of it already nothing is said again: the name that is asked for next comes alone.
        knowledge.announced = NameSet(domains: ["www.cloud.example", "cloud.example", "new.example"])
        await answerer.use(knowledge, news: NameSet(domains: ["new.example"]))
        #expect(try answerer.short("new.example") == ["192.0.2.1"])
        await expectNews(["new.example 192.0.2.1"])
        #expect(names.queries.count == 3)
    }

    @Test func `Chains of aliases pass whole`() async throws {
        let names = try NameServer { _ in .alias("edge.example.net", ["192.0.2.1"], seconds: 60) }
        let answerer = try await Answerer(names)
        #expect(try answerer.short("www.example") == ["edge.example.net.", "192.0.2.1"])
        #expect(try answerer.short("www.example") == ["edge.example.net.", "192.0.2.1"])
        #expect(names.queries.count == 1)
    }

    @Test func `An answer is kept for as long as it holds, and its seconds count down`() async throws {
        let names = try NameServer { _ in .addresses(["192.0.2.1"], seconds: 300) }
        let answerer = try await Answerer(names)
        #expect(try answerer.dig("+noall", "+answer", "www.example").contains("300\tIN\tA\t192.0.2.1"))
        #expect(
            try await wait {
                let answer = try answerer.dig("+noall", "+answer", "www.example")
                return answer.contains("299\tIN") || answer.contains("298\tIN")
            })
        #expect(names.queries.count == 1)
    }

    @Test func `What is not there is not asked for again while its zone says so`() async throws {
        let names = try NameServer { query in .none(code: query.name == "gone.example" ? 3 : 0, seconds: 300) }
        let answerer = try await Answerer(names)
        for _ in 0..<3 {
            #expect(try answerer.dig("gone.example").contains("status: NXDOMAIN"))
            let answer = try answerer.dig("empty.example")
            #expect(answer.contains("status: NOERROR") && answer.contains("ANSWER: 0, AUTHORITY: 1"))
        }
        #expect(names.queries.count == 2)
    }

    @Test func `Those who ask the same at once share one question`() async throws {
        let names = try NameServer { _ in .later(.milliseconds(100), .addresses(["192.0.2.7"], seconds: 60)) }
        let answerer = try await Answerer(names)
        let answers = answerer.send(
            query("busy.example", id: 1), query("busy.example", id: 2), query("Busy.Example", id: 3))
        #expect(Set(answers.map { $0[1] }) == [1, 2, 3])
        #expect(answers.allSatisfy { $0.suffix(4) == [192, 0, 2, 7] })
        #expect(names.queries.count == 1)
    }

    /// The spelling is what some clients tell forged answers by.
    @Test func `The name comes back as it was spelt, from the server and from the cache`() async throws {
        let names = try NameServer { _ in .addresses(["192.0.2.1"], seconds: 300) }
        let answerer = try await Answerer(names)
        for spelling in ["wWw.eXamPle", "WWW.exaMPle", "www.example"] {
            let answer = try answerer.dig("+noall", "+question", "+answer", spelling)
            #expect(answer.contains(";\(spelling).\t"), "\(answer)")
            #expect(answer.contains("\n\(spelling).\t"), "\(answer)")
        }
        #expect(names.queries.count == 1)
    }

    @Test func `A client that speaks EDNS is answered so, and one that does not is not`() async throws {
        let names = try NameServer { _ in .addresses(["192.0.2.1"], seconds: 300) }
        let answerer = try await Answerer(names)
        #expect(try answerer.dig("www.example").contains("; EDNS: version: 0, flags:; udp: 1232"))
        #expect(try !answerer.dig("+noedns", "www.example").contains("EDNS"))
        #expect(try answerer.dig("+edns=1", "+noednsneg", "www.example").contains("status: BADVERS"))
    }

    /// Its class is a size, by which it was once taken for a record like any other: clients got two of them.
    @Test func `What the server says of itself stays between it and the gateway`() async throws {
        let names = try NameServer { query in
            .messages([
                query.answer(records: [(1, 300, [192, 0, 2, 1])], extra: [0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0])
            ])
        }
        let answerer = try await Answerer(names)
        for _ in 0..<2 {
            #expect(try answerer.dig("+noedns", "www.example").contains("ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0"))
            #expect(try answerer.dig("+edns", "www.example").contains("ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1"))
        }
    }

    @Test func `What does not fit into the client's datagram comes over TCP`() async throws {
        let names = try NameServer { query in
            .messages([query.answer(records: (0..<60).map { (1, 300, [192, 0, 2, UInt8($0)]) })])
        }
        let answerer = try await Answerer(names)
        let cut = try answerer.dig("+noedns", "+ignore", "www.example")
        #expect(cut.contains(" tc ") && cut.contains("ANSWER: 0"))
        #expect(try answerer.short("+noedns", "www.example").count == 60)
        #expect(try !answerer.dig("+ignore", "www.example").contains(" tc "))
        #expect(names.queries.count == 1)
    }

    @Test func `What the server cannot say in a datagram is asked over TCP and given whole`() async throws {
        let names = try NameServer { query in
            .truncated(
                .messages([
                    query.answer(records: (0..<300).map { (1, 300, [192, 0, UInt8($0 / 256), UInt8($0 % 256)]) })
                ]))
        }
        let answerer = try await Answerer(names)
        #expect(try answerer.short("www.example").count == 300)
        #expect(names.queries.map(\.isOverTCP) == [false, true])
    }

    @Test func `DO and CD reach the server and make answers of their own; AD comes back to those who know it`()
        async throws
    {
        let names = try NameServer { query in
            .messages([query.answer(records: [(1, 300, [192, 0, 2, query.wantsSignatures ? 2 : 1])], bits: 0x20)])
        }
        let answerer = try await Answerer(names)
        #expect(try answerer.short("+dnssec", "www.example") == ["192.0.2.2"])
        #expect(try answerer.short("+nodnssec", "www.example") == ["192.0.2.1"])
        #expect(try answerer.dig("+cd", "+noad", "www.example").contains("flags: qr rd ra cd;"))
        #expect(try answerer.dig("+adflag", "www.example").contains("flags: qr rd ra ad;"))
        #expect(try answerer.dig("+noad", "www.example").contains("flags: qr rd ra;"))
        #expect(try answerer.dig("+noad", "+dnssec", "www.example").contains("flags: qr rd ra ad;"))
        #expect(names.queries.map { $0.flags & 0x10 } == [0, 0, 0x10])
    }

    @Test func `An answer that has outlived its time is given where no server answers, and said to be so`() async throws
    {
        let names = try NameServer { _ in .addresses(["192.0.2.1"], seconds: 1) }
        let answerer = try await Answerer(names)
        #expect(try answerer.short("www.example") == ["192.0.2.1"])
        names.answer { _ in .silence }
        #expect(
            try await wait {
                let answer = try answerer.dig("www.example")
                return answer.contains("EDE: 3 (Stale Answer)") && answer.contains("30\tIN\tA\t192.0.2.1")
            })
        names.answer { _ in .code(2) }
        // Also for the half a minute in which nobody is asked again.
        for _ in 0..<3 {
            let answer = try answerer.dig("www.example")
            #expect(answer.contains("EDE: 3 (Stale Answer)") && answer.contains("30\tIN\tA\t192.0.2.1"), "\(answer)")
        }
    }

    @Test func `Where no server can tell, the client is told at once and why`() async throws {
        let names = try NameServer { _ in .code(2) }
        let answerer = try await Answerer(names)
        let answer = try answerer.dig("www.example")
        #expect(answer.contains("status: SERVFAIL") && answer.contains("EDE: 22"))
        let alone = try await Answerer()
        #expect(try alone.dig("www.example").contains("SERVFAIL"))
    }

    @Test func `Questions of one connection are answered as their answers are there`() async throws {
        let names = try NameServer { query in
            query.name == "slow.example"
                ? .later(.milliseconds(300), .addresses(["192.0.2.9"])) : .addresses(["192.0.2.1"])
        }
        let answerer = try await Answerer(names)
        let quick = (2..<40).map { query("quick\($0).example", id: UInt16($0)) }
        let answers = answerer.stream([query("slow.example", id: 1)] + quick)
        #expect(answers.count == 39)
        #expect(answers.last?[1] == 1)
        #expect(Set(answers.map { $0[1] }).count == 39)
    }

    /// It once asked 60 questions, of which each was answered with a failure after a while, and nobody else asked anything.
    @Test func `One that floods with names of its own making has its share, and the others have theirs`() async throws {
        let names = try NameServer { query in
            query.name.hasSuffix("slow.example") ? .silence : .addresses(["192.0.2.1"], seconds: 60)
        }
        let answerer = try await Answerer(names)
        // What is beyond the share is answered at once, and so counted before any of the share has ended.
        let flood = (0..<300).map { query("n\($0).slow.example", id: UInt16($0)) }
        let started = ContinuousClock.now
        let refused = answerer.send(flood, from: 2, within: .milliseconds(500))
        #expect(refused.count == 44 && refused.allSatisfy { code($0) == 2 }, "\(refused.count)")
        #expect(answerer.send([query("www.example")], from: 1).map(code) == [0])
        #expect(answerer.send([query("other.example")], from: 2).map(code) == [2], "its share is used up")
        #expect(ContinuousClock.now - started < .seconds(4), "the names that are not answered still wait")
    }

    @Test func `Questions that wait for one slow name count for whoever asks them, whoever asked first`() async throws {
        let names = try NameServer { query in
            query.name == "slow.example" ? .silence : .addresses(["192.0.2.1"], seconds: 60)
        }
        let answerer = try await Answerer(names)
        let flood = (0..<300).map { query("slow.example", id: UInt16($0)) }
        let refused = answerer.send(flood, from: 2, within: .milliseconds(500))
        #expect(refused.count == 44 && refused.allSatisfy { code($0) == 2 }, "\(refused.count)")
        #expect(Set(names.queries.map(\.identifier)).count == 1)
        #expect(answerer.send([query("www.example")], from: 1).map(code) == [0])
        // The wait ends with a failure, and then there is room again.
        #expect(
            await wait { answerer.send([query("www.example")], from: 2, within: .seconds(1)).map(code) == [0] })
    }

    @Test func `A question that is put again because nothing has come yet takes no more of the share`() async throws {
        let names = try NameServer { query in
            query.name == "slow.example"
                ? .later(.milliseconds(700), .addresses(["192.0.2.1"])) : .addresses(["192.0.2.1"])
        }
        let answerer = try await Answerer(names)
        let same = Array(repeating: query("slow.example"), count: 300)
        #expect(answerer.send(same, from: 2, within: .seconds(2)).count == 1)
        #expect(Set(names.queries.map(\.identifier)).count == 1)
    }

    @Test func `Over the rate nothing is answered, over TCP it is said why, and the others have their own rates`()
        async throws
    {
        let names = try NameServer { _ in .addresses(["192.0.2.1"], seconds: 60) }
        let knowledge = Knowledge(questionsPerSecond: { $0.source.endpoint?.address == .v4(0x7f00_0003) ? nil : 20 })
        let answerer = try await Answerer(names, knowledge: knowledge)
        #expect(answerer.send([query("www.example")], from: 4).count == 1)
        let many = (0..<200).map { query("www.example", id: UInt16($0)) }
        let some = answerer.send(many, from: 2, within: .milliseconds(300)).count
        #expect((20...60).contains(some), "\(some)")
        #expect(answerer.send(many, from: 3).count == 200)
        let codes = answerer.stream(many).map(code)
        #expect(codes.count == 200 && Set(codes) == [0, 5], "\(codes)")
        #expect(answerer.send([query("www.example")], from: 4).map(code) == [0])
    }

    // MARK: what no server is asked for

    @Test(
        arguments: [
            ("printer.local", "NXDOMAIN"), ("x.test", "NXDOMAIN"), ("a.onion", "NXDOMAIN"), ("invalid", "NXDOMAIN"),
            ("nas", "NXDOMAIN"), ("use-application-dns.net", "NXDOMAIN"), ("resolver.arpa", "NOERROR"),
            ("_dns.resolver.arpa", "NXDOMAIN"), ("localhost", "NOERROR"), ("x.localhost", "NOERROR"),
            ("4.77.168.192.in-addr.arpa", "NXDOMAIN"), ("1.0.16.172.in-addr.arpa", "NXDOMAIN"),
            ("1.0.0.10.in-addr.arpa", "NXDOMAIN"), ("b.e.f.ip6.arpa", "NOERROR"), ("0.d.f.ip6.arpa", "NXDOMAIN"),
            ("nobody.home.arpa", "NXDOMAIN"), ("home.arpa", "NOERROR"), ("1.64.100.in-addr.arpa", "NXDOMAIN"),
        ])
    func `Names that mean nothing outside never leave the box`(_ name: String, _ status: String) async throws {
        let names = try NameServer(neverAsked)
        let answerer = try await Answerer(names)
        for type in ["A", "AAAA", "PTR", "TXT", "HTTPS"] {
            #expect(try answerer.dig("+cd", name, type).contains("status: \(status)"), "\(type) \(name)")
        }
        #expect(names.queries.isEmpty)
        #expect(try answerer.short("1.15.172.in-addr.arpa.example") == ["192.0.2.66"])
    }

    @Test func `localhost is the client itself`() async throws {
        let answerer = try await Answerer(NameServer(neverAsked))
        #expect(try answerer.short("localhost") == ["127.0.0.1"])
        #expect(try answerer.short("www.localhost", "AAAA") == ["::1"])
    }

    @Test func `Every kind at once is too much to ask for, and other classes and transfers are refused`() async throws {
        let names = try NameServer(neverAsked)
        let answerer = try await Answerer(names)
        #expect(try answerer.short("+notcp", "www.example", "ANY") == [#""RFC8482" """#])
        #expect(try answerer.dig("version.bind", "CH", "TXT").contains("status: REFUSED"))
        #expect(try answerer.dig("+tcp", "example", "AXFR").contains("Transfer failed"))
        #expect(names.queries.isEmpty)
    }

    @Test func `Messages that are no requests are told so, and answers are not answered`() async throws {
        let answerer = try await Answerer(NameServer(neverAsked))
        var two = query("a.example")
        two[5] = 2
        var pointer = query("a.example")
        pointer[12] = 0xc0
        var update = query("a.example")
        update[2] = 0x28
        let cut = Array(query("a.example").dropLast(3))
        let answers = answerer.send(two, pointer, update, cut, query("a.example") + [0])
        #expect(answers.map { code($0) }.sorted() == [1, 1, 1, 1, 4])
        var response = query("a.example")
        response[2] = 0x81
        #expect(answerer.send(response, [], [1, 2, 3], within: .milliseconds(300)).isEmpty)
    }

    @Test func `The home's devices have names, short and long, and their addresses lead back`() async throws {
        let names = try NameServer(neverAsked)
        let home = HomeNames(
            domain: "home.arpa", gateway: "gatehouse",
            hosts: [
                .init(labels: ["gatehouse"], addresses: [.v4(0xc0a8_4d01)]),
                .init(labels: ["printer", "brother"], addresses: [.v4(0xc0a8_4d09), IPAddress("fd77::9")!]),
                .init(labels: ["tv"], addresses: []),
                .init(labels: ["printer"], addresses: [.v4(0xc0a8_4d66)]),
            ])
        let answerer = try await Answerer(names, knowledge: Knowledge(home: home))
        #expect(try answerer.short("printer") == ["192.168.77.9"])
        #expect(try answerer.short("Printer.home.arpa") == ["192.168.77.9"])
        #expect(try answerer.short("brother.home.arpa", "AAAA") == ["fd77::9"])
        #expect(try answerer.short("-x", "192.168.77.9") == ["printer.home.arpa."])
        #expect(try answerer.short("-x", "fd77::9") == ["printer.home.arpa."])
        #expect(try answerer.short("gatehouse.home.arpa") == ["192.168.77.1"])
        #expect(try answerer.dig("tv.home.arpa").contains("status: NOERROR"))
        #expect(try answerer.dig("printer", "TXT").contains("status: NOERROR"))
        #expect(try answerer.dig("-x", "192.168.77.102").contains("status: NXDOMAIN"))
        #expect(try answerer.short("home.arpa", "NS") == ["gatehouse.home.arpa."])
        #expect(names.queries.isEmpty)
        // There is a top-level domain `tv`, and what ties it to the root is not for a television to deny.
        for (name, type) in [("tv", "DS"), ("tv", "DNSKEY"), ("home.arpa", "DS"), ("10.in-addr.arpa", "DS")] {
            _ = try answerer.dig(name, type)
        }
        #expect(names.queries.map(\.type) == [43, 48, 43, 43])
        // A device goes, and another comes: the cache says nothing else.
        let other = HomeNames(
            domain: "home.arpa", gateway: "gatehouse", hosts: [.init(labels: ["nas"], addresses: [.v4(0xc0a8_4d0a)])])
        await answerer.use(Knowledge(home: other))
        #expect(try answerer.dig("printer").contains("status: NXDOMAIN"))
        #expect(try answerer.short("nas.home.arpa") == ["192.168.77.10"])
    }

    @Test func `The box's own hosts have names, but not those by which it knows itself`() async throws {
        let names = try NameServer(neverAsked)
        let hosts = HostTable(Array("box 127.0.1.1\nnas.example 192.168.77.10\n".utf8))
        let answerer = try await Answerer(names, hosts: hosts)
        #expect(try answerer.short("nas.example") == ["192.168.77.10"])
        #expect(try answerer.dig("box").contains("status: NXDOMAIN"))
        #expect(names.queries.isEmpty)
    }

    // MARK: what is refused

    @Test(arguments: ["192.168.77.1", "127.0.0.1", "169.254.1.1", "::ffff:10.0.0.1", "fd77::1"])
    func `An answer from outside that leads into the home is refused, but where the operator trusts it`(
        _ address: String
    ) async throws {
        let type = address.contains(":") ? "AAAA" : "A"
        let names = try NameServer { _ in .addresses([address], seconds: 60) }
        let inside: @Sendable (IPAddress) -> Bool = { address in
            switch address.unmapped {
            case .v4(let bits): [10, 127, 169, 192].contains(bits >> 24)
            case .v6(let bits): bits >> 120 == 0xfd
            }
        }
        let answerer = try await Answerer(
            names, knowledge: Knowledge(trusted: [DNSName("plex.direct")!], isInside: inside))
        let answer = try answerer.dig("evil.example", type)
        #expect(answer.contains("status: REFUSED") && answer.contains("EDE: 15 (Blocked)"))
        #expect(try answerer.short("a.plex.direct", type) == [IPAddress(address)!.description])
    }

    @Test func `A record that cannot be read hides none behind it`() async throws {
        // A parameter that is longer than the record, and a record that leads into the home.
        let records: [(UInt16, UInt32, [UInt8])] = [
            (65, 60, [0, 1, 0, 0, 1, 0, 99, 2]), (65, 60, [0, 1, 0, 0, 4, 0, 4, 192, 168, 77, 1]),
        ]
        let names = try NameServer { query in .messages([query.answer(records: records)]) }
        let knowledge = Knowledge { address in if case .v4(let bits) = address { bits >> 24 == 192 } else { false } }
        let answerer = try await Answerer(names, knowledge: knowledge)
        #expect(try answerer.dig("evil.example", "HTTPS").contains("status: REFUSED"))
    }

    @Test func `A name that is an alias of one on a list is refused by an answer that is out of date as well`()
        async throws
    {
        let names = try NameServer { _ in .alias("tracker.ads.example", ["192.0.2.1"], seconds: 1) }
        let list = NameFilter.List(name: "ads", names: NameSet(Array(".ads.example\n".utf8)))
        let answerer = try await Answerer(names, knowledge: Knowledge(filter: NameFilter(lists: [list], general: 1)))
        #expect(try answerer.short("cloak.example") == ["0.0.0.0"])
        await answerer.use(NameServers([]))
        try await Task.sleep(for: .seconds(1.1))
        for _ in 0..<2 { #expect(try answerer.short("cloak.example") == ["0.0.0.0"]) }
    }

    @Test func `A hint of an HTTPS record leads into the home as little as an address`() async throws {
        let hint: [UInt8] = [0, 1, 0, 0, 4, 0, 4, 192, 168, 77, 1]
        let names = try NameServer { query in .messages([query.answer(records: [(65, 60, hint)])]) }
        let knowledge = Knowledge { address in if case .v4(let bits) = address { bits >> 24 == 192 } else { false } }
        let answerer = try await Answerer(names, knowledge: knowledge)
        #expect(try answerer.dig("evil.example", "HTTPS").contains("status: REFUSED"))
    }

    @Test func `Names on a list are refused to those for whom it holds, by address, by alias and below`() async throws {
        let names = try NameServer { query in
            query.name == "cloak.example"
                ? .alias("tracker.ads.example", ["192.0.2.1"], seconds: 60)
                : .addresses(["192.0.2.1", "2001:db8::1"], seconds: 60)
        }
        let lists = [
            NameFilter.List(name: "ads", names: NameSet(Array(".ads.example\n".utf8))),
            NameFilter.List(name: "exact", names: NameSet(Array("only.example\n".utf8))),
            NameFilter.List(name: "kids", names: NameSet(Array(".games.example\n".utf8))),
        ]
        let answerer = try await Answerer(names)
        // Known before the lists were.
        #expect(try answerer.short("late.ads.example") == ["192.0.2.1"])
        await answerer.use(Knowledge(filter: NameFilter(lists: lists, general: 0b11, byMember: [5: 0b100])))
        for name in ["ads.example", "x.y.ads.example", "only.example", "late.ads.example", "cloak.example"] {
            let answer = try answerer.dig(name)
            #expect(answer.contains("IN\tA\t0.0.0.0") && answer.contains("EDE: 15 (Blocked): (blocklist "), "\(answer)")
        }
        #expect(try answerer.short("ads.example", "AAAA") == ["::"])
        #expect(try answerer.dig("ads.example", "HTTPS").contains("ANSWER: 0"))
        for name in ["example", "sub.only.example", "badads.example", "games.example"] where name != "example" {
            #expect(try answerer.short(name) == ["192.0.2.1"], "\(name)")
        }
        let refusals = await answerer.refusals
        #expect(refusals[.init(list: "ads", member: 0)] == 6)
        #expect(refusals[.init(list: "exact", member: 0)] == 1)
    }

    @Test func `A relay says for whom it asks, and nobody else is believed`() async throws {
        let names = try NameServer(neverAsked)
        let filter = NameFilter(
            lists: [NameFilter.List(name: "kids", names: NameSet(Array(".games.example\n".utf8)))], byMember: [5: 1])
        let asked = query("www.games.example", options: extended(DNSRequest.deviceOption, [0, 5, 0, 1]))
        let relays = try await Answerer(names, knowledge: Knowledge(filter: filter), isForRelays: true)
        let refused = try #require(relays.send(asked).first)
        #expect(refused[7] == 1 && refused.contains([192, 0, 2, 66]) == false)
        let others = try await Answerer(names, knowledge: Knowledge(filter: filter))
        #expect(try #require(others.send(asked).first).contains([192, 0, 2, 66]))
    }

    @Test func `A hundred thousand names take eight bytes each`() {
        let text = (0..<100_000).map { ".tracker\($0).example\($0 % 7).com\n" }.joined()
        let names = NameSet(Array(text.utf8))
        #expect(names.count == 100_000)
        #expect(names.contains(DNSName("a.tracker99999.example4.com")!))
        #expect(!names.contains(DNSName("tracker99999.example3.com")!))
        #expect(!names.contains(DNSName("com")!))
    }
}
