/// What a response says about the question as a whole (RFC 1035 §4.1.1, RFC 6895 §2.3).
package enum DNSResponseCode: Hashable, Sendable {
    case success
    case formatError
    case serverFailure
    case noSuchName
    case notImplemented
    case refused
    case other(Int)

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
}
