/// The chunked coding (RFC 9112 §7.1), checked and passed on in place.
///
/// What comes out is what came in, without what a proxy need not pass on: extensions of chunks, and trailers that may not
/// come as such; or without the coding, for a client that does not know it. What is checked and kept stays where it is as
/// long as nothing before it was taken out. Of a lenient filter, which is for responses, zeros before a size and blanks behind it
/// do not come out either.
package struct ChunkedFilter: Sendable {
    private enum State: Hashable {
        case size
        case content(left: Int)
        /// The CR LF behind a chunk.
        case contentEnd
        case trailers
        case ended
    }

    /// The longest line with a chunk's size, and how much all trailers may be together: extensions and trailers are used by
    /// hardly anybody, and would be a way to send bytes without end that never become content.
    private static let longestSizeLine = 256
    private static let mostTrailers = 8 * 1024
    private static let mostTrailerFields = 64

    private let keepsCoding: Bool
    private let isLenient: Bool
    private var state = State.size
    private var trailerBytes = 0
    private var trailerFields = 0

    /// - Parameters:
    ///   - keepsCoding: what comes out is chunked, too; or the bare content.
    ///   - isLenient: what servers of the field send is accepted where it can be read in one way only. Lines that end in LF alone are, if
    ///     the coding is not kept: there is no room for a CR.
    package init(keepsCoding: Bool = true, isLenient: Bool = false) {
        self.keepsCoding = keepsCoding
        self.isLenient = isLenient
    }

    /// The last chunk and the trailers have come.
    package var hasEnded: Bool { state == .ended }

    /// Takes from the front of `bytes` what belongs to this content.
    ///
    /// - Returns: how many bytes, now at the front, are to be passed on, and how many were taken. The rest are to come again,
    ///   with more behind them; or, once `hasEnded`, are the next message's.
    package mutating func take(_ bytes: inout MutableSpan<UInt8>) throws(HTTPError) -> HTTPBody.Portion {
        var (kept, read) = (0, 0)
        while read < bytes.count, state != .ended {
            switch state {
            case .content(let left):
                let count = min(left, bytes.count - read)
                bytes.move(read..<(read + count), to: kept)
                kept += count
                read += count
                state = left > count ? .content(left: left - count) : .contentEnd
            case .contentEnd:
                guard
                    let (line, end) = try nextLine(
                        bytes, from: read, limit: 2, "chunk is longer than its size says")
                else { return HTTPBody.Portion(kept: kept, taken: read) }
                guard line.isEmpty else { throw .malformed("a chunk is longer than its size says") }
                keep(line.lowerBound..<end, in: &bytes, at: &kept)
                read = end
                state = .size
            case .size:
                let what = "chunk's size is longer than \(Self.longestSizeLine) bytes"
                guard let (line, end) = try nextLine(bytes, from: read, limit: Self.longestSizeLine, what) else {
                    return HTTPBody.Portion(kept: kept, taken: read)
                }
                let (digits, size) = try size(line, of: bytes.span)
                read = end
                keep(digits, in: &bytes, at: &kept)
                keep(line.upperBound..<read, in: &bytes, at: &kept)
                state = size > 0 ? .content(left: size) : .trailers
            case .trailers:
                let limit = Self.mostTrailers - trailerBytes
                let what = "trailer section is longer than \(Self.mostTrailers) bytes"
                guard let (line, end) = try nextLine(bytes, from: read, limit: limit, what) else {
                    return HTTPBody.Portion(kept: kept, taken: read)
                }
                trailerBytes += end - read
                read = end
                if try isToBeKept(line, of: bytes.span) { keep(line.lowerBound..<read, in: &bytes, at: &kept) }
                if line.isEmpty { state = .ended }
            case .ended: break
            }
        }
        return HTTPBody.Portion(kept: kept, taken: read)
    }

    /// Moves a part of the coding to the end of what is kept.
    private func keep(_ range: Range<Int>, in bytes: inout MutableSpan<UInt8>, at end: inout Int) {
        guard keepsCoding else { return }
        bytes.move(range, to: end)
        end += range.count
    }

    /// The line from `start` without its CR LF, and where the next one begins; nil if it has not come whole. With CR LF it has at most
    /// `limit` bytes.
    private func nextLine(
        _ bytes: borrowing MutableSpan<UInt8>, from start: Int, limit: Int, _ excess: String
    ) throws(HTTPError) -> (Range<Int>, end: Int)? {
        var index = start
        let end = min(bytes.count, start + limit)
        while index < end {
            let byte = bytes[index]
            if byte == ASCII.carriageReturn {
                guard index + 1 < end else { break }
                guard bytes[index + 1] == ASCII.lineFeed else {
                    throw .malformed("a CR stands alone in chunked content")
                }
                return (start..<index, index + 2)
            }
            if byte == ASCII.lineFeed, isLenient, !keepsCoding { return (start..<index, index + 1) }
            guard byte.isHeadByte else {
                throw .malformed("chunked content has a control character where a line is to be")
            }
            index += 1
        }
        guard bytes.count - start < limit else { throw .malformed("a \(excess)") }
        return nil
    }

    /// `chunk-size [chunk-ext]`: digits, as many as 60 bits have; no sign, no `0x`, no space but before an extension. If lenient, zeros
    /// before the digits do not count, and are none of them; and blanks may stand behind.
    private func size(
        _ line: Range<Int>, of bytes: borrowing Span<UInt8>
    ) throws(HTTPError) -> (digits: Range<Int>, size: Int) {
        var size = 0
        var start = line.lowerBound
        if isLenient {
            let zero = UInt8(ascii: "0")
            while start + 1 < line.upperBound, bytes[start] == zero, bytes[start + 1].hexValue != nil { start += 1 }
        }
        var index = start
        while index < line.upperBound, let digit = bytes[index].hexValue {
            guard index - start < 15 else { throw .malformed("a chunk's size has too many digits") }
            size = size << 4 | Int(digit)
            index += 1
        }
        let digits = start..<index
        while index < line.upperBound, bytes[index].isOptionalWhitespace { index += 1 }
        let hasExtension = index < line.upperBound && bytes[index] == UInt8(ascii: ";")
        let isWhole = hasExtension || (isLenient ? index : digits.upperBound) == line.upperBound
        guard !digits.isEmpty, isWhole else {
            throw .malformed("a chunk's size is not a hexadecimal number: \(bytes.quoted(line))")
        }
        return (digits, size)
    }

    private mutating func isToBeKept(_ line: Range<Int>, of bytes: borrowing Span<UInt8>) throws(HTTPError) -> Bool {
        if line.isEmpty { return true }
        trailerFields += 1
        guard trailerFields <= Self.mostTrailerFields else { throw .tooManyFields(limit: Self.mostTrailerFields) }
        let field = try HTTPHeadLines.field(line, of: bytes, isLenient: false)
        return !HTTPFieldName.isForbiddenInTrailer(field.name, of: bytes)
    }
}

extension UInt8 {
    var hexValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension MutableSpan<UInt8> {
    /// Moves bytes towards the front, or leaves them where they are; the ranges may overlap.
    fileprivate mutating func move(_ range: Range<Int>, to start: Int) {
        precondition(start <= range.lowerBound && range.upperBound <= count)
        guard start < range.lowerBound, !range.isEmpty else { return }
        withUnsafeMutableBytes { bytes in
            let base = bytes.baseAddress!
            (base + start).copyMemory(from: base + range.lowerBound, byteCount: range.count)
        }
    }
}
