extension Span<UInt8> {
    /// A copy of the bytes in `range`, which the caller has checked to be inside.
    func bytes(_ range: Range<Int>) -> [UInt8] {
        extracting(range).withUnsafeBufferPointer { Array($0) }
    }

    /// The bytes in `range` as text; what is not UTF-8 is replaced, so callers check for ASCII first where it matters.
    func text(_ range: Range<Int>) -> String {
        extracting(range).withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    /// `count` bytes from `start`, most significant first.
    func number<Number: FixedWidthInteger>(at start: Int, as type: Number.Type) -> Number {
        var value: Number = 0
        for index in start..<(start + Number.bitWidth / 8) {
            value = value << 8 | Number(truncatingIfNeeded: self[index])
        }
        return value
    }
}
