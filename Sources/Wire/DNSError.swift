package enum DNSError: Error, Hashable, Sendable {
    /// The message is no answer to this query: it bears another id or another question, or is a query itself. Somebody may be
    /// guessing (RFC 5452 §9.1), so that the right answer is still to be waited for.
    case foreign
    /// The message is an answer, and cannot be read.
    case malformed
}
