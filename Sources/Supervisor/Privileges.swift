import CLinux
import Glibc
import Policy
import Reactor

/// The rights of a process, and how it gives them up.
enum Privileges {
    /// Makes this process `user`'s for good (nil: its user stays), without capabilities but, if asked for, CAP_NET_ADMIN. It can
    /// gain none again, and dies with its parent. To be called while there is one thread: capabilities(7) are per thread.
    static func drop(to user: UnixUser?, keepingNetAdmin: Bool) throws(Refusal) {
        let parent = getppid()
        if let user {
            let result = linux_become(user.uid, user.gid, keepingNetAdmin ? 1 : 0)
            guard result == 0 else { throw Refusal("cannot become user \(user.name): \(Errno(-result))") }
        } else {
            // A user other than root may have capabilities all the same (AmbientCapabilities= of systemd.exec(5)).
            let result = linux_limit_capabilities(keepingNetAdmin ? 1 : 0)
            guard result == 0 else { throw Refusal("cannot drop capabilities: \(Errno(-result))") }
        }
        try settle(under: parent)
    }

    /// As `drop`, with the capabilities that a program for DHCP needs, which it keeps when it takes this process over.
    static func keepNetwork(as user: UnixUser?) throws(Refusal) {
        let parent = getppid()
        let result = linux_keep_network(user == nil ? 0 : 1, user?.uid ?? 0, user?.gid ?? 0)
        guard result == 0 else { throw Refusal("cannot become user \(user?.name ?? "-"): \(Errno(-result))") }
        try settle(under: parent)
    }

    private static func settle(under parent: pid_t) throws(Refusal) {
        let result = linux_no_new_privileges()
        guard result == 0 else { throw Refusal("PR_SET_NO_NEW_PRIVS failed: \(Errno(-result))") }
        _ = linux_set_undumpable()
        // After setresuid, which clears the signal (prctl(2)). The parent may be gone by then.
        guard linux_die_with_parent(SIGKILL) == 0, getppid() == parent else { throw Refusal("the supervisor is gone") }
    }

    /// From now on the process may live on without its parent. For the thread that dropped the privileges: prctl(2) is about
    /// the thread that calls it.
    static func outliveParent() throws(Refusal) {
        let result = linux_die_with_parent(0)
        guard result == 0 else { throw Refusal("PR_SET_PDEATHSIG failed: \(Errno(-result))") }
    }

    /// When memory runs out, a role goes before the supervisor, which starts it again (oom_score_adj, proc(5)).
    static func becomeExpendable() {
        let file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, "0", 1)
        close(file)
    }

    /// The user that the roles run as: the one named; or, for root, `_gatehouse`, which the package makes, or `nobody`. nil if
    /// the supervisor is not root's: the roles then keep its user.
    static func user(named name: String?) throws(Refusal) -> UnixUser? {
        guard geteuid() == 0 else {
            guard let name, lookUp(name)?.uid != geteuid() else { return nil }
            throw Refusal("--user \(name) needs root; leave it out to run everything as the user who starts gatehoused")
        }
        if let name {
            guard let user = lookUp(name) else {
                throw Refusal("there is no user \(name); make one with `adduser --system --group \(name)`")
            }
            return user
        }
        guard let user = lookUp("_gatehouse") ?? lookUp("nobody") else {
            throw Refusal("there is no user _gatehouse; make one with `adduser --system --group _gatehouse`")
        }
        return user
    }

    /// The user that dnsmasq runs as: the one that its package makes, or else the roles'.
    static func userOfCompanion(besides user: UnixUser?) -> UnixUser? {
        guard let user else { return nil }
        return lookUp("dnsmasq") ?? user
    }

    private static func lookUp(_ name: String) -> UnixUser? {
        guard let entry = getpwnam(name) else { return nil }
        return UnixUser(name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
    }
}
