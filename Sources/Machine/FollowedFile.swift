import Glibc

/// A file that somebody else may write, replace, remove or make appear, also behind links that lead nowhere yet: looked at
/// from time to time, and read only when it has changed.
package struct FollowedFile {
    /// What tells one state of a file from another (stat(2)).
    private struct Mark: Hashable {
        let device: UInt
        let inode: UInt
        let size: Int
        let modified: [Int]
        let changed: [Int]
    }

    package let path: String
    private let limit: Int
    private var mark: Mark?
    /// Nobody has looked yet, or the file was written so lately that its times need not tell the next change.
    private var isUnsettled = true

    /// - Parameter limit: bytes; of a longer file no more is read.
    package init(_ path: String, atMost limit: Int) {
        self.path = path
        self.limit = limit
    }

    /// The whole file if it may be another one than when last looked at, empty if there is none; nil: it is as it was.
    package mutating func readIfChanged() -> [UInt8]? {
        let now = Self.look(at: path)
        guard now != mark || isUnsettled else { return nil }
        mark = now
        guard let now else {
            isUnsettled = false
            return []
        }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        // The kernel's times go by ticks: a second change within one leaves none behind.
        isUnsettled = abs(time.tv_sec - now.changed[0]) < 2
        return read()
    }

    private static func look(at path: String) -> Mark? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Mark(
            device: UInt(status.st_dev), inode: UInt(status.st_ino), size: Int(status.st_size),
            modified: [status.st_mtim.tv_sec, status.st_mtim.tv_nsec],
            changed: [status.st_ctim.tv_sec, status.st_ctim.tv_nsec])
    }

    private func read() -> [UInt8] {
        // O_NONBLOCK: should it be a pipe by now, nobody waits for its other end.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < limit {
            let count = Glibc.read(descriptor, &room, min(room.count, limit - bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += room[..<count]
        }
        return bytes
    }
}
