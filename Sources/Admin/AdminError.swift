/// The errors of org.gatehouse.Admin. The reason tells what was wrong, with which value, and what to do.
package enum AdminError: Error, Hashable {
    case refused(String)
    case permissionDenied(String)
    case notFound(String)

    /// Each error with its name in the interface and what the interface text says about it.
    static let all: [(name: String, documentation: String, make: @Sendable (_ reason: String) -> AdminError)] = [
        ("Refused", "The policy or the kernel does not allow it; nothing was changed.", { .refused($0) }),
        ("PermissionDenied", "The caller is no operator.", { .permissionDenied($0) }),
        ("NotFound", "There is no such thing.", { .notFound($0) }),
    ]

    package var reason: String {
        switch self {
        case .refused(let reason), .permissionDenied(let reason), .notFound(let reason): reason
        }
    }

    var name: String {
        switch self {
        case .refused: Self.all[0].name
        case .permissionDenied: Self.all[1].name
        case .notFound: Self.all[2].name
        }
    }

    init?(name: String, reason: String) {
        guard let error = Self.all.first(where: { $0.name == name })?.make(reason) else { return nil }
        self = error
    }
}
