import Address
import Testing
import Wire

private let asked = DNSQuery(id: 0x1234, name: DNSName("www.example.org")!, type: .a)
private let askedIPv6 = DNSQuery(id: 0x1234, name: DNSName("www.example.org")!, type: .aaaa)

/// A message that repeats the question of `query` and has these records behind it.
private func message(
    _ query: DNSQuery = asked, flags: UInt16 = 0x8180, answers: [[UInt8]] = [], authorities: [[UInt8]] = [],
    question: [UInt8]? = nil
) -> [UInt8] {
    big(query.id) + big(flags) + big(UInt16(1)) + big(UInt16(answers.count)) + big(UInt16(authorities.count))
        + big(UInt16(0)) + (question ?? query.name.bytes + big(query.type.rawValue) + big(UInt16(1)))
        + answers.joined() + authorities.joined()
}

private func record(_ name: [UInt8], _ type: UInt16, _ seconds: UInt32, _ data: [UInt8]) -> [UInt8] {
    name + big(type) + big(UInt16(1)) + big(seconds) + big(UInt16(data.count)) + data
}

private func big(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
}

private func label(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + bytes(text) }
private func name(_ text: String) -> [UInt8] { DNSName(text)!.bytes }

/// Where the question's name stands, and the part of it that begins with `example`.
private let pointer: [UInt8] = [0xc0, 12]
private let zone: [UInt8] = [0xc0, 16]
private let address: [UInt8] = [192, 0, 2, 7]
private let start =
    name("ns.example.org") + name("root.example.org") + [1, 2, 3, 4].flatMap { big(UInt32($0)) } + big(UInt32(300))

private func parse(_ message: [UInt8], _ query: DNSQuery = asked) throws(DNSError) -> DNSResponse {
    try DNSResponse.parse(message.span, to: query)
}

@Suite struct DNSResponseTests {
    @Test func `A query asks one question, desires recursion, and says how much fits`() {
        let expected: [UInt8] =
            [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1] + label("www") + label("example") + label("org")
            + [0, 0, 1, 0, 1] + [0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]
        #expect(asked.encode() == expected)
        let plain = DNSQuery(id: 0x1234, name: asked.name, type: .aaaa, isExtended: false)
        #expect(
            plain.encode() == big(UInt16(0x1234)) + [1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + asked.name.bytes + [0, 28, 0, 1])
    }

    @Test(
        arguments: [
            ("example.org", 2), ("example.org.", 2), ("x", 1), (String(repeating: "a", count: 63), 1),
            (String(repeating: "a.", count: 126) + "b", 127),
            ("", nil), (".", nil), ("a..b", nil), (".a", nil), (String(repeating: "a", count: 64), nil),
            (String(repeating: "a.", count: 127) + "b", nil),
        ] as [(String, Int?)])
    func `A name has labels of 1 to 63 bytes, and 255 bytes in all`(_ text: String, _ labels: Int?) {
        #expect(DNSName(text)?.labelCount == labels)
    }

    @Test func `Names are the same whatever the case of their letters`() {
        #expect(DNSName("WWW.Example.ORG") == asked.name)
        #expect("\(DNSName("WWW.Example.ORG")!)" == "www.example.org")
    }

    @Test func `Addresses hold as long as the one that ends first`() throws {
        let response = try parse(
            message(answers: [record(pointer, 1, 60, address), record(pointer, 1, 30, [192, 0, 2, 8])]))
        #expect(response.code == .success && !response.isTruncated && !response.isReferral)
        #expect(response.addresses == [.v4(0xc000_0207), .v4(0xc000_0208)])
        #expect(response.secondsToLive == 30)
        let six = Array(UInt8(1)...16)
        #expect(try parse(message(askedIPv6, answers: [record(pointer, 28, 9, six)]), askedIPv6).addresses.count == 1)
    }

    @Test func `Records of another name, type or class are passed over, in whatever order all come`() throws {
        var foreignClass = record(pointer, 1, 1, [10, 0, 0, 1])
        foreignClass[5] = 3
        let response = try parse(
            message(answers: [
                record(name("b.example.org"), 1, 40, address), record(name("other.example.org"), 1, 1, [10, 0, 0, 2]),
                foreignClass, record(label("a") + zone, 5, 50, name("b.example.org")),
                record(pointer, 46, 1, [1, 2, 3]), record(pointer, 5, 60, label("a") + zone),
            ]))
        #expect(response.addresses == [.v4(0xc000_0207)])
        #expect(response.secondsToLive == 40)
    }

    @Test func `Aliases that lead in circles, or on and on, are no answer`() {
        #expect(throws: DNSError.malformed) { try parse(message(answers: [record(pointer, 5, 60, pointer)])) }
        let chain = (0...20).map { record(name($0 == 0 ? "www.example.org" : "n\($0)"), 5, 9, name("n\($0 + 1)")) }
        #expect(throws: DNSError.malformed) { try parse(message(answers: chain)) }
        let short = Array(chain[..<16]) + [record(name("n16"), 1, 9, address)]
        #expect(try! parse(message(answers: short)).addresses.count == 1)
    }

