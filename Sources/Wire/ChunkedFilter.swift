/// The chunked coding (RFC 9112 §7.1), checked and passed on in place.
///
/// What comes out is what came in, without what a proxy need not pass on: extensions of chunks, and trailers that may not
/// come as such; or without the coding, for a client that does not know it. What is checked and kept stays where it is as
/// long as nothing before it was taken out. Of a lenient filter, which is for responses, zeros before a size and blanks behind it
/// do not come out either, and a trailer that is folded comes out as one line. From the first line on that ends in LF alone the
/// content comes out in chunks of the filter's own (`HTTPBody.Chunk`), and trailers do not: there is no room for a CR.
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

    private enum Coding: Hashable {
        case kept
        /// What comes out is the bare content.
        case dropped
        /// What comes out is the bare content, for chunks that are made anew.
        case renewed
    }

    private var coding: Coding
    private let isLenient: Bool
    private var state = State.size
    /// A chunk came out whose CR LF did not.
    private var owesChunkEnd = false
    /// The size of the last chunk came out.
    private var hasKeptLastSize = false
    private var trailerBytes = 0
    private var trailerFields = 0

    /// - Parameters:
    ///   - keepsCoding: what comes out is chunked, too; or the bare content.
    ///   - isLenient: what servers of the field send is accepted where it can be read in one way only.
    package init(keepsCoding: Bool = true, isLenient: Bool = false) {
        coding = keepsCoding ? .kept : .dropped
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
        // Where the bare content begins that is to be in a chunk made anew.
        var renewed = coding == .renewed ? 0 : nil
        while read < bytes.count, state != .ended {
            if case .content(let left) = state {
                let count = min(left, bytes.count - read)
                bytes.move(read..<(read + count), to: kept)
                kept += count
                read += count
                state = left > count ? .content(left: left - count) : .contentEnd
                continue
            }
            guard let line = try nextLine(&bytes, from: read) else { break }
            if line.isBare, coding == .kept {
                coding = .renewed
                renewed = kept
                owesChunkEnd = state == .contentEnd
                hasKeptLastSize = state == .trailers
            }
            let end = line.text.upperBound..<line.end
            read = line.end
            switch state {
            case .contentEnd:
                guard line.text.isEmpty else { throw .malformed("a chunk is longer than its size says") }
                keep(end, in: &bytes, at: &kept)
                state = .size
            case .size:
                let (digits, size) = try size(line.text, of: bytes.span)
                keep(digits, in: &bytes, at: &kept)
                keep(end, in: &bytes, at: &kept)
                state = size > 0 ? .content(left: size) : .trailers
            case .trailers:
                trailerBytes += line.end - line.text.lowerBound
                if try isToBeKept(line.text, of: bytes.span) {
                    keep(line.text.lowerBound..<line.end, in: &bytes, at: &kept)
                }
                if line.text.isEmpty { state = .ended }
            case .content, .ended: break
            }
        }
        return HTTPBody.Portion(kept: kept, taken: read, chunk: renewed.map { chunk(from: $0, to: kept) })
    }

    /// The chunk that is made of so much of what is kept. Behind the last one stands the end of the content.
    private mutating func chunk(from start: Int, to end: Int) -> HTTPBody.Chunk {
        let count = end - start
        var chunk = HTTPBody.Chunk(start: start)
        if owesChunkEnd { chunk.head += Array("\r\n".utf8) }
        owesChunkEnd = false
        if count > 0 {
            chunk.head += Array("\(String(count, radix: 16))\r\n".utf8)
            chunk.tail += Array("\r\n".utf8)
        }
        if hasEnded { chunk.tail += Array((hasKeptLastSize ? "\r\n" : "0\r\n\r\n").utf8) }
        return chunk
    }

    /// Moves a part of the coding to the end of what is kept.
    private func keep(_ range: Range<Int>, in bytes: inout MutableSpan<UInt8>, at end: inout Int) {
        guard coding == .kept else { return }
        bytes.move(range, to: end)
        end += range.count
    }

    private struct Line {
        /// Without what ends it.
        let text: Range<Int>
        /// Where the next one begins.
        let end: Int
        /// It ends in LF alone.
        let isBare: Bool
    }

    /// The line from `start`; nil if it has not come whole. A trailer's goes on where the next begins with a blank, and has spaces for what
    /// ended it before (RFC 9112 §5.2).
    private func nextLine(_ bytes: inout MutableSpan<UInt8>, from start: Int) throws(HTTPError) -> Line? {
        let (limit, what) =
            switch state {
            case .contentEnd: (2, "chunk is longer than its size says")
            case .trailers:
                (Self.mostTrailers - trailerBytes, "trailer section is longer than \(Self.mostTrailers) bytes")
            default: (Self.longestSizeLine, "chunk's size is longer than \(Self.longestSizeLine) bytes")
            }
        guard var line = try nextLine(bytes, from: start, searching: start, limit: limit, what) else { return nil }
        while state == .trailers, isLenient, !line.text.isEmpty {
            guard line.end < bytes.count else {
                guard line.end - start < limit else { throw .malformed("a \(what)") }
                return nil
            }
            guard bytes[line.end].isOptionalWhitespace else { break }
            for index in line.text.upperBound..<line.end { bytes[index] = ASCII.space }
            guard let more = try nextLine(bytes, from: start, searching: line.end, limit: limit, what) else {
                return nil
            }
            line = more
        }
        return line
    }

    /// The line from `start`, whose end is looked for from `index` on. It has at most `limit` bytes, with what ends it.
    private func nextLine(
        _ bytes: borrowing MutableSpan<UInt8>, from start: Int, searching index: Int, limit: Int, _ excess: String
    ) throws(HTTPError) -> Line? {
        var index = index
        let end = min(bytes.count, start + limit)
        while index < end {
            let byte = bytes[index]
            if byte == ASCII.carriageReturn {
                guard index + 1 < end else { break }
                guard bytes[index + 1] == ASCII.lineFeed else {
                    throw .malformed("a CR stands alone in chunked content")
                }
                return Line(text: start..<index, end: index + 2, isBare: false)
            }
            if byte == ASCII.lineFeed, isLenient { return Line(text: start..<index, end: index + 1, isBare: true) }
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
