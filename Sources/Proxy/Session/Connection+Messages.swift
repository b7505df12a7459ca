import Reactor
import Wire

// Messages out of what has come over a connection.
extension Connection {
    /// The next message, waiting for as much of it as has not come yet.
    ///
    /// - Parameters:
    ///   - client: on whose behalf it is read, as `fill(for:)` does; nil: nobody else's.
    ///   - admit: asked before each read whether there is to be one.
    func message<Value: Sendable, Malformation: Error>(
        for client: Connection? = nil, admittedBy admit: (Connection) throws(Errno) -> Void = { _ throws(Errno) in },
        _ parse: (borrowing Span<UInt8>) throws(Malformation) -> Parsed<Value>
    ) async throws(Interruption<Malformation>) -> Value {
        while true {
            let value: Value?
            do throws(Malformation) { value = try next(parse) } catch { throw .malformed(error) }
            if let value { return value }
            let count: Int
            do throws(Errno) {
                try admit(self)
                count = if let client { try await fill(for: client) } else { try await fill() }
            } catch { throw .lost(error, hasBegun: !inbox.isEmpty) }
            guard count > 0 else { throw .lost(nil, hasBegun: !inbox.isEmpty) }
        }
    }

    /// The next message, if all of it has come.
    private func next<Value: Sendable, Malformation: Error>(
        _ parse: (borrowing Span<UInt8>) throws(Malformation) -> Parsed<Value>
    ) throws(Malformation) -> Value? {
        guard case .done(let value, let consumed) = try parse(inbox.unread.bindMemory(to: UInt8.self).span) else {
            return nil
        }
        inbox.drop(consumed)
        return value
    }

    /// What of the unread bytes belongs to `body`, edited in place. They stay where they are until as many as were taken are dropped.
    func take(_ body: inout HTTPBody) throws(HTTPError) -> Content {
        let bytes = inbox.edit()
        var span = bytes.bindMemory(to: UInt8.self).mutableSpan
        let portion = try body.take(&span)
        return Content(
            kept: UnsafeRawBufferPointer(rebasing: bytes[..<portion.kept]), chunk: portion.chunk, taken: portion.taken)
    }

    /// A part of a message's content.
    struct Content {
        /// The bytes that are to be passed on.
        let kept: UnsafeRawBufferPointer
        /// What is to be passed on among them (`HTTPBody.Chunk`); nil: nothing.
        fileprivate let chunk: HTTPBody.Chunk?
        /// So many bytes of the connection it was.
        let taken: Int

        /// All that is to be passed on, if `kept` is not all of it.
        var renewed: [UInt8]? {
            guard let chunk else { return nil }
            return kept[..<chunk.start] + chunk.head + kept[chunk.start...] + chunk.tail
        }
    }
}
