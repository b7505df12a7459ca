/// Why a message is refused before its meaning was even looked at.
package enum HTTPError: Error, Hashable, Sendable {
    /// The bytes are no message; what is wrong, in words.
    case malformed(String)
    /// The message asks for something that this proxy does not do; what, in words.
    case unsupported(String)
    case targetTooLong(limit: Int)
    case headTooLarge(limit: Int)
    case tooManyFields(limit: Int)
    case methodTooLong(limit: Int)
    case unsupportedVersion

    /// The status of the answer to a request with this mistake.
    package var status: HTTPStatus {
        switch self {
        case .malformed: .badRequest
        case .unsupported: .notImplemented
        case .targetTooLong: .uriTooLong
        case .headTooLarge, .tooManyFields: .headTooLarge
        case .methodTooLong: .notImplemented
        case .unsupportedVersion: .versionNotSupported
        }
    }

    /// One sentence for the body of the answer.
    package var reason: String {
        switch self {
        case .malformed(let what), .unsupported(let what): what
        case .targetTooLong(let limit): "the request target is longer than \(limit) bytes"
        case .headTooLarge(let limit): "the head is larger than \(limit) bytes"
        case .tooManyFields(let limit): "the head has more than \(limit) fields"
        case .methodTooLong(let limit): "the method is longer than \(limit) bytes"
        case .unsupportedVersion: "this proxy speaks HTTP/1.0 and HTTP/1.1"
        }
    }
}
