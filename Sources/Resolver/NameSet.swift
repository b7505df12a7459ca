package import Wire

/// Names, however many, of which it is only to be known whether one is there: eight bytes each.
///
/// A name is there by a hash of 64 bits. Among a million names, one of the internet's few hundred million is there by mistake
/// with a probability of one in 50 000.
package struct NameSet: Sendable {
    /// In ascending order.
    private let hashes: [UInt64]

    package static let empty = NameSet(hashes: [])

    private init(hashes: [UInt64]) {
        self.hashes = hashes
    }

    /// - Parameter text: a name in each line, in lower case; before one that is there with all that is below it stands a dot.
    package init(_ text: [UInt8]) {
        var hashes: [UInt64] = []
        text.withUnsafeBytes { text in
            var start = 0
            while start < text.count {
                let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
                let isZone = start < end && text[start] == UInt8(ascii: ".")
                if let hash = Self.hash(ofText: text[(isZone ? start + 1 : start)..<end], isZone: isZone) {
                    hashes.append(hash)
                }
                start = end + 1
            }
        }
        hashes.sort()
        self.hashes = hashes
    }

    /// The domains, each with all that is below it.
    package init(domains: some Sequence<String>) {
        self.init(Array(domains.map { ".\($0)\n" }.joined().utf8))
    }

    package var count: Int { hashes.count }
    package var isEmpty: Bool { hashes.isEmpty }

    /// Whether `name`, or a name above it with all that is below, is there.
    package func contains(_ name: DNSName) -> Bool {
        guard !hashes.isEmpty else { return false }
        if has(Self.hash(name.bytes[...], isZone: false)) { return true }
        var rest = name.bytes[...]
        while let length = rest.first, length > 0 {
            if has(Self.hash(rest, isZone: true)) { return true }
            rest = rest.dropFirst(1 + Int(length))
        }
        return false
    }

    private func has(_ hash: UInt64) -> Bool {
        var (low, high) = (0, hashes.count)
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low < hashes.count && hashes[low] == hash
    }

    /// Of a name as it is written, without making the bytes that it has on the wire; nil: it is none.
    private static func hash(ofText text: Slice<UnsafeRawBufferPointer>, isZone: Bool) -> UInt64? {
        guard (1...253).contains(text.count) else { return nil }
        var hash = Hash(isZone: isZone)
        var start = text.startIndex
        while start <= text.endIndex {
            let end = text[start...].firstIndex(of: UInt8(ascii: ".")) ?? text.endIndex
            guard (1...63).contains(end - start) else { return nil }
            hash.add(UInt8(end - start))
            for byte in text[start..<end] { hash.add(byte) }
            start = end + 1
        }
        hash.add(0)
        return hash.value
    }

    private static func hash(_ wire: ArraySlice<UInt8>, isZone: Bool) -> UInt64 {
        var hash = Hash(isZone: isZone)
        for byte in wire { hash.add(byte) }
        return hash.value
    }

    /// FNV-1a over a name as on the wire, well mixed at the end (the finalizer of MurmurHash3).
    private struct Hash {
        private var state: UInt64

        init(isZone: Bool) { state = isZone ? 0x8422_2325_cbf2_9ce4 : 0xcbf2_9ce4_8422_2325 }

        mutating func add(_ byte: UInt8) { state = (state ^ UInt64(byte)) &* 0x100_0000_01b3 }

        var value: UInt64 {
            var value = state
            value = (value ^ value >> 33) &* 0xff51_afd7_ed55_8ccd
            value = (value ^ value >> 33) &* 0xc4ce_b9fe_1a85_ec53
            return value ^ value >> 33
        }
    }
}
