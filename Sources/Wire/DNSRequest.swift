/// What a client asks of a name server: one question, and what the client says of itself (RFC 1035 §4.1, RFC 6891 §6).
///
/// It says what stands where in the message, which stays with its owner: a request takes no memory of its own.
package struct DNSRequest: Hashable, Sendable {
    /// Why a message is no request that could be answered.
    package enum Fault: Error, Hashable, Sendable {
        /// It is an answer itself, or has not even a header: to say anything would only go round in circles.
        case unanswerable
        /// It is to be told so (`refusal`).
        case refused(DNSResponseCode)
    }

    /// What the client takes beyond RFC 1035 (EDNS, RFC 6891).
    package struct Extension: Hashable, Sendable {
        /// Bytes that a datagram to the client may have, at least 512.
        package var size: Int
        package var wantsSignatures: Bool
        /// What `DNSRequest.deviceOption` holds: where its value stands in the message; nil: the option is not there.
        package var device: Range<Int>?
    }

    package let id: UInt16
    package let type: DNSType
    /// False: the question is about another class than the internet's.
    package let isOfInternet: Bool
    package let desiresRecursion: Bool
    package let isUnchecked: Bool
    /// Whether the client understands the bit AD of an answer (RFC 6840 §5.7).
    package let wantsVerdict: Bool
    /// Where the question ends; its name begins behind the header.
    package let end: Int
    package let options: Extension?

    package static let nameStart = DNSHeader.length
    /// The longest `fold` is.
    package static let longestKey = DNSName.longest + 3
    /// The option by which a relay says for whom it asks (RFC 6891 §9: from 65001 on for local use). It is heard on the
    /// loopback interface alone.
    package static let deviceOption: UInt16 = 65_313

    /// Reads a whole message, of which nothing may be left over.
    package static func parse(_ message: borrowing Span<UInt8>) throws(Fault) -> DNSRequest {
        guard let header = DNSHeader(message), header.flags & DNSHeader.response == 0 else { throw .unanswerable }
        guard header.operation == 0 else { throw .refused(.notImplemented) }
        guard header.questions == 1, header.answers == 0, header.authorities == 0, header.additions <= 4 else {
            throw .refused(.formatError)
        }
        var place = try nameEnd(message)
        guard place + 4 <= message.count else { throw .refused(.formatError) }
        let type = DNSType(rawValue: message.number(at: place, as: UInt16.self))
        let isOfInternet = message.number(at: place + 2, as: UInt16.self) == DNSHeader.internet
        place += 4
        let end = place
        var options: Extension?
        for _ in 0..<header.additions { try readAddition(message, at: &place, &options) }
        guard place == message.count else { throw .refused(.formatError) }
        return DNSRequest(
            id: header.id, type: type, isOfInternet: isOfInternet,
            desiresRecursion: header.flags & DNSHeader.recursionDesired != 0,
            isUnchecked: header.flags & DNSHeader.unchecked != 0,
            wantsVerdict: header.flags & DNSHeader.authentic != 0, end: end, options: options)
    }

    /// Where the question's name ends. There is nothing before it that a pointer could lead to.
    private static func nameEnd(_ message: borrowing Span<UInt8>) throws(Fault) -> Int {
        var place = nameStart
        while true {
            guard place < message.count else { throw .refused(.formatError) }
            let length = Int(message[place])
            place += 1 + length
            guard length <= DNSName.longestLabel, place - nameStart <= DNSName.longest else {
                throw .refused(.formatError)
            }
            if length == 0 { return place }
        }
    }

    private static func readAddition(
        _ message: borrowing Span<UInt8>, at place: inout Int, _ options: inout Extension?
    ) throws(Fault) {
        guard place < message.count else { throw .refused(.formatError) }
        let isOfRoot = message[place] == 0
        if !isOfRoot {
            // A record of another type, which nothing here asks for; its name may be long or compressed.
            do { _ = try DNSName.read(message, at: &place) } catch { throw .refused(.formatError) }
            place -= 1
        }
        guard place + 11 <= message.count else { throw .refused(.formatError) }
        let type = message.number(at: place + 1, as: UInt16.self)
        let start = place + 11
        let end = start + Int(message.number(at: place + 9, as: UInt16.self))
        guard end <= message.count else { throw .refused(.formatError) }
        if type == DNSHeader.optionsType {
            guard isOfRoot, options == nil else { throw .refused(.formatError) }
            guard message[place + 6] == 0 else { throw .refused(.badVersion) }
            options = Extension(
                size: max(512, Int(message.number(at: place + 3, as: UInt16.self))),
                wantsSignatures: message[place + 7] & 0x80 != 0, device: try device(message, start..<end))
        }
        place = end
    }

    /// Looks the options through, each of which has to fit.
    private static func device(_ message: borrowing Span<UInt8>, _ range: Range<Int>) throws(Fault) -> Range<Int>? {
        var device: Range<Int>?
        var place = range.lowerBound
        while place < range.upperBound {
            guard place + 4 <= range.upperBound else { throw .refused(.formatError) }
            let end = place + 4 + Int(message.number(at: place + 2, as: UInt16.self))
            guard end <= range.upperBound else { throw .refused(.formatError) }
            if message.number(at: place, as: UInt16.self) == deviceOption { device = (place + 4)..<end }
            place = end
        }
        return device
    }

    /// Writes what makes two questions the same: name, type, and which records and checks are wished for.
    ///
    /// - Parameters:
    ///   - message: the one that this request is of.
    ///   - room: `longestKey` bytes.
    /// - Returns: how many bytes.
    package func fold(_ message: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int {
        let length = end - 4 - Self.nameStart
        // A length is less than any letter.
        for index in 0..<length {
            let byte = message[Self.nameStart + index]
            room[index] = byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
        }
        room[length] = UInt8(type.rawValue >> 8)
        room[length + 1] = UInt8(truncatingIfNeeded: type.rawValue)
        room[length + 2] = wishes.intersection([.signatures, .unchecked]).rawValue
        return length + 3
    }

    /// What an upstream server is to be asked for.
    package var wishes: DNSQuery.Wishes {
        var wishes: DNSQuery.Wishes = []
        if options?.wantsSignatures == true { wishes.insert(.signatures) }
        if isUnchecked { wishes.insert(.unchecked) }
        return wishes
    }

    /// The message that says `code` and no more, to whoever sent a request that cannot be read.
    package static func refusal(of message: borrowing Span<UInt8>, _ code: DNSResponseCode) -> [UInt8] {
        let flags = message.number(at: 2, as: UInt16.self)
        let number = UInt16(truncatingIfNeeded: code.number)
        var answer = message.bytes(0..<2)
        answer.append(number: DNSHeader.response | flags & 0x7900 | number & 0xf)
        answer += [0, 0, 0, 0, 0, 0, 0, number > 15 ? 1 : 0]
        if number > 15 {
            answer += [0, 0, UInt8(DNSHeader.optionsType), UInt8(DNSQuery.largestDatagram >> 8)]
            answer += [UInt8(truncatingIfNeeded: DNSQuery.largestDatagram), UInt8(number >> 4), 0, 0, 0, 0, 0]
        }
        return answer
    }
}
