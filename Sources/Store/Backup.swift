import CSQLite
import Glibc
package import Policy

/// A backup of a store: one file, which has what the store had, history included, and the texts that lie beside it.
///
/// An SQLite database with a seal behind its pages, so that a byte that is not as it was shows wherever it is. sqlite3(1) reads
/// it as it is.
package struct Backup: Hashable, Sendable {
    /// The newest revision in it.
    package var revision: Int
    /// When it was made, in seconds since 1970.
    package var time: Int
    /// Bytes.
    package var size: Int

    /// What a backup was found to have, once a store was opened from it.
    package struct Content {
        package var revision: Revision
        package var policy: Policy
        /// The texts that lay beside the store, by their names there.
        package var texts: [String: String]
    }

    /// Reads the seal, and finds out whether the file is as it was made.
    package init(path: String) throws(StoreError) {
        let bytes = try readFile(path)
        guard let seal = Seal(endOf: bytes) else {
            throw .badBackup(path: path, detail: "it has no end, or is no backup at all")
        }
        guard seal.digest == Seal.digest(bytes.dropLast(Seal.digestLength)) else {
            throw .badBackup(path: path, detail: "it is not as it was made")
        }
        (revision, time, size) = (seal.revision, seal.time, bytes.count)
    }

    /// Makes a store of the backup in an empty directory, brings it up to date, and reads all of it.
    ///
    /// - Parameter scratch: is emptied first; the store is `scratch/gatehouse.db` then, closed.
    package static func unpack(_ path: String, into scratch: String) throws(StoreError) -> Content {
        _ = try Backup(path: path)
        let bytes = try readFile(path).dropLast(Seal.length)
        empty(scratch)
        guard mkdir(scratch, 0o700) == 0 || errno == EEXIST else {
            throw .failed(path: scratch, detail: describe(errno: errno))
        }
        try writeFile(bytes, to: scratch + "/gatehouse.db")
        var texts: [String: String] = [:]
        do {
            let database = try Database(path: scratch + "/gatehouse.db")
            defer { database.close() }
            for row in try database.query("SELECT name, content FROM beside") {
                guard let name = row[0].text, let content = row[1].text else { continue }
                texts[name] = content
            }
            // Freed pages are not given back to the file, which is a copy that nobody keeps for long.
            try database.run("DROP TABLE beside")
        }
        let store = try Store(directory: scratch)
        defer { store.close() }
        return Content(revision: try store.current(), policy: try store.policy(), texts: texts)
    }

    /// Removes what a store has in a directory, and the directory.
    package static func empty(_ scratch: String) {
        guard let stream = opendir(scratch) else { return }
        defer {
            closedir(stream)
            rmdir(scratch)
        }
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { unlink("\(scratch)/\(name)") }
        }
    }
}

extension Store {
    /// Makes a backup, which gets its name when it is whole, on the disk, and a store was opened from it.
    ///
    /// - Parameters:
    ///   - path: where it is to be; there is none yet.
    ///   - scratch: a directory for the trial, which is emptied before and removed afterwards.
    ///   - texts: what lies beside the store, by its name there.
    package func backUp(
        to path: String, scratch: String, with texts: [String: String], at now: Int
    ) throws(StoreError) -> Backup {
        let draft = path + ".new"
        func remove() { for suffix in ["", "-journal", "-wal", "-shm"] { unlink(draft + suffix) } }
        defer {
            remove()
            Backup.empty(scratch)
        }
        remove()
        try writeFile([], to: draft)
        let revision = try current()
        do {
            let copy = try Database(path: draft)
            defer { copy.close() }
            try copyAll(to: copy)
            // One file without a log beside it, whose pages may lie on any disk.
            try copy.run(
                "PRAGMA journal_mode = DELETE; CREATE TABLE beside (name TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT"
            )
            try copy.transaction { () throws(StoreError) in
                for (name, content) in texts.sorted(by: { $0.key < $1.key }) {
                    try copy.query("INSERT INTO beside VALUES (?, ?)", [.text(name), .text(content)])
                }
            }
        }
        var bytes = try readFile(draft)
        bytes += Seal.of(bytes[...], revision: revision.id, time: now)
        try writeFile(bytes[...], to: draft)
        let content = try Backup.unpack(draft, into: scratch)
        guard content.revision == revision, content.texts == texts else {
            throw .badBackup(path: path, detail: "it does not have what the store has")
        }
        guard rename(draft, path) == 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
        syncDirectory(of: path)
        return try Backup(path: path)
    }
}

/// The end of a backup's file.
private struct Seal {
    var revision: Int
    var time: Int
    var digest: UInt64

    private static let mark = Array("GTHSSEAL".utf8)
    static let digestLength = 8
    static let length = 32

    /// nil: there is none.
    init?(endOf file: [UInt8]) {
        guard file.count > Self.length, Array(file.suffix(Self.length).prefix(8)) == Self.mark else { return nil }
        func number(_ index: Int) -> UInt64 {
            file.suffix(Self.length).dropFirst(8 * index).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard let revision = Int(exactly: number(1)), let time = Int(exactly: number(2)) else { return nil }
        (self.revision, self.time, digest) = (revision, time, number(3))
    }

    static func of(_ content: ArraySlice<UInt8>, revision: Int, time: Int) -> [UInt8] {
        func bytes(_ number: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } }
        let head = mark + bytes(UInt64(revision)) + bytes(UInt64(max(time, 0)))
        return head + bytes(digest(Array(content) + head))
    }

    /// FNV-1a (draft-eastlake-fnv): any one byte that is another gives another value, since each step can be taken back. It is
    /// against accidents; whoever may write the file may write a seal.
    static func digest(_ bytes: some Collection<UInt8>) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

private func readFile(_ path: String) throws(StoreError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
    var bytes = [UInt8](repeating: 0, count: status.st_size)
    var count = 0
    while count < bytes.count {
        let more = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + count, $0.count - count) }
        guard more >= 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
        if more == 0 { break }
        count += more
    }
    return Array(bytes[..<count])
}

/// Writes a file of mode 0600, which is on the disk afterwards.
private func writeFile(_ bytes: ArraySlice<UInt8>, to path: String) throws(StoreError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw writeError(path) }
    defer { close(descriptor) }
    var rest = bytes
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw writeError(path) }
        rest = rest.dropFirst(count)
    }
    guard fsync(descriptor) == 0 else { throw writeError(path) }
}

/// Captures errno, so it must be the first thing after the call that failed.
private func writeError(_ path: String) -> StoreError {
    let code = errno
    return code == ENOSPC || code == EDQUOT
        ? .full(path: path, detail: describe(errno: code)) : .failed(path: path, detail: describe(errno: code))
}

func syncDirectory(of path: String) {
    let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}
