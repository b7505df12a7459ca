import Address
import Wire

/// RFC 1035 §4 from the other side: a DNSRequest, and a DNSAnswer that is given to it, be it of our own or read from the same bytes.
func fuzzDNSRequest(_ input: [UInt8]) {
    let answer = try? DNSAnswer(parsing: input.span)
    if let answer {
        hold(answer.size >= 12 && answer.addresses.count < 65_536, "\(answer)")
        _ = answer.aliases
    }
    let request: DNSRequest
    do throws(DNSRequest.Fault) {
        request = try DNSRequest.parse(input.span)
    } catch {
        guard case .refused(let code) = error else { return }
        let refusal = DNSRequest.refusal(of: input.span, code)
        hold(refusal.count == 12 || refusal.count == 23, "\(refusal)")
        hold(refusal[0] == input[0] && refusal[1] == input[1] && refusal[2] & 0x80 != 0, "\(refusal)")
        return
    }
    hold(throwsFault { try DNSRequest.parse((input + [0]).span) }, "what follows is passed over")
    input.withUnsafeBytes { message in
        let key = UnsafeMutableRawBufferPointer.allocate(byteCount: DNSRequest.longestKey, alignment: 1)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_535, alignment: 8)
        defer {
            key.deallocate()
            room.deallocate()
        }
        let length = request.fold(message, into: key)
        hold((4...DNSRequest.longestKey).contains(length), "a key of \(length) bytes")
        let name = DNSName(
            unchecked: UnsafeRawBufferPointer(rebasing: message[DNSRequest.nameStart..<(request.end - 4)]))
        let own = DNSAnswer(to: name, request.type, .success, [.address(.v4(1)), .pointer(name)], seconds: 9, by: name)
        for transport in [DNSAnswer.Transport.datagram, .stream] {
            let count = own.write(to: request, message, over: transport, age: 3, because: .stale, into: room)
            hold((12...(transport == .stream ? 65_535 : 1232)).contains(count), "an answer of \(count) bytes")
            hold(room[0] == message[0] && room[1] == message[1] && room[2] & 0x80 != 0, "another id")
            let query = DNSQuery(
                id: UInt16(message[0]) << 8 | UInt16(message[1]), name: name, type: request.type)
            guard request.isOfInternet else { continue }
            let written = Array(room[..<count])
            hold((try? DNSResponse.parse(written.span, to: query)) != nil, "an answer that is none: \(written)")
        }
    }
}

private func throwsFault(_ body: () throws -> DNSRequest) -> Bool {
    do {
        _ = try body()
        return false
    } catch {
        return error is DNSRequest.Fault
    }
}
