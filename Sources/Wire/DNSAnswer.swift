package import Address

/// A whole answer, to be kept and given to whoever asks the same: an upstream server's as it came, whatever is in it, or one of
/// our own.
package struct DNSAnswer: Hashable, Sendable {
    package let code: DNSResponseCode
    /// The server says that it has found the signatures in order (AD, RFC 4035 §3.2.3).
    package let isAuthentic: Bool
    package let isAuthoritative: Bool
    /// For how long it holds; nil: it denies something, and nobody said for how long (RFC 2308 §5).
    package let secondsToLive: Int?
    package let explanation: DNSExplanation?
    /// The message without its OPT record, which is between two neighbours alone (RFC 6891 §6.2.1).
    private let bytes: [UInt8]
    private let questionEnd: Int
    /// Where the additional section begins, which may be left out.
    private let additionStart: Int
    private let counts: (answers: UInt16, authorities: UInt16, additions: UInt16)
    /// Where each record's time to live stands.
    private let times: [UInt16]

    private static let mostRecords = 1024
    /// A stub of before EDNS takes no more (RFC 1035 §2.3.4).
    private static let plainDatagram = 512

    package static func == (left: DNSAnswer, right: DNSAnswer) -> Bool {
        left.bytes == right.bytes && left.code == right.code && left.isAuthentic == right.isAuthentic
            && left.explanation == right.explanation && left.isAuthoritative == right.isAuthoritative
            && left.counts == right.counts
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(bytes)
        hasher.combine(code)
    }

    /// What it takes of memory, about.
    package var size: Int { bytes.count + 2 * times.count }

    // MARK: an upstream server's

    /// - Parameter message: an answer that `DNSResponse.parse` has found to be one to its query, and whole.
    package init(parsing message: borrowing Span<UInt8>) throws(DNSError) {
        guard let header = DNSHeader(message), header.questions == 1, message.count <= Int(UInt16.max),
            header.answers + header.authorities + header.additions <= Self.mostRecords
        else { throw .malformed }
        var place = DNSHeader.length
        let name = try DNSName.read(message, at: &place)
        guard place == DNSHeader.length + name.bytes.count, place + 4 <= message.count else { throw .malformed }
        let type = message.number(at: place, as: UInt16.self)
        questionEnd = place + 4
        place = questionEnd
        var times: [UInt16] = []
        var shortest = Int.max
        var isAnswered = false
        for _ in 0..<header.answers {
            let record = try Self.record(message, at: &place, &times)
            shortest = min(shortest, record.secondsToLive)
            if record.type == type { isAnswered = true }
        }
        var denial: Int?
        for _ in 0..<header.authorities {
            let record = try Self.record(message, at: &place, &times)
            guard record.type == DNSHeader.authorityType, record.data.count >= 22 else { continue }
            let minimum = message.number(at: record.data.upperBound - 4, as: UInt32.self)
            denial = min(denial ?? .max, record.secondsToLive, Int(minimum))
        }
        additionStart = place
        var additions = 0
        var end = place
        for _ in 0..<header.additions {
            let count = times.count
            let record = try Self.record(message, at: &place, &times)
            // What is behind the OPT record goes with it: it is additional, and seldom there. Where others have a class, it has a
            // size.
            if message.number(at: record.data.lowerBound - 10, as: UInt16.self) == DNSHeader.optionsType {
                times.removeLast(times.count - count)
                break
            }
            additions += 1
            end = place
        }
        code = DNSResponseCode(header.code)
        isAuthentic = header.flags & DNSHeader.authentic != 0
        isAuthoritative = false
        if code == .success, isAnswered {
            secondsToLive = shortest
        } else {
            secondsToLive = denial.map { min($0, shortest) }
        }
        explanation = nil
        bytes = message.bytes(0..<end)
        counts = (UInt16(header.answers), UInt16(header.authorities), UInt16(additions))
        self.times = times
    }

    private static func record(
        _ message: borrowing Span<UInt8>, at place: inout Int, _ times: inout [UInt16]
    ) throws(DNSError) -> DNSRecord {
        let record = try DNSRecord(message, at: &place)
        times.append(UInt16(record.data.lowerBound - 6))
        return record
    }

    // MARK: our own

    /// - Parameters:
    ///   - data: of records that all bear the question's name.
    ///   - zone: whose word it is that there is nothing else; nil: nobody's.
    package init(
        to name: DNSName, _ type: DNSType, _ code: DNSResponseCode = .success, _ data: [DNSData] = [],
        seconds: UInt32 = 0, by zone: DNSName? = nil, because explanation: DNSExplanation? = nil
    ) {
        var bytes = [UInt8](repeating: 0, count: DNSHeader.length) + name.bytes
        bytes.append(number: type.rawValue)
        bytes.append(number: DNSHeader.internet)
        questionEnd = bytes.count
        var times: [UInt16] = []
        func add(_ owner: [UInt8], _ data: DNSData) {
            bytes += owner
            bytes.append(number: data.type.rawValue)
            bytes.append(number: DNSHeader.internet)
            times.append(UInt16(bytes.count))
            bytes.append(number: seconds)
            let content = data.bytes
            bytes.append(number: UInt16(content.count))
            bytes += content
        }
        // A pointer to the question's name (RFC 1035 §4.1.4).
        for data in data { add([0xc0, UInt8(DNSHeader.length)], data) }
        if let zone { add(zone.bytes, .start(server: zone, negativeSeconds: seconds)) }
        additionStart = bytes.count
        counts = (UInt16(data.count), zone == nil ? 0 : 1, 0)
        self.bytes = bytes
        self.times = times
        self.code = code
        self.explanation = explanation
        isAuthentic = false
        isAuthoritative = zone != nil || !data.isEmpty
        secondsToLive = Int(seconds)
    }

    // MARK: what is in it

    /// The addresses that the answer leads to, those that HTTPS and SVCB records hint at among them (RFC 9460 §7.3).
    package var addresses: [IPAddress] {
        var addresses: [IPAddress] = []
        read { record, message throws(DNSError) in
            switch DNSType(rawValue: record.type) {
            case .a where record.data.count == 4:
                addresses.append(.v4(message.number(at: record.data.lowerBound, as: UInt32.self)))
            case .aaaa where record.data.count == 16:
                addresses.append(.v6(message.number(at: record.data.lowerBound, as: UInt128.self)))
            case .https, .service:
                var place = record.data.lowerBound + 2
                _ = try DNSName.read(message, at: &place)
                while place + 4 <= record.data.upperBound {
                    let key = message.number(at: place, as: UInt16.self)
                    let end = place + 4 + Int(message.number(at: place + 2, as: UInt16.self))
                    guard end <= record.data.upperBound else { throw .malformed }
                    place += 4
                    while key == 4, place + 4 <= end {
                        addresses.append(.v4(message.number(at: place, as: UInt32.self)))
                        place += 4
                    }
                    while key == 6, place + 16 <= end {
                        addresses.append(.v6(message.number(at: place, as: UInt128.self)))
                        place += 16
                    }
                    place = end
                }
            default: break
            }
        }
        return addresses
    }

    /// The names that the asked one is an alias of, one after the other.
    package var aliases: [DNSName] {
        var aliases: [DNSName] = []
        guard counts.answers > 0 else { return [] }
        read { record, message throws(DNSError) in
            guard record.type == DNSHeader.aliasType else { return }
            var place = record.data.lowerBound
            aliases.append(try DNSName.read(message, at: &place))
        }
        return aliases
    }

    /// Passes the records of the answer section. One whose data cannot be read hides none behind it.
    private func read(_ body: (DNSRecord, borrowing Span<UInt8>) throws(DNSError) -> Void) {
        let message = bytes.span
        var place = questionEnd
        for _ in 0..<counts.answers {
            guard let record = try? DNSRecord(message, at: &place) else { return }
            try? body(record, message)
        }
    }

    // MARK: given

    /// How it goes out.
    package enum Transport: Hashable, Sendable {
        case datagram, stream
    }

    /// Writes the message that answers `request`, with its spelling of the name (draft-vixie-dnsext-dns0x20) and its id.
    ///
    /// - Parameters:
    ///   - asked: the message that the request is of.
    ///   - age: seconds for which the answer has been kept.
    ///   - staleSeconds: what each record has left, of an answer that has outlived its time; nil: its own.
    ///   - room: 65 535 bytes over a stream, and 1232 otherwise.
    /// - Returns: how many bytes.
    package func write(
        to request: DNSRequest, _ asked: UnsafeRawBufferPointer, over transport: Transport, age: UInt32,
        staleSeconds: UInt32? = nil, because explanation: DNSExplanation? = nil,
        into room: UnsafeMutableRawBufferPointer
    ) -> Int {
        let reason = request.options == nil ? nil : (explanation ?? self.explanation)?.option
        let tail = request.options == nil ? 0 : 11 + (reason?.count ?? 0)
        let limit =
            switch transport {
            case .datagram: min(request.options?.size ?? Self.plainDatagram, DNSQuery.largestDatagram)
            case .stream: Int(UInt16.max)
            }
        var (end, counts, isTruncated) = (bytes.count, counts, false)
        if end + tail > limit { (end, counts.additions) = (additionStart, 0) }
        if end + tail > limit {
            // Half an answer is none (RFC 2181 §9).
            (end, counts, isTruncated) = (questionEnd, (0, 0, 0), true)
        }
        bytes.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<end])) }
        UnsafeMutableRawBufferPointer(rebasing: room[DNSHeader.length..<questionEnd])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: asked[DNSHeader.length..<questionEnd]))
        for time in times where Int(time) < end {
            let place = Int(time)
            let kept = UInt32(bigEndian: room.loadUnaligned(fromByteOffset: place, as: UInt32.self))
            let left = staleSeconds ?? (kept > age ? kept - age : 0)
            room.storeBytes(of: left.bigEndian, toByteOffset: place, as: UInt32.self)
        }
        var flags = DNSHeader.response | DNSHeader.recursionAvailable | UInt16(code.number & 0xf)
        if isAuthoritative { flags |= DNSHeader.authoritative }
        if isTruncated { flags |= DNSHeader.truncated }
        if request.desiresRecursion { flags |= DNSHeader.recursionDesired }
        if request.isUnchecked { flags |= DNSHeader.unchecked }
        // RFC 6840 §5.8.
        if isAuthentic, request.wantsVerdict || request.options?.wantsSignatures == true {
            flags |= DNSHeader.authentic
        }
        let extra: UInt16 = request.options == nil ? 0 : 1
        let header = (request.id, flags, UInt16(1), counts.answers, counts.authorities, counts.additions + extra)
        room.storeBytes(of: header.0.bigEndian, toByteOffset: 0, as: UInt16.self)
        room.storeBytes(of: header.1.bigEndian, toByteOffset: 2, as: UInt16.self)
        room.storeBytes(of: header.2.bigEndian, toByteOffset: 4, as: UInt16.self)
        room.storeBytes(of: header.3.bigEndian, toByteOffset: 6, as: UInt16.self)
        room.storeBytes(of: header.4.bigEndian, toByteOffset: 8, as: UInt16.self)
        room.storeBytes(of: header.5.bigEndian, toByteOffset: 10, as: UInt16.self)
        guard let options = request.options else { return end }
        return end + Self.writeOptions(options, reason, at: end, into: room)
    }

    private static func writeOptions(
        _ options: DNSRequest.Extension, _ reason: [UInt8]?, at end: Int, into room: UnsafeMutableRawBufferPointer
    ) -> Int {
        room[end] = 0
        room.storeBytes(of: DNSHeader.optionsType.bigEndian, toByteOffset: end + 1, as: UInt16.self)
        room.storeBytes(of: UInt16(DNSQuery.largestDatagram).bigEndian, toByteOffset: end + 3, as: UInt16.self)
        // DO comes back as it was sent (RFC 3225 §3).
        let flags: UInt32 = options.wantsSignatures ? 0x8000 : 0
        room.storeBytes(of: flags.bigEndian, toByteOffset: end + 5, as: UInt32.self)
        room.storeBytes(of: UInt16(reason?.count ?? 0).bigEndian, toByteOffset: end + 9, as: UInt16.self)
        guard let reason else { return 11 }
        UnsafeMutableRawBufferPointer(rebasing: room[(end + 11)...]).copyBytes(from: reason)
        return 11 + reason.count
    }
}
