import Glibc

/// The control group (cgroups(7)) of a socket, which under systemd is the unit that it belongs to.
package struct ControlGroup: Hashable, Sendable {
    /// Its directory.
    package var path: String

    /// Where version 2 of the hierarchy is: beside those of version 1, where these are there as well.
    private static var root: String {
        access("/sys/fs/cgroup/unified", F_OK) == 0 ? "/sys/fs/cgroup/unified" : "/sys/fs/cgroup"
    }

    /// Those that there are, by the numbers of their directories. Services are three levels deep, and what a user has started up
    /// to six.
    package static func all() -> [UInt64: ControlGroup] {
        var found: [UInt64: ControlGroup] = [:]
        walk(root, depth: 6) { number, path in
            found[number] = ControlGroup(path: path)
            return false
        }
        return found
    }

    /// The name of the unit, `ssh.service`, whose control group has this number; nil: it is not found. Three levels deep, which
    /// is where services are.
    package static func unit(_ number: UInt64) -> String? {
        var unit: ControlGroup?
        walk(root, depth: 3) { other, path in
            if other == number { unit = ControlGroup(path: path) }
            return unit != nil
        }
        return unit?.name
    }

    /// Of the unit, where systemd runs.
    package var name: String { String(path.split(separator: "/").last ?? "") }

    /// The names of the programs that run in it as this user, each once and in order. Whose descriptors a socket is among only
    /// root can see; what runs in a group everybody can.
    package func programs(of uid: UInt32) -> [String] {
        let text = String(decoding: SocketHolder.content("\(path)/cgroup.procs"), as: UTF8.self)
        var names: Set<String> = []
        for pid in text.split(separator: "\n").compactMap({ Int32($0) }) {
            var status = stat()
            guard stat("/proc/\(pid)", &status) == 0, status.st_uid == uid else { continue }
            let name = String(decoding: SocketHolder.content("/proc/\(pid)/comm"), as: UTF8.self)
            if let name = name.split(separator: "\n").first { names.insert(String(name)) }
        }
        return names.sorted()
    }

    /// Calls `body` with each directory below `path`, those nearer first, until it says that it has seen enough. Looks at
    /// directories only.
    ///
    /// - Returns: whether it has.
    @discardableResult
    private static func walk(_ path: String, depth: Int, _ body: (UInt64, String) -> Bool) -> Bool {
        guard let directory = opendir(path) else { return false }
        defer { closedir(directory) }
        var below: [String] = []
        while let entry = readdir(directory) {
            guard entry.pointee.d_type == 4 else { continue }  // DT_DIR
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            if body(UInt64(entry.pointee.d_ino), "\(path)/\(name)") { return true }
            below.append("\(path)/\(name)")
        }
        guard depth > 1 else { return false }
        return below.contains { walk($0, depth: depth - 1, body) }
    }
}
