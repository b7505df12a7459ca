import Glibc

/// dnsmasq's lease file, followed. dnsmasq writes it anew in place at each change, so that a reader may find half of it: what
/// is read counts when the file has rested.
package struct LeaseFile {
    package let path: String
    private var mark: Mark?
    /// Whether leases were read that no later look has found gone.
    private var hasLeases = false
    /// How often the file was found in motion since it was last read.
    private var restlessLooks = 0

    /// What tells one state of a file from another (stat(2)).
    private struct Mark: Hashable {
        let inode: UInt
        let size: Int
        let modified: [Int]

        init(_ status: stat) {
            inode = UInt(status.st_ino)
            size = Int(status.st_size)
            modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        }
    }

    /// Bytes; of a longer file no more is read. A lease is about a hundred.
    private static let limit = 4 << 20
    /// The rest that a file needs, in nanoseconds: dnsmasq writes its leases at one go.
    private static let rest = 100_000_000
    /// A server that gives out leases all the time gives no rest: then a file counts that ends as a whole one does.
    private static let patience = 3

    package init(_ path: String) {
        self.path = path
    }

    /// The leases, if the file is another one than when it was last read and at rest; empty if there is none. nil: it is as it
    /// was, or in motion, and to be looked at again.
    package mutating func readIfChanged() -> LeaseTable? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            defer { (mark, hasLeases) = (nil, false) }
            return hasLeases ? LeaseTable() : nil
        }
        let before = Mark(status)
        guard before != mark else { return nil }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let age = (now.tv_sec - status.st_mtim.tv_sec) * 1_000_000_000 + now.tv_nsec - status.st_mtim.tv_nsec
        // A time to come is one of a clock that was set: it says nothing.
        let isAtRest = !(0..<Self.rest).contains(age)
        guard let text = read(), stat(path, &status) == 0, Mark(status) == before,
            isAtRest || restlessLooks >= Self.patience && text.last == 0x0a
        else {
            restlessLooks += 1
            return nil
        }
        (restlessLooks, hasLeases) = (0, true)
        // The kernel's times go by ticks: what is written within this one leaves no other mark behind.
        mark = isAtRest ? before : nil
        return LeaseTable(parsing: text)
    }

    /// nil: it cannot be read.
    private func read() -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < Self.limit {
            let count = Glibc.read(descriptor, &room, min(room.count, Self.limit - bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            guard count > 0 else { break }
            bytes += room[..<count]
        }
        return bytes
    }
}
