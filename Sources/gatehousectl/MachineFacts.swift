import Glibc
import Machine

/// What the kernel says of this machine, in lines.
enum MachineFacts {
    static func machine() -> String {
        var names = utsname()
        uname(&names)
        func text(_ field: some Any) -> String {
            withUnsafeBytes(of: field) { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
        }
        var lines = ["\(text(names.sysname)) \(text(names.release)) \(text(names.version)) \(text(names.machine))"]
        lines += file("/etc/os-release", lines: ["PRETTY_NAME="])
        lines.append("\(sysconf(Int32(_SC_NPROCESSORS_ONLN))) processors, load \(file("/proc/loadavg").first ?? "?")")
        lines += file("/proc/meminfo", lines: ["MemTotal:", "MemAvailable:", "SwapTotal:", "SwapFree:"])
        let uptime = file("/proc/uptime").first?.split(separator: ".").first.flatMap { Int($0) }
        lines.append("up \(uptime.map { humanDuration(seconds: $0) } ?? "?"), running as uid \(geteuid())")
        return lines.joined(separator: "\n")
    }

    /// Each process of the daemon that there is, whether it answers or not.
    static func processes() -> String {
        var lines: [String] = []
        for name in Directory.names(in: "/proc") where Int(name) != nil {
            guard let title = file("/proc/\(name)/cmdline").first?.split(separator: "\0").first,
                title.hasPrefix("gatehoused") || title.hasSuffix("/gatehoused")
            else { continue }
            lines.append("\(printable(String(title))), pid \(name)")
            lines += file(
                "/proc/\(name)/status",
                lines: ["State:", "VmPeak:", "VmHWM:", "VmRSS:", "RssAnon:", "Threads:", "FDSize:"])
            lines += file("/proc/\(name)/limits", lines: ["Max open files", "Max processes"])
        }
        return lines.isEmpty ? "none runs" : lines.joined(separator: "\n")
    }

    /// The lines of a file, or those that begin so; none if it cannot be read.
    private static func file(_ path: String, lines beginnings: [String]? = nil) -> [String] {
        guard let bytes = try? TextFile.bytes(path) else { return [] }
        let all = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        guard let beginnings else { return all }
        return all.filter { line in beginnings.contains { line.hasPrefix($0) } }
    }
}
