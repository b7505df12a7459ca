import Admin
import Glibc

/// The exit statuses, as `gatehousectl --help` lists them.
enum ExitStatus: Int32 {
    case done = 0
    /// The daemon, or gatehousectl itself, would not do it, or it failed; nothing was changed.
    case refused = 1
    /// The command line makes no sense.
    case usage = 2
    case unreachable = 3
    case permissionDenied = 4

    init(_ error: ClientError) {
        switch error {
        case .unreachable(_, EACCES), .unreachable(_, EPERM), .admin(.permissionDenied): self = .permissionDenied
        case .unreachable, .disconnected, .silent: self = .unreachable
        case .notUnderstood, .admin: self = .refused
        }
    }
}

/// A refusal by gatehousectl itself.
struct Failure: Error {
    var status = ExitStatus.refused
    let reason: String

    init(_ reason: String, status: ExitStatus = .refused) {
        self.reason = reason
        self.status = status
    }
}
