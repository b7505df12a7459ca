import Address
import Testing
import Wire

private func request(_ bytes: [UInt8]) throws(SOCKS4Error) -> Parsed<SOCKSRequest> {
    try SOCKS4Request.parse(bytes.span)
}

private let whole: [([UInt8], SOCKSCommand, SOCKSAddress, UInt16)] = [
    ([4, 1, 0, 80, 192, 0, 2, 7] + bytes("al") + [0], .connect, .ip(.v4(0xc000_0207)), 80),
    ([4, 2, 1, 0xbb, 192, 0, 2, 7, 0], .bind, .ip(.v4(0xc000_0207)), 443),
    ([4, 1, 0, 80, 0, 0, 0, 1] + bytes("al") + [0] + bytes("example.org") + [0], .connect, .name("example.org"), 80),
    // Not the form of SOCKS4a: an address, if none that leads anywhere.
    ([4, 2, 0, 0, 0, 0, 0, 0, 0], .bind, .ip(.v4(0)), 0),
    ([4, 1, 0, 80, 0, 0, 1, 1, 0], .connect, .ip(.v4(0x101)), 80),
]

@Suite struct SOCKS4Tests {
    @Test(arguments: whole.indices)
    func `A request is understood however it is cut, and what follows is left alone`(_ index: Int) throws {
        let (message, command, address, port) = whole[index]
        for count in 0..<message.count { #expect(try request(Array(message[..<count])) == .needMore) }
        for rest in [[], bytes("GET /")] {
            guard case .done(let parsed, consumed: message.count) = try request(message + rest) else {
                Issue.record("\(message)")
                return
            }
            #expect(parsed.command == command && parsed.address == address && parsed.port == port)
        }
    }

    @Test func `A name or a user is not read without end`() {
        let long = [UInt8](repeating: 0x61, count: 255)
        let head: [UInt8] = [4, 1, 0, 80, 0, 0, 0, 1]
        #expect((try? request(head + long)) == .needMore)
        #expect(throws: SOCKS4Error.badText) { try request(head + long + [0x61]) }
        guard case .done(_, consumed: 8 + 256 + 256)? = try? request(head + long + [0] + long + [0]) else {
            Issue.record("255 bytes are refused")
            return
        }
        #expect(throws: SOCKS4Error.badText) { try request(head + [0] + long + [0x61]) }
    }

    @Test(arguments: [[0], [0x20, 0], [0xc3, 0xbc, 0], [0x7f, 0]] as [[UInt8]])
    func `A name is printable ASCII`(_ name: [UInt8]) {
        #expect(throws: SOCKS4Error.badText) { try request([4, 1, 0, 80, 0, 0, 0, 9, 0] + name) }
    }

    @Test(arguments: [0, 3, 4, 255] as [UInt8])
    func `Nothing but CONNECT and BIND is a command`(_ command: UInt8) {
        #expect(throws: SOCKS4Error.unknownCommand(command)) { try request([4, command]) }
    }

    @Test func `The version is told by the first byte, which stays`() throws {
        #expect(try SOCKSVersion.parse([4, 1].span) == .done(.four, consumed: 0))
        #expect(try SOCKSVersion.parse([5].span) == .done(.five, consumed: 0))
        #expect(try SOCKSVersion.parse([UInt8]().span) == .needMore)
        #expect(throws: SOCKS5Error.unknownVersion(0x47)) { try SOCKSVersion.parse([0x47].span) }
    }

    @Test func `A reply begins with 0 and has the port before the address`() {
        #expect(SOCKS4Reply.granted(0xc000_0207, port: 443) == [0, 90, 1, 0xbb, 192, 0, 2, 7])
        #expect(SOCKS4Reply.refused == [0, 91, 0, 0, 0, 0, 0, 0])
    }

    @Test func `No bytes make the parser trap`() {
        var noise = Noise(state: 4)
        for _ in 0..<20_000 {
            let bytes = [4, UInt8.random(in: 0...3, using: &noise)] + noise.bytes(upTo: 40)
            if case .done(_, let consumed)? = try? request(bytes) { #expect(consumed <= bytes.count) }
        }
    }
}
