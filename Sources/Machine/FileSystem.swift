import Glibc

/// The file system that holds a directory (statvfs(3)).
package struct FileSystem: Hashable, Sendable {
    /// Bytes that are free for whoever is no root, and all there are.
    package var free: Int
    package var size: Int
    package var isReadOnly: Bool

    /// nil: it cannot be looked at.
    package init?(holding directory: String) {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return nil }
        free = Int(status.f_bavail) * Int(status.f_frsize)
        size = Int(status.f_blocks) * Int(status.f_frsize)
        isReadOnly = status.f_flag & UInt(ST_RDONLY) != 0
    }
}
