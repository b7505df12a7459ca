import CLinux
import Glibc

/// The process at the other end of a Unix socket when it was connected, as the kernel vouches for it (unix(7)).
package struct PeerCredentials: Hashable, Sendable {
    package let process: Int32
    package let user: UInt32
    /// The primary group and the supplementary ones.
    package let groups: Set<UInt32>

    package init(of socket: Int32) throws(Errno) {
        var process: pid_t = 0
        var user: uid_t = 0
        var group: gid_t = 0
        try checked(linux_peer_credentials(socket, &process, &user, &group))
        // NGROUPS_MAX (credentials(7)).
        let capacity = 65536
        let groups = UnsafeMutablePointer<gid_t>.allocate(capacity: capacity)
        defer { groups.deallocate() }
        let count = Int(try checked(linux_peer_groups(socket, groups, Int32(capacity))))
        self.process = process
        self.user = user
        self.groups = Set(UnsafeBufferPointer(start: groups, count: count)).union([group])
    }
}
