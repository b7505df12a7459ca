import CLinux
import Glibc
import Logging
import Reactor

/// What is left to a role once it has become who it is to be: the files that name resolution reads, and the system calls
/// that it makes. To be entered while there is one thread, since both hold for a thread and those that it starts.
enum Sandbox {
    /// Where resolv.conf(5) and hosts(5) are, and what /etc/resolv.conf points to under systemd, NetworkManager and
    /// resolvconf. Directories, because these files are replaced while we run.
    private static let namesOfHosts = ["/etc", "/run/systemd/resolve", "/run/NetworkManager", "/run/resolvconf"]

    /// What a role may still do.
    struct Profile {
        let readable: [String]
        /// Of the sockets that it may make.
        let families: [Int32]

        static let relay = Profile(readable: namesOfHosts, families: [AF_INET, AF_INET6])
        static let netlink = Profile(readable: [], families: [AF_NETLINK])
    }

    static func enter(_ profile: Profile, log: Logger) {
        let files = withCStrings(profile.readable) { linux_restrict_files($0, Int32(profile.readable.count)) }
        let calls = linux_restrict_calls(profile.families, Int32(profile.families.count))
        // An old or differently built kernel is no reason not to serve; the other walls stand.
        if files < 0 {
            log.warning("no Landlock on this kernel: \(Errno(-files)); files are guarded by their modes alone")
        }
        if calls < 0 { log.warning("no seccomp on this kernel: \(Errno(-calls)); system calls are not restricted") }
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        let pointers = copies.map { $0.map { UnsafePointer($0) } } + [nil]
        return pointers.withUnsafeBufferPointer { body($0.baseAddress!) }
    }
}
