/// What a response says about the question as a whole (RFC 1035 §4.1.1, RFC 6895 §2.3).
package enum DNSResponseCode: Hashable, Sendable {
    case success
    case formatError
    case serverFailure
    case noSuchName
    case notImplemented
    case refused
    case other(Int)

    /// The version of EDNS is one that nobody here speaks (RFC 6891 §6.1.3). It takes an OPT record to say so.
    package static let badVersion = DNSResponseCode.other(16)

    init(_ number: Int) {
        self =
            switch number {
            case 0: .success
            case 1: .formatError
            case 2: .serverFailure
            case 3: .noSuchName
            case 4: .notImplemented
            case 5: .refused
            default: .other(number)
            }
    }

    package var number: Int {
        switch self {
        case .success: 0
        case .formatError: 1
        case .serverFailure: 2
        case .noSuchName: 3
        case .notImplemented: 4
        case .refused: 5
        case .other(let number): number
        }
    }
}
