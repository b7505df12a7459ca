import Glibc
import Reactor

/// The admin socket in the file system. Everybody may connect; each method has its permission. Members of the directory's group
/// are operators.
struct SocketFile: ~Copyable {
    let path: String
    /// Members of this group are operators.
    let group: UInt32
    /// Until somebody takes it to accept from it.
    var listener: Descriptor?
    private let identity: Identity

    private struct Identity: Equatable {
        var device: UInt
        var inode: UInt

        init(_ status: stat) {
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
        }
    }

    /// Makes the socket and listens. Replaces a socket on which nobody listens, and refuses any other file.
    init(listeningAt path: String) throws(SocketFileError) {
        try Self.clear(path)
        let listener = try Self.bind(path)
        let status = try Self.admitCallers(path)
        self.path = path
        self.listener = consume listener
        group = status.st_gid
        identity = Identity(status)
    }

    private static func bind(_ path: String) throws(SocketFileError) -> Descriptor {
        do throws(Errno) {
            return try ListeningSocket.unix(path: path)
        } catch {
            throw SocketFileError("cannot make the admin socket \(path): \(error)")
        }
    }

    private static func admitCallers(_ path: String) throws(SocketFileError) -> stat {
        var directory = stat()
        guard stat(Self.directory(of: path), &directory) == 0, chmod(path, 0o666) == 0 else {
            throw SocketFileError("cannot open the admin socket \(path) to its callers: \(Errno(errno))")
        }
        // Fails when the daemon is neither root nor a member; the group is then the daemon's own.
        _ = lchown(path, uid_t.max, directory.st_gid)
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw SocketFileError("cannot look at the admin socket \(path): \(Errno(errno))")
        }
        return status
    }

    /// Removes the file, unless it is somebody else's by now.
    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, Identity(status) == identity { unlink(path) }
    }

    deinit { remove() }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func clear(_ path: String) throws(SocketFileError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SocketFileError("\(path) exists and is no socket; move it away, or name another socket")
        }
        do throws(ClientError) {
            _ = try Client(path: path, patience: 5)
        } catch .unreachable(_, ECONNREFUSED) {
            unlink(path)
            return
        } catch {
            throw SocketFileError("cannot take \(path) over: \(error)")
        }
        throw SocketFileError("another daemon listens at \(path); stop it first, or name another socket")
    }
}

/// Why the admin socket could not be made.
package struct SocketFileError: Error, Hashable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
