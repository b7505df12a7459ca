import CLinux
import Glibc
import Policy
import Reactor

/// What a process may do, and how it comes to be able to do less.
enum Privileges {
    /// Becomes `user` for good (nil: stays who it is), with no capability but, if asked for, CAP_NET_ADMIN; cannot gain any
    /// again; dies with its parent. To be called while there is one thread: capabilities(7) are per thread.
    static func drop(to user: UnixUser?, keepingNetAdmin: Bool) throws(Refusal) {
        let parent = getppid()
        if let user {
            let result = linux_become(user.uid, user.gid, keepingNetAdmin ? 1 : 0)
            guard result == 0 else { throw Refusal("cannot become user \(user.name): \(Errno(-result))") }
        } else {
            // Who is not root may have been given capabilities all the same (AmbientCapabilities of systemd.exec(5)).
            let result = linux_limit_capabilities(keepingNetAdmin ? 1 : 0)
            guard result == 0 else { throw Refusal("cannot drop capabilities: \(Errno(-result))") }
        }
        let result = linux_no_new_privileges()
        guard result == 0 else { throw Refusal("PR_SET_NO_NEW_PRIVS failed: \(Errno(-result))") }
        _ = linux_set_undumpable()
        // After setresuid, which clears it (prctl(2)); and the parent may be gone by then.
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

    /// The user that the roles run as: the one named; or, for root, `_gatehouse`, which the package makes, or `nobody`. nil
    /// for whoever is not root: the roles then stay who started them.
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

    private static func lookUp(_ name: String) -> UnixUser? {
        guard let entry = getpwnam(name) else { return nil }
        return UnixUser(name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
    }
}
