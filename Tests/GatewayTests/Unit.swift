import Foundation
import TestNetwork

/// Runs a program in a control group of its own, as systemd runs a unit, and takes the group away when it goes.
final class Unit {
    let name = "gatehouse-test-\(UUID().uuidString.prefix(8)).service"

    /// The words before those of a program that is to run in it.
    ///
    /// - Parameter user: nil: root.
    func prefix(as user: String? = nil) -> [String] {
        let group = "/sys/fs/cgroup/\(name)"
        return [
            "unshare", "--mount", "sh", "-c",
            "mount -t cgroup2 none /sys/fs/cgroup && mkdir -p \(group) && echo $$ > \(group)/cgroup.procs && exec \"$@\"",
            "-",
        ] + (user.map { ["setpriv", "--reuid", $0, "--clear-groups"] } ?? [])
    }

    func remove(in space: Namespace) throws {
        let isGone = try eventually {
            try space.attempt([
                "unshare", "--mount", "sh", "-c",
                "mount -t cgroup2 none /sys/fs/cgroup && rmdir /sys/fs/cgroup/\(name)",
            ]).status == 0
        }
        if !isGone { throw Failure("the control group \(name) stays") }
    }
}
