import Address
import Testing
import Wire

private func greeting(_ bytes: [UInt8]) throws(SOCKS5Error) -> Parsed<SOCKS5Greeting> {
    try SOCKS5Greeting.parse(bytes.span)
}
private func login(_ bytes: [UInt8]) throws(SOCKS5Error) -> Parsed<Login> { try SOCKS5Login.parse(bytes.span) }
private func request(_ bytes: [UInt8]) throws(SOCKS5Error) -> Parsed<SOCKSRequest> {
    try SOCKS5Request.parse(bytes.span)
}

/// Requests of RFC 1928 §4 with what they mean.
private let requests: [([UInt8], SOCKSCommand, SOCKSAddress, UInt16)] = [
    ([5, 1, 0, 1, 192, 0, 2, 7, 0x01, 0xbb], .connect, .ip(.v4(0xc000_0207)), 443),
    (
        [5, 3, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 53], .associate,
        .ip(.v6(0x2001_0db8_0000_0000_0000_0000_0000_0001)), 53
    ),
    ([5, 1, 0, 3, 11] + bytes("example.org") + [0, 80], .connect, .name("example.org"), 80),
    ([5, 2, 0, 1, 0, 0, 0, 0, 0, 0], .bind, .ip(.v4(0)), 0),
]

@Suite struct SOCKS5Tests {
    @Test func `A greeting says which methods the client offers`() throws {
        guard case .done(let both, consumed: 4) = try greeting([5, 2, 0, 2]) else {
            Issue.record()
            return
        }
        #expect(both.offersNone && both.offersPassword)
        guard case .done(let gssapi, consumed: 3) = try greeting([5, 1, 1]) else {
            Issue.record()
            return
        }
        #expect(!gssapi.offersNone && !gssapi.offersPassword)
        guard case .done(let nothing, consumed: 2) = try greeting([5, 0]) else {
            Issue.record()
            return
        }
        #expect(!nothing.offersNone && !nothing.offersPassword)
    }

    @Test func `Early bytes behind a message are left alone`() throws {
        guard case .done(_, consumed: 3) = try greeting([5, 1, 0, 5, 1, 0]) else {
            Issue.record()
            return
        }
        let (message, _, _, _) = requests[2]
        guard case .done(_, consumed: message.count) = try request(message + bytes("GET /")) else {
            Issue.record()
            return
        }
    }

    @Test(arguments: [4, 0x47, 0x16, 0, 255] as [UInt8])
    func `Another protocol is refused at its first byte and gets no answer`(_ first: UInt8) {
        #expect(throws: SOCKS5Error.unknownVersion(first)) { try greeting([first]) }
        #expect(throws: SOCKS5Error.unknownVersion(first)) { try request([first]) }
        #expect(SOCKS5Error.unknownVersion(first).answer.isEmpty)
    }

    @Test func `A request is read for each kind of address, and every truncation of it waits for more`() throws {
        for (message, command, address, port) in requests {
            guard case .done(let parsed, consumed: message.count) = try request(message) else {
                Issue.record("\(message)")
                continue
            }
            #expect(parsed.command == command && parsed.address == address && parsed.port == port)
            for length in 0..<message.count {
                #expect(try request(Array(message[..<length])) == .needMore, "\(length) of \(message)")
            }
        }
    }

    @Test func `Every truncation of a greeting and of a login waits for more`() throws {
        let hello: [UInt8] = [5, 3, 0, 1, 2]
        for length in 0..<hello.count { #expect(try greeting(Array(hello[..<length])) == .needMore) }
        let secret: [UInt8] = [1, 5] + bytes("alice") + [3] + bytes("x:\u{0}")
        for length in 0..<secret.count { #expect(try login(Array(secret[..<length])) == .needMore) }
        #expect(
            try login(secret + [9])
                == .done(Login(name: bytes("alice"), password: bytes("x:\u{0}")), consumed: secret.count))
    }

    @Test func `A login without a name or a password is answered with a failure`() {
        #expect(throws: SOCKS5Error.emptyLogin) { try login([1, 0]) }
        #expect(throws: SOCKS5Error.emptyLogin) { try login([1, 1, 65, 0]) }
        #expect(throws: SOCKS5Error.unknownLoginVersion(5)) { try login([5]) }
        #expect(SOCKS5Error.emptyLogin.answer == [1, 1])
        #expect(SOCKS5Error.unknownLoginVersion(5).answer == [1, 1])
    }

    @Test func `An unknown command gets 7 and an unknown address type gets 8`() {
        for command in [0, 4, 9, 255] as [UInt8] {
            #expect(throws: SOCKS5Error.unknownCommand(command)) { try request([5, command, 0, 1]) }
            #expect(SOCKS5Error.unknownCommand(command).answer == [5, 7, 0, 1, 0, 0, 0, 0, 0, 0])
        }
        for type in [0, 2, 5, 255] as [UInt8] {
            #expect(throws: SOCKS5Error.unknownAddressType(type)) { try request([5, 1, 0, type]) }
            #expect(SOCKS5Error.unknownAddressType(type).answer == [5, 8, 0, 1, 0, 0, 0, 0, 0, 0])
        }
    }

    @Test(arguments: [[], [0x61, 0], bytes("a b"), bytes("bücher"), [0x7f], bytes("a\n")] as [[UInt8]])
    func `A name that is empty, or has NUL, space or anything beyond ASCII is refused`(_ name: [UInt8]) {
        #expect(throws: SOCKS5Error.badName) { try request([5, 1, 0, 3, UInt8(name.count)] + name + [0, 80]) }
    }

    @Test func `A name of 255 bytes is read whole`() throws {
        let name = String(repeating: "a", count: 255)
        guard case .done(let parsed, consumed: 262) = try request([5, 1, 0, 3, 255] + bytes(name) + [0, 80]) else {
            Issue.record()
            return
        }
        #expect(parsed.address == .name(name))
    }

    @Test func `Replies are the bytes of RFC 1928 section 6`() {
        #expect(SOCKS5Method.none.reply == [5, 0])
        #expect(SOCKS5Method.password.reply == [5, 2])
        #expect(SOCKS5Method.noneAcceptable.reply == [5, 0xff])
        #expect(SOCKS5Login.accepted == [1, 0])
        #expect(
            SOCKS5ReplyCode.succeeded.reply(bound: .ip(.v4(0xc633_6401)), port: 0x1234)
                == [5, 0, 0, 1, 198, 51, 100, 1, 0x12, 0x34])
        #expect(
            SOCKS5ReplyCode.succeeded.reply(bound: .ip(.v6(0x2001_0db8_0000_0000_0000_0000_0000_00ff)), port: 1)
                == [5, 0, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 1])
        for code in SOCKS5ReplyCode.allCases { #expect(code.reply().prefix(3) == [5, code.rawValue, 0]) }
    }

    @Test func `Garbage never traps`() {
        var noise = Noise(state: 5)
        for _ in 0..<20_000 {
            var garbage = noise.bytes(upTo: 40)
            if !garbage.isEmpty, Bool.random(using: &noise) { garbage[0] = UInt8.random(in: 1...5, using: &noise) }
            _ = try? greeting(garbage)
            _ = try? login(garbage)
            if case .done(_, consumed: let consumed)? = try? request(garbage) { #expect(consumed <= garbage.count) }
        }
    }

    @Test func `A login does not show itself in a log`() {
        let login = Login(name: bytes("alice"), password: bytes("hunter2"))
        #expect(!"\(login)".contains("hunter2") && !String(reflecting: login).contains("104"))
    }
}
