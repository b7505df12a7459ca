import CLinux
import Glibc

/// Bytes in memory that nobody can change any more, passed between processes as a descriptor (memfd_create(2)).
package enum SealedMemory {
    package static func create(_ bytes: [UInt8]) throws(Errno) -> Descriptor {
        Descriptor(adopting: try checked(linux_sealed_memory(bytes, bytes.count)))
    }

    /// - Throws: `EPERM` if it is not sealed, `EFBIG` if it is longer than `limit`.
    package static func read(_ memory: borrowing Descriptor, atMost limit: Int) throws(Errno) -> [UInt8] {
        let length = try checked(linux_sealed_memory_length(memory.number))
        guard length <= limit else { throw Errno(EFBIG) }
        var bytes = [UInt8](repeating: 0, count: length)
        var offset = 0
        while offset < length {
            let count = bytes.withUnsafeMutableBytes {
                pread(memory.number, $0.baseAddress! + offset, length - offset, off_t(offset))
            }
            guard count > 0 else { throw Errno(count < 0 ? errno : EIO) }
            offset += count
        }
        return bytes
    }
}
