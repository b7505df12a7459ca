import Address
import Policy

/// Takes out of a text what tells a stranger whose it is: the addresses of the internet and the hardware addresses of devices. What is
/// the same stays the same: an address has one number throughout, and so has the /64 that it is in. A device that has no name of its own
/// is called by the digits of its card, which go as well.
struct AddressMask {
    private var networks: [IPAddress: Int] = [:]
    /// By the number of their network; of IPv4 there is none.
    private var hosts: [Int?: [IPAddress: Int]] = [:]
    private var cards: [HardwareAddress: Int] = [:]
    /// By the twelve digits of a card, and by the last six.
    private var digits: [String: Int] = [:]

    static func masked(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var mask = AddressMask()
        // A card's digits may stand before the card.
        _ = mask.masked(bytes)
        for (card, number) in mask.cards {
            let digits = card.description.filter { $0 != ":" }
            mask.digits[digits] = number
            mask.digits[String(digits.suffix(6))] = number
        }
        return mask.masked(bytes)
    }

    private mutating func masked(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let end = bytes[index...].firstIndex { !$0.mayBeOfAddress } ?? bytes.count
            if end > index {
                let isPartOfName = index > 0 && bytes[index - 1] == UInt8(ascii: "-")
                if isPartOfName, let number = digits[String(decoding: bytes[index..<end], as: UTF8.self)] {
                    output += Array("<mac-\(number)>".utf8)
                } else {
                    mask(bytes[index..<end], into: &output)
                }
                index = end
            } else {
                output.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// A word may be more than an address, as `wan0:203.0.113.7:80` is: the longest part that is one, and of two the last, which of a
    /// client id of DHCP is the card's.
    private mutating func mask(_ word: ArraySlice<UInt8>, into output: inout [UInt8]) {
        let joints = word.indices.filter { word[$0] == UInt8(ascii: ":") || word[$0] == UInt8(ascii: ".") }
        guard joints.count >= 2 else { return output.append(contentsOf: word) }
        let starts = [word.startIndex] + joints + joints.map { $0 + 1 }
        let ends = [word.endIndex] + joints + joints.map { $0 + 1 }
        let parts = starts.flatMap { start in ends.filter { $0 > start + 1 }.map { start..<$0 } }
            .sorted { ($0.count, $0.lowerBound) > ($1.count, $1.lowerBound) }
        for part in Set(parts).sorted(by: { ($0.count, $0.lowerBound) > ($1.count, $1.lowerBound) }) {
            guard let mask = mask(of: String(decoding: word[part], as: UTF8.self)) else { continue }
            self.mask(word[..<part.lowerBound], into: &output)
            output += Array(mask.utf8)
            return self.mask(word[part.upperBound...], into: &output)
        }
        output.append(contentsOf: word)
    }

    /// nil: it is no address. One that may be seen is its own mask.
    private mutating func mask(of text: String) -> String? {
        if let card = HardwareAddress(text) { return "<mac-\(number(of: card))>" }
        guard let address = IPAddress(text) else { return nil }
        let bare = address.unmapped
        switch bare.special {
        case nil, .reserved?: break
        default:
            guard let card = bare.card, let network = bare.first64 else { return text }
            return "\(network)<mac-\(number(of: card))>"
        }
        guard let network = bare.first64 else { return "<ipv4-\(number(of: bare, in: nil))>" }
        let number = networks[network] ?? networks.count + 1
        networks[network] = number
        return network == bare ? "<ipv6-\(number)>" : "<ipv6-\(number).\(self.number(of: bare, in: number))>"
    }

    private mutating func number(of card: HardwareAddress) -> Int {
        let number = cards[card] ?? cards.count + 1
        cards[card] = number
        return number
    }

    private mutating func number(of host: IPAddress, in network: Int?) -> Int {
        let number = hosts[network]?[host] ?? (hosts[network]?.count ?? 0) + 1
        hosts[network, default: [:]][host] = number
        return number
    }
}

extension IPAddress {
    /// The card that the lower half was made of (modified EUI-64, RFC 4291 §2.5.1); nil: it was made otherwise.
    fileprivate var card: HardwareAddress? {
        guard case .v6(let bits) = self, UInt16(truncatingIfNeeded: bits >> 24) == 0xfffe else { return nil }
        let half = (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt128($0))) }
        return HardwareAddress(bytes: [half[0] ^ 2] + half[1...2] + half[5...7])
    }
}

extension UInt8 {
    fileprivate var mayBeOfAddress: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: ":"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}
