import Address
import Testing
import Wire

private func big(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }

private func message(
    flags: UInt16 = 0x0100, _ name: String = "www.example.org", type: UInt16 = 1, class: UInt16 = 1,
    additions: [[UInt8]] = []
) -> [UInt8] {
    [1, 2] + big(flags) + [0, 1, 0, 0, 0, 0] + big(UInt16(additions.count)) + DNSName(name)!.bytes + big(type)
        + big(`class`)
        + additions.joined()
}

private func options(size: UInt16 = 1232, version: UInt8 = 0, flags: UInt16 = 0, _ data: [UInt8] = []) -> [UInt8] {
    [0] + big(UInt16(41)) + big(size) + [0, version] + big(flags) + big(UInt16(data.count)) + data
}

@Suite struct DNSRequestTests {
    @Test func `A request says what it asks and what its client takes`() throws {
        let asked = message(flags: 0x0130, type: 28, additions: [options(size: 4096, flags: 0x8000, [0, 3, 0, 0])])
        let request = try DNSRequest.parse(asked.span)
        #expect(request.id == 0x0102 && request.type == .aaaa && request.isOfInternet && request.desiresRecursion)
        #expect(request.isUnchecked && request.wantsVerdict)
        #expect(
            request.options?.size == 4096 && request.options?.wantsSignatures == true && request.options?.device == nil)
        #expect(request.wishes == [.signatures, .unchecked])
        let plain = try DNSRequest.parse(message().span)
        #expect(plain.options == nil && plain.wishes == [])
        #expect(try DNSRequest.parse(message(additions: [options(size: 100)]).span).options?.size == 512)
    }

    @Test(
        arguments: [
            (message(flags: 0x2800), .notImplemented), (message(additions: [options(version: 1)]), .badVersion),
            (message(additions: [options(), options()]), .formatError), (message() + [0], .formatError),
            (Array(message().dropLast()), .formatError), (message(additions: [options([0, 3, 0, 9])]), .formatError),
            ([1, 2, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0], .formatError),
        ] as [([UInt8], DNSResponseCode)])
    func `What is no request is told so`(_ bytes: [UInt8], _ code: DNSResponseCode) throws {
        #expect(throws: DNSRequest.Fault.refused(code)) { try DNSRequest.parse(bytes.span) }
        let refusal = DNSRequest.refusal(of: bytes.span, code)
        #expect(Array(refusal.prefix(3)) == [1, 2, 0x80 | bytes[2] & 0x79])
        #expect(Int(refusal[3]) == code.number & 15)
    }

    @Test(arguments: [message(flags: 0x8100), [], [1, 2, 3]])
    func `Answers and shreds are not answered`(_ bytes: [UInt8]) {
        #expect(throws: DNSRequest.Fault.unanswerable) { try DNSRequest.parse(bytes.span) }
    }

    @Test func `The spelling makes no other question, and the type and the wishes do`() throws {
        func key(_ bytes: [UInt8]) throws -> [UInt8] {
            let request = try DNSRequest.parse(bytes.span)
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: DNSRequest.longestKey, alignment: 1)
            defer { room.deallocate() }
            return Array(room[..<bytes.withUnsafeBytes { request.fold($0, into: room) }])
        }
        let plain = try key(message())
        #expect(try key(message("wWw.EXAMPLE.org")) == plain)
        #expect(try key(message(flags: 0x0120, additions: [options()])) == plain)
        #expect(try key(message(type: 28)) != plain)
        #expect(try key(message(flags: 0x0110)) != plain)
        #expect(try key(message(additions: [options(flags: 0x8000)])) != plain)
    }

    @Test func `An answer from upstream loses its OPT record, and its seconds count down`() throws {
        let record = [0xc0, 12, 0, 1, 0, 1] + big(UInt32(300)) + [0, 4, 192, 0, 2, 7]
        var upstream = message(flags: 0x8180, additions: [options()])
        upstream[7] = 1
        upstream.insert(contentsOf: record, at: upstream.count - 11)
        let answer = try DNSAnswer(parsing: upstream.span)
        #expect(answer.secondsToLive == 300 && answer.addresses == [.v4(0xc000_0207)])
        var asked = message()
        asked.replaceSubrange(13..<16, with: [0x57, 0x57, 0x57])
        let request = try DNSRequest.parse(asked.span)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1232, alignment: 8)
        defer { room.deallocate() }
        let count = asked.withUnsafeBytes {
            answer.write(to: request, $0, over: .datagram, age: 40, into: room)
        }
        let written = Array(room[..<count])
        #expect(written.count == upstream.count - 11)
        #expect(written[13..<16] == [0x57, 0x57, 0x57])
        #expect(written.suffix(10).prefix(4) == big(UInt32(260))[...])
        #expect(written[11] == 0)
    }
}
