import Glibc

/// How much memory this machine has for the processes of one service.
package enum Memory {
    /// Bytes: what is built in, or what the service's control group may have (cgroups(7)), if that is less.
    package static var available: Int {
        let pages = max(1, sysconf(Int32(_SC_PHYS_PAGES)))
        let whole = pages * sysconf(Int32(_SC_PAGESIZE))
        return groups.reduce(whole) { least, directory in
            ["memory.max", "memory.high", "memory.limit_in_bytes"]
                .compactMap { text(of: "\(directory)/\($0)").flatMap { Int($0) } }
                .filter { $0 > 0 }.reduce(least, min)
        }
    }

    /// The directories of this process's control group and of those around it, in either version of the hierarchy.
    private static var groups: [String] {
        guard let lines = text(of: "/proc/self/cgroup") else { return [] }
        return lines.split(separator: "\n").flatMap { line -> [String] in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { return [] }
            let root: String
            switch parts[1] {
            case "": root = "/sys/fs/cgroup"
            case "memory": root = "/sys/fs/cgroup/memory"
            default: return []
            }
            var path = String(parts[2])
            var directories: [String] = [root]
            while path.count > 1, let slash = path.lastIndex(of: "/") {
                directories.append(root + path)
                path = String(path[..<slash])
            }
            return directories
        }
    }

    /// A small file without the line feed at its end.
    private static func text(of path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let end = bytes[count - 1] == UInt8(ascii: "\n") ? count - 1 : count
        return String(decoding: bytes[..<end], as: UTF8.self)
    }
}
