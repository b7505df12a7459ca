/// Why a call failed; the errors of org.gatehouse.Admin. The reason says what was wrong, with which value, and what to do.
package enum AdminError: Error, Hashable {
    /// The policy or the kernel does not allow it; nothing was changed.
    case refused(String)
    case permissionDenied(String)
    case notFound(String)

    package var reason: String {
        switch self {
        case .refused(let reason), .permissionDenied(let reason), .notFound(let reason): reason
        }
    }

    var name: String {
        switch self {
        case .refused: "Refused"
        case .permissionDenied: "PermissionDenied"
        case .notFound: "NotFound"
        }
    }

    init?(name: String, reason: String) {
        switch name {
        case "Refused": self = .refused(reason)
        case "PermissionDenied": self = .permissionDenied(reason)
        case "NotFound": self = .notFound(reason)
        default: return nil
        }
    }
}
