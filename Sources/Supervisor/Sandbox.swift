import CLinux
import Glibc
import Logging
import Reactor

/// What is left to a role once it has become who it is to be: no files, and the system calls that it makes. To be entered while there is one thread, since both hold for a thread and those that it starts.
enum Sandbox {
    /// What a role may still do, beside what every role may.
    struct Profile {
        /// Of the sockets that it may make.
        let families: [Int32]

        static let relay = Profile(families: [AF_INET, AF_INET6])
        static let netlink = Profile(families: [AF_NETLINK])
    }

    static func enter(_ profile: Profile, log: Logger) {
        let files = linux_restrict_files(nil, 0)
        let calls = linux_restrict_calls(profile.families, Int32(profile.families.count))
        // An old or differently built kernel is no reason not to serve; the other walls stand.
        if files < 0, landlockObstacle == nil {
            log.warning("Landlock failed: \(Errno(-files)); files are guarded by their modes alone")
        }
        if calls < 0 { log.warning("no seccomp on this kernel: \(Errno(-calls)); system calls are not restricted") }
    }

    /// Why no role can be kept from files by Landlock; nil: each can. For the supervisor to say, once for all of them.
    static var landlockObstacle: String? { obstacle(linux_landlock_version()) }

    static func obstacle(_ version: Int32) -> String? {
        guard version < 0 else { return nil }
        let rest = "the roles' files are guarded by their modes alone"
        return switch -version {
        case ENOSYS: "this kernel has no Landlock (CONFIG_SECURITY_LANDLOCK); \(rest)"
        case EOPNOTSUPP: "Landlock is switched off (add landlock to lsm= of the kernel's command line); \(rest)"
        case EPERM, EACCES: "Landlock is refused here, by the container that this runs in most likely; \(rest)"
        default: "Landlock cannot be used: \(Errno(-version)); \(rest)"
        }
    }
}
