/// The content of one message as it goes by: where it ends, and whether it came whole.
package struct HTTPBody: Sendable {
    private enum State {
        case length(left: Int)
        case chunked(ChunkedFilter)
        case untilClose
        /// The content cannot be understood; bytes before the mistake may have been edited.
        case failed(HTTPError)
    }

    /// The result of `take`.
    package struct Portion: Hashable, Sendable {
        /// So many, at the front, are to be passed on.
        package let kept: Int
        /// So many belonged to this content; the rest did not, or not yet.
        package let taken: Int
        /// The chunk that the end of what is kept is to be passed on in; nil: it is passed on as it is.
        package let chunk: Chunk?

        init(kept: Int, taken: Int, chunk: Chunk? = nil) {
            (self.kept, self.taken, self.chunk) = (kept, taken, chunk)
        }
    }

    /// A chunk that is made anew of content whose own coding is not fit to be passed on.
    package struct Chunk: Hashable, Sendable {
        /// Where its content begins, among the bytes that are kept.
        package let start: Int
        /// What is to be passed on before its content.
        package internal(set) var head: [UInt8] = []
        /// The same behind it.
        package internal(set) var tail: [UInt8] = []
    }

    private var state: State

    /// - Parameters:
    ///   - keepsCoding: chunked content stays chunked.
    ///   - isLenient: it is a response's (`ChunkedFilter`).
    package init(_ framing: HTTPFraming, keepsCoding: Bool = true, isLenient: Bool = false) {
        state =
            switch framing {
            case .none: .length(left: 0)
            case .length(let length): .length(left: length)
            case .chunked: .chunked(ChunkedFilter(keepsCoding: keepsCoding, isLenient: isLenient))
            case .untilClose: .untilClose
            }
    }

    /// How many bytes are still to come; nil: that is not known before they have.
    package var left: Int? {
        if case .length(let left) = state { left } else { nil }
    }

    /// All of it has been taken. What ends with the connection is never known to be complete before.
    package var isComplete: Bool {
        switch state {
        case .length(let left): left == 0
        case .chunked(let filter): filter.hasEnded
        case .untilClose, .failed: false
        }
    }

    /// Whether it was complete if the connection ends here.
    package var mayEndHere: Bool {
        if case .untilClose = state { return true }
        return isComplete
    }

    /// Takes from the front of `bytes` what belongs to this content; it may be edited in place.
    package mutating func take(_ bytes: inout MutableSpan<UInt8>) throws(HTTPError) -> Portion {
        switch state {
        case .length(let left):
            let count = min(left, bytes.count)
            state = .length(left: left - count)
            return Portion(kept: count, taken: count)
        case .chunked(var filter):
            do throws(HTTPError) {
                let portion = try filter.take(&bytes)
                state = .chunked(filter)
                return portion
            } catch {
                // Nothing that follows is to be taken for anything.
                state = .failed(error)
                throw error
            }
        case .untilClose:
            return Portion(kept: bytes.count, taken: bytes.count)
        case .failed(let error):
            throw error
        }
    }
}
