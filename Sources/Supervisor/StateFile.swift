import Glibc
import Reactor

/// A file of the daemon's own, mode 0600: it is written whole or not at all, whenever the power fails.
enum StateFile {
    /// nil: there is none, or it cannot be read, or it is longer than a message.
    static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < Message.limit {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
        return nil
    }

    static func write(_ bytes: [UInt8], to path: String) throws(Errno) {
        let draft = path + ".new"
        do throws(Errno) {
            let file = try opened(open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600))
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(file.number, $0.baseAddress, $0.count) }
                guard count > 0 else { throw Errno(errno) }
                rest = rest.dropFirst(count)
            }
            guard fsync(file.number) == 0, rename(draft, path) == 0 else { throw Errno(errno) }
            let directory = String(path[..<path.lastIndex(of: "/")!])
            let parent = try opened(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
            guard fsync(parent.number) == 0 else { throw Errno(errno) }
        } catch {
            unlink(draft)
            throw error
        }
    }

    private static func opened(_ result: Int32) throws(Errno) -> Descriptor {
        guard result >= 0 else { throw Errno(errno) }
        return Descriptor(adopting: result)
    }
}
