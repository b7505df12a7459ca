import Glibc

/// A process that holds a socket, as /proc shows it (proc(5)): what `ss -lntup` does. The descriptors and the programs of
/// others take SYS_PTRACE and DAC_READ_SEARCH together, or root.
package struct SocketHolder: Hashable, Sendable {
    package var pid: Int32
    /// As ps(1) calls it: `python3`.
    package var command: String
    /// The words with which it was started.
    package var arguments: [String]
    /// The program's file; nil: it has none, as a kernel thread, or it cannot be seen.
    package var program: String?
    /// The file is gone or another one has taken its place, as after an upgrade: what runs is the old one.
    package var isReplaced: Bool
    /// When it was started, in seconds since 1970; nil: unknown.
    package var started: Int?

    package init(
        pid: Int32, command: String, arguments: [String] = [], program: String? = nil, isReplaced: Bool = false,
        started: Int? = nil
    ) {
        self.pid = pid
        self.command = command
        self.arguments = arguments
        self.program = program
        self.isReplaced = isReplaced
        self.started = started
    }
}

extension SocketHolder {
    /// The holders of the sockets with these inodes, by inode. A socket may have several, and one that cannot be seen has none.
    package static func all(of inodes: Set<UInt32>) -> [UInt32: [SocketHolder]] {
        guard !inodes.isEmpty else { return [:] }
        var found: [UInt32: [SocketHolder]] = [:]
        let boot = bootTime
        for pid in numbers(in: "/proc").sorted() {
            let own = sockets(of: pid).intersection(inodes)
            guard !own.isEmpty else { continue }
            let holder = SocketHolder(pid: pid, boot: boot)
            for inode in own { found[inode, default: []].append(holder) }
        }
        return found
    }

    /// Whether this process may look at the descriptors of others.
    package static var isAllowed: Bool { opened("/proc/1/fd") }

    private static func opened(_ path: String) -> Bool {
        guard let directory = opendir(path) else { return false }
        closedir(directory)
        return true
    }

    private init(pid: Int32, boot: Int?) {
        var link = Self.link("/proc/\(pid)/exe")
        let isReplaced = link?.hasSuffix(Self.gone) ?? false
        if isReplaced { link?.removeLast(Self.gone.count) }
        let words = Self.content("/proc/\(pid)/cmdline").split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        let stat = String(decoding: Self.content("/proc/\(pid)/stat"), as: UTF8.self)
        let command = String(decoding: Self.content("/proc/\(pid)/comm"), as: UTF8.self)
        self.init(
            pid: pid, command: command.split(separator: "\n").first.map(String.init) ?? "?", arguments: words,
            program: link, isReplaced: isReplaced,
            started: boot.flatMap { boot in Self.ticks(in: stat).map { boot + $0 / Self.ticksPerSecond } })
    }

    /// As readlink(2) shows a file that is gone.
    private static let gone = " (deleted)"
    private static let ticksPerSecond = max(1, Int(sysconf(Int32(_SC_CLK_TCK))))

    /// Field 22 of the line, of which the second, in brackets, may hold anything.
    private static func ticks(in line: String) -> Int? {
        guard let bracket = line.lastIndex(of: ")") else { return nil }
        let fields = line[bracket...].split(separator: " ")
        return fields.count > 20 ? Int(fields[20]) : nil
    }

    /// In seconds since 1970.
    private static var bootTime: Int? {
        let lines = String(decoding: content("/proc/stat"), as: UTF8.self).split(separator: "\n")
        return lines.first { $0.hasPrefix("btime ") }.flatMap { Int($0.dropFirst(6)) }
    }

    /// The inodes of this process's own sockets.
    package static var ownInodes: Set<UInt32> { sockets(of: getpid()) }

    private static func sockets(of pid: Int32) -> Set<UInt32> {
        var inodes: Set<UInt32> = []
        for number in numbers(in: "/proc/\(pid)/fd") {
            guard let target = link("/proc/\(pid)/fd/\(number)"), target.hasPrefix("socket:["),
                let inode = UInt32(target.dropFirst(8).dropLast())
            else { continue }
            inodes.insert(inode)
        }
        return inodes
    }

    /// The entries of a directory that are numbers.
    static func numbers(in path: String) -> [Int32] { Directory.names(in: path).compactMap { Int32($0) } }

    static func link(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: 4096)
        let length = readlink(path, &target, target.count)
        guard length > 0 else { return nil }
        return String(decoding: target[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// What a file of /proc holds, 64 kB at most; nothing if it cannot be read.
    static func content(_ path: String) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var (bytes, buffer): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 16384))
        while bytes.count < 65536, case let count = read(file, &buffer, buffer.count), count > 0 {
            bytes += buffer[..<count]
        }
        return bytes
    }
}
