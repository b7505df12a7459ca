import CLinux
import Glibc
import Logging
import Reactor

/// Takes a role's files and all system calls but its own away, once it has dropped its privileges. To be entered while there is
/// one thread: both hold for the thread that calls and for those that it starts.
enum Sandbox {
    /// The rights that one role has and another has not.
    struct Profile {
        /// The address families of the sockets that it may make.
        let families: [Int32]

        static let relay = Profile(families: [AF_INET, AF_INET6])
        static let netlink = Profile(families: [AF_NETLINK])
    }

    static func enter(_ profile: Profile, log: Logger) {
        let files = linux_restrict_files(nil, 0)
        let calls = linux_restrict_calls(profile.families, Int32(profile.families.count))
        // The role serves all the same: its user and its lack of capabilities still confine it.
        if files < 0, landlockObstacle == nil {
            log.warning("Landlock failed: \(Errno(-files)); files are guarded by their modes alone")
        }
        if calls < 0 { log.warning("no seccomp on this kernel: \(Errno(-calls)); system calls are not restricted") }
    }

    /// Confines a process that is about to become a program of others: to its own files, to no netfilter, and to no further
    /// program.
    ///
    /// - Returns: the filter's listener, whose holder lets the program start; negative: there is none.
    static func enterCompanion(_ program: String, log: Logger) -> Int32 {
        let libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"].map { ($0, LINUX_FILE_READ | LINUX_FILE_EXECUTE) }
        let facts = [
            "/etc/ld.so.cache", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/localtime",
            "/usr/share/zoneinfo", "/proc/self", "/proc/sys/net", "/dev/urandom",
        ].map { ($0, LINUX_FILE_READ) }
        let own = [
            (program, LINUX_FILE_READ | LINUX_FILE_EXECUTE), ("/dev/null", LINUX_FILE_READ | LINUX_FILE_WRITE),
            // Its leases, wherever they are.
            ("/proc/self/fd/0", LINUX_FILE_READ | LINUX_FILE_WRITE),
        ]
        let names = (libraries + facts + own).map { (strdup($0.0), $0.1) }
        let grants = names.map { linux_file_grant(path: $0.0, rights: $0.1) }
        let files = linux_restrict_files(grants, Int32(grants.count))
        for name in names { free(name.0) }
        if files < 0, landlockObstacle == nil {
            log.warning("Landlock failed: \(Errno(-files)); files are guarded by their modes alone")
        }
        let listener = linux_restrict_companion()
        if listener < 0 { log.warning("no seccomp filter: \(Errno(-listener)); system calls are not restricted") }
        return listener
    }

    /// Why Landlock keeps no role from files; nil: it does. The supervisor logs it, once for all roles.
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