    @Test(arguments: [0x8180, 0x8183] as [UInt16])
    func `That there is no address holds as long as the zone says`(_ flags: UInt16) throws {
        for (own, expected) in [(900, 300), (20, 20)] {
            let response = try parse(message(flags: flags, authorities: [record(zone, 6, UInt32(own), start)]))
            #expect(response.addresses.isEmpty && response.secondsToLive == expected)
            #expect(response.code == (flags == 0x8180 ? .success : .noSuchName))
        }
        #expect(try parse(message(flags: flags)).secondsToLive == nil)
        // The zone of somebody else has no say in it.
        let foreign = record(name("example.net"), 6, 60, start)
        #expect(try parse(message(flags: flags, authorities: [foreign])).secondsToLive == nil)
        #expect(throws: DNSError.malformed) {
            try parse(message(flags: flags, authorities: [record(zone, 6, 60, [0, 0, 0, 0, 1])]))
        }
    }

    @Test(
        arguments: [
            (0x8181, .formatError), (0x8182, .serverFailure), (0x8184, .notImplemented), (0x8185, .refused),
            (0x8189, .other(9)),
        ] as [(UInt16, DNSResponseCode)])
    func `A server that cannot answer says why`(_ flags: UInt16, _ code: DNSResponseCode) throws {
        #expect(try parse(message(flags: flags)).code == code)
        // Some do not repeat the question then.
        var bare = Array(message(flags: flags)[..<12])
        bare[5] = 0
        #expect(try parse(bare).code == code)
    }

    @Test
    func `Of what is truncated nothing counts, and a server that sends elsewhere is told from one that has nothing`()
        throws
    {
        let cut = try parse(Array(message(flags: 0x8380, answers: [record(pointer, 1, 60, address)]).dropLast(2)))
        #expect(cut.isTruncated && cut.addresses.isEmpty)
        let elsewhere = record(zone, 2, 60, name("ns.example.net"))
        #expect(try parse(message(flags: 0x8000, authorities: [elsewhere])).isReferral)
        #expect(try !parse(message(flags: 0x8180, authorities: [elsewhere])).isReferral)
        #expect(try !parse(message(flags: 0x8400)).isReferral)
    }

    /// RFC 5452 §9.1: whoever does not see the query has to guess all of these.
    @Test func `What answers another question, or none, is foreign`() {
        let right = message(answers: [record(pointer, 1, 60, address)])
        var wrong: [[UInt8]] = [[], [0x12], Array(right[..<11]), asked.encode()]
        for index in [0, 1, 2, 5, 14, 28, 30, 32] {
            var other = right
            other[index] ^= index == 2 ? 0x08 : 0x01
            wrong.append(other)
        }
        wrong.append(Array(right[..<20]))
        for message in wrong { #expect(throws: DNSError.foreign) { try parse(message) } }
        #expect(throws: DNSError.foreign) { try parse(right, askedIPv6) }
        // A server that does not keep the letters' case has answered all the same.
        var loud = right
        for index in 13...15 { loud[index] &= 0xdf }
        #expect(try! parse(loud).addresses.count == 1)
    }

    @Test func `An answer that is cut, counts wrongly or has no names is malformed`() {
        let right = message(answers: [record(pointer, 1, 60, address)])
        for count in 33..<right.count { #expect(throws: DNSError.malformed) { try parse(Array(right[..<count])) } }
        for (index, value) in [(7, 2), (6, 1), (9, 1)] {
            var other = right
            other[index] = UInt8(value)
            #expect(throws: DNSError.malformed) { try parse(other) }
        }
        let broken: [[UInt8]] = [
            // To itself, forward, to where nothing is, a type that is none, a name of more than 255 bytes.
            [0xc0, 33], [0xc0, 40], [0xff, 0xff], [0x80, 1, 0], [0x40, 0],
            Array(repeating: label(String(repeating: "x", count: 63)), count: 4).flatMap(\.self) + [0],
        ]
        for name in broken {
            #expect(throws: DNSError.malformed) { try parse(message(answers: [record(name, 1, 60, address)])) }
        }
        #expect(throws: DNSError.malformed) { try parse(message(answers: [record(pointer, 1, 60, [1, 2, 3])])) }
        #expect(throws: DNSError.malformed) { try parse(message(answers: [record(pointer, 5, 60, pointer + [0])])) }
        #expect(try! parse(right + [1, 2, 3]).addresses.count == 1, "what nobody counted is passed over")
        #expect(try! parse(message(answers: [record(pointer, 1, .max, address)])).secondsToLive == 0)
    }

    @Test func `No bytes make the parser trap`() {
        var noise = Noise(state: 53)
        let right = message(
            answers: [record(pointer, 5, 60, label("a") + zone), record(label("a") + zone, 1, 60, address)],
            authorities: [record(zone, 6, 60, start)])
        for _ in 0..<20_000 {
            var other = right
            for _ in 0..<Int.random(in: 1...4, using: &noise) {
                other[Int.random(in: 4..<other.count, using: &noise)] = UInt8.random(in: 0...255, using: &noise)
            }
            _ = try? parse(Array(other.prefix(Int.random(in: 12...other.count, using: &noise))))
            _ = try? parse(Array(right[..<33]) + noise.bytes(upTo: 60))
        }
    }
}
