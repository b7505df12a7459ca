import Address
import Testing
import Wire

private func header(_ bytes: [UInt8]) throws(SOCKS5Error) -> Parsed<SOCKS5DatagramHeader> {
    try SOCKS5DatagramHeader.parse(bytes.span)
}

private func parsed(_ bytes: [UInt8]) throws -> SOCKS5DatagramHeader {
    guard case .done(let header, _) = try header(bytes) else { throw SOCKS5Error.badName }
    return header
}

private let datagrams: [([UInt8], UInt8, SOCKSAddress, UInt16)] = [
    ([0, 0, 0, 1, 192, 0, 2, 7, 0, 53], 0, .ip(.v4(0xc000_0207)), 53),
    (
        [0, 0, 0x81, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0xbb], 0x81,
        .ip(.v6(0x2001_0db8_0000_0000_0000_0000_0000_0001)), 443
    ),
    ([0, 0, 3, 3, 11] + bytes("example.org") + [0, 123], 3, .name("example.org"), 123),
    // The reserved bytes are not looked at.
    ([7, 7, 0, 1, 192, 0, 2, 7, 0, 53], 0, .ip(.v4(0xc000_0207)), 53),
]

@Suite struct SOCKS5DatagramTests {
    @Test(arguments: datagrams.indices)
    func `A header says where to, and what follows it is payload`(_ index: Int) throws {
        let (message, fragment, address, port) = datagrams[index]
        for count in 0..<message.count { #expect(try header(Array(message[..<count])) == .needMore) }
        guard case .done(let parsed, consumed: message.count) = try header(message + bytes("payload")) else {
            Issue.record("\(message)")
            return
        }
        #expect(parsed.fragment == fragment && parsed.address == address && parsed.port == port)
    }

    @Test func `An answer's header is read as it was written`() throws {
        for source in [SOCKSAddress.ip(.v4(0x0102_0304)), .ip(.v6(0x2001_0db8 << 96 | 7))] {
            let written = SOCKS5DatagramHeader.encode(source: source, port: 4321)
            guard case .done(let read, consumed: written.count) = try header(written) else {
                Issue.record("\(written)")
                return
            }
            #expect(read.fragment == 0 && read.address == source && read.port == 4321)
        }
    }

    @Test func `An address type or a name that is none is an error`() {
        #expect(throws: SOCKS5Error.unknownAddressType(2)) { try header([0, 0, 0, 2, 1, 2, 3, 4, 0, 53]) }
        #expect(throws: SOCKS5Error.badName) { try header([0, 0, 0, 3, 0, 0, 53]) }
        #expect(throws: SOCKS5Error.badName) { try header([0, 0, 0, 3, 1, 0, 0, 53]) }
    }

    @Test func `No bytes make the parser trap`() {
        var noise = Noise(state: 17)
        for _ in 0..<20_000 {
            let bytes = [0, 0, 0, UInt8.random(in: 0...5, using: &noise)] + noise.bytes(upTo: 40)
            if case .done(_, let consumed)? = try? header(bytes) { #expect(consumed <= bytes.count) }
        }
    }
}

@Suite("16: the fragments of a datagram")
struct SOCKS5ReassemblyTests {
    private var reassembly = SOCKS5Reassembly()

    private mutating func add(_ fragment: UInt8, _ text: String, port: UInt8 = 53) throws -> SOCKS5Reassembly.Step {
        let header = try parsed([0, 0, fragment, 1, 192, 0, 2, 7, 0, port])
        return reassembly.add(header, bytes(text).span)
    }

    private func whole(_ text: String) -> SOCKS5Reassembly.Step {
        .completed(.init(address: .ip(.v4(0xc000_0207)), port: 53, payload: bytes(text)))
    }

    @Test mutating func `in order make the whole`() throws {
        #expect(try add(1, "a") == .began)
        #expect(try add(2, "b") == .went)
        #expect(try add(0x83, "c") == whole("abc"))
        #expect(reassembly.isEmpty && reassembly.dropped == 0)
        #expect(try add(0x81, "one") == whole("one"))
    }

    @Test mutating func `with one missing make nothing`() throws {
        #expect(try add(1, "a") == .began)
        #expect(try add(0x83, "c") == .refused)
        #expect(reassembly.isEmpty && reassembly.dropped == 2)
        #expect(try add(2, "b") == .refused)
        #expect(try add(0x80, "") == .refused)
    }

    @Test mutating func `begin anew with a number that is not above the last`() throws {
        #expect(try add(1, "a") == .began)
        #expect(try add(2, "b") == .went)
        #expect(try add(1, "x") == .began)
        #expect(try add(0x82, "y") == whole("xy"))
        #expect(reassembly.dropped == 2)
    }

    @Test mutating func `of two datagrams are not mixed`() throws {
        #expect(try add(1, "a") == .began)
        #expect(try add(0x82, "b", port: 54) == .refused)
        #expect(reassembly.isEmpty)
    }

    @Test mutating func `that came too late find nothing`() throws {
        #expect(try add(1, "a") == .began)
        reassembly.abandon()
        #expect(try add(0x82, "b") == .refused)
    }

    @Test mutating func `never grow beyond what a datagram can be`() throws {
        let piece = String(repeating: "x", count: 1000)
        #expect(try add(1, piece) == .began)
        for number in UInt8(2)...65 { #expect(try add(number, piece) == .went) }
        #expect(try add(66, piece) == .refused)
        #expect(reassembly.isEmpty)
    }

    @Test mutating func `may be as many as there are numbers`() throws {
        #expect(try add(1, "x") == .began)
        for number in UInt8(2)...126 { #expect(try add(number, "x") == .went) }
        #expect(try add(0xff, "x") == whole(String(repeating: "x", count: 127)))
        #expect(try add(127, "x") == .refused)
    }
}
