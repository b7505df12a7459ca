import Glibc

/// A process and all its descendants, as /proc shows them (proc(5)).
struct ProcessTree {
    let root: pid_t

    /// User and system time of every process and thread, with that of children which have ended and been waited for.
    /// The kernel's clock here ticks a hundred times a second.
    func cpuSeconds() -> Double {
        let ticks = members().reduce(0) { $0 + $1.ticks }
        return Double(ticks) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Proportional set size in bytes, without that of files: a page that n processes share counts for 1/n in each.
    ///
    /// Pages of programs and libraries come and go by themselves, by some 100 kB within seconds. Spread over 500 tunnels
    /// that is more than one of Gatehouse's costs, and made it negative.
    func memory() -> Int {
        members().reduce(0) { sum, process in
            let lines = Self.read("/proc/\(process.pid)/smaps_rollup").split(separator: "\n")
            let own = lines.filter { $0.hasPrefix("Pss_Anon:") || $0.hasPrefix("Pss_Shmem:") }
            let kilobytes = own.compactMap { $0.split(separator: " ").compactMap { Int($0) }.first }
            return sum + kilobytes.reduce(0, +) * 1024
        }
    }

    func pids() -> [pid_t] {
        members().map(\.pid)
    }

    private struct Process {
        var pid: pid_t
        var parent: pid_t
        var ticks: Int
    }

    private func members() -> [Process] {
        let all = Self.allProcesses()
        var found = all.filter { $0.pid == root }
        var next = 0
        while next < found.count {
            found += all.filter { $0.parent == found[next].pid }
            next += 1
        }
        return found
    }

    private static func allProcesses() -> [Process] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var all: [Process] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let pid = pid_t(name) else { continue }
            // The command's name stands in parentheses and may itself hold spaces and parentheses.
            let text = read("/proc/\(pid)/stat")
            guard let end = text.lastIndex(of: ")") else { continue }
            let fields = text[end...].split(separator: " ")
            guard fields.count > 15, let parent = pid_t(fields[2]) else { continue }
            all.append(Process(pid: pid, parent: parent, ticks: fields[12...15].compactMap { Int($0) }.reduce(0, +)))
        }
        return all
    }

    private static func read(_ path: String) -> String {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return "" }
        defer { close(fd) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(fd, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
