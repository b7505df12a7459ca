import Glibc

/// An exclusive flock(2) on `DIRECTORY/lock`, held for as long as this value lives. The kernel lets go of it when the
/// process dies, however it dies; the file itself stays.
struct DirectoryLock: ~Copyable {
    private let descriptor: Int32

    init(directory: String) throws(StoreError) {
        let path = directory + "/lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw .failed(path: path, detail: describe(errno: errno)) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            defer { close(descriptor) }
            guard code == EWOULDBLOCK else { throw .failed(path: path, detail: describe(errno: code)) }
            throw .held(directory: directory, pid: Self.holder(descriptor))
        }
        let text = Array("\(getpid())\n".utf8)
        // A pid that could not be written (a full disk) only makes the other one's error less helpful.
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
        self.descriptor = descriptor
    }

    private static func holder(_ descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    deinit { close(descriptor) }
}

func describe(errno code: Int32) -> String {
    String(cString: strerror(code))
}
