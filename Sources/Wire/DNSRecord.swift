/// A resource record (RFC 1035 §4.1.3). One that is not of the internet's class has no type here.
struct DNSRecord {
    let name: DNSName
    let type: UInt16
    let secondsToLive: Int
    /// Where in the message its data is.
    let data: Range<Int>

    init(_ message: borrowing Span<UInt8>, at place: inout Int) throws(DNSError) {
        name = try DNSName.read(message, at: &place)
        guard message.count >= place + 10 else { throw .malformed }
        let isOfInternet = message.number(at: place + 2, as: UInt16.self) == DNSHeader.internet
        type = isOfInternet ? message.number(at: place, as: UInt16.self) : 0
        let seconds = message.number(at: place + 4, as: UInt32.self)
        // A number with the highest bit set is none (RFC 2181 §8).
        secondsToLive = seconds > Int32.max ? 0 : Int(seconds)
        let start = place + 10
        let end = start + Int(message.number(at: place + 8, as: UInt16.self))
        guard end <= message.count else { throw .malformed }
        data = start..<end
        place = end
    }
}
