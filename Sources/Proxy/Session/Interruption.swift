import Reactor

/// Why no message came.
enum Interruption<Malformation: Error>: Error {
    case malformed(Malformation)
    /// The peer closed (nil), the deadline passed, or the connection failed; and whether a part of a message had come.
    case lost(Errno?, hasBegun: Bool)
}
