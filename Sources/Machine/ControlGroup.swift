import Glibc

/// The control group (cgroups(7)) of a socket, which under systemd is the unit that it belongs to.
package enum ControlGroup {
    /// The name of the unit, `ssh.service`, whose control group has this number; nil: it is not found. Looks at directories
    /// only, three levels deep, which is where services are.
    package static func unit(_ number: UInt64) -> String? {
        find(number, in: "/sys/fs/cgroup", depth: 3)
    }

    private static func find(_ number: UInt64, in path: String, depth: Int) -> String? {
        guard let directory = opendir(path) else { return nil }
        defer { closedir(directory) }
        var below: [String] = []
        while let entry = readdir(directory) {
            guard entry.pointee.d_type == 4 else { continue }  // DT_DIR
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard name != ".", name != ".." else { continue }
            if UInt64(entry.pointee.d_ino) == number { return name }
            below.append(name)
        }
        guard depth > 1 else { return nil }
        return below.lazy.compactMap { find(number, in: "\(path)/\($0)", depth: depth - 1) }.first
    }
}
