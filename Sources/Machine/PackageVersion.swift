/// The version of a Debian package (deb-version(7)), in the order that dpkg goes by.
package struct PackageVersion: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let description: String
    private let epoch: Int
    private let upstream: Substring
    private let revision: Substring

    package init(_ text: String) {
        description = text
        var rest = Substring(text)
        if let colon = rest.firstIndex(of: ":") {
            epoch = Int(rest[..<colon]) ?? 0
            rest = rest[rest.index(after: colon)...]
        } else {
            epoch = 0
        }
        if let hyphen = rest.lastIndex(of: "-") {
            (upstream, revision) = (rest[..<hyphen], rest[rest.index(after: hyphen)...])
        } else {
            // A version without a revision is as one with the revision 0.
            (upstream, revision) = (rest, "0")
        }
    }

    package static func == (left: Self, right: Self) -> Bool { order(left, right) == 0 }
    package static func < (left: Self, right: Self) -> Bool { order(left, right) < 0 }

    package func hash(into hasher: inout Hasher) {
        // Of what is written in more than one way (leading zeros) only that which is the same in all of them.
        hasher.combine(epoch)
    }

    private static func order(_ left: Self, _ right: Self) -> Int {
        if left.epoch != right.epoch { return left.epoch < right.epoch ? -1 : 1 }
        let upstream = order(Array(left.upstream.utf8)[...], Array(right.upstream.utf8)[...])
        return upstream != 0
            ? upstream : order(Array(left.revision.utf8)[...], Array(right.revision.utf8)[...])
    }

    /// By turns a piece without digits, letters before all else and `~` before the end, and a number.
    private static func order(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Int {
        var (left, right) = (left, right)
        while !left.isEmpty || !right.isEmpty {
            while weight(left.first) != 0 || weight(right.first) != 0 {
                let (first, second) = (weight(left.first), weight(right.first))
                if first != second { return first < second ? -1 : 1 }
                (left, right) = (left.dropFirst(), right.dropFirst())
            }
            let (first, second) = (number(&left), number(&right))
            if first.count != second.count { return first.count < second.count ? -1 : 1 }
            for (one, other) in zip(first, second) where one != other { return one < other ? -1 : 1 }
        }
        return 0
    }

    /// 0: a digit or the end.
    private static func weight(_ byte: UInt8?) -> Int {
        guard let byte else { return 0 }
        return switch byte {
        case 0x30...0x39: 0
        case UInt8(ascii: "~"): -1
        case 0x41...0x5a, 0x61...0x7a: Int(byte)
        default: Int(byte) + 256
        }
    }

    /// The digits at the beginning, which are taken off, without leading zeros.
    private static func number(_ text: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let digits = text.prefix { (0x30...0x39).contains($0) }
        text = text.dropFirst(digits.count)
        return digits.drop { $0 == 0x30 }
    }
}
