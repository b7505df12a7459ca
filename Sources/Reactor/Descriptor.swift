import CLinux
import Glibc

/// An open file descriptor with one owner. Letting go of it closes it.
package struct Descriptor: ~Copyable, Sendable {
    package let number: Int32

    /// Takes ownership of an open descriptor.
    package init(adopting number: Int32) {
        self.number = number
    }

    /// The descriptor, no longer owned by this value.
    package consuming func release() -> Int32 {
        let number = self.number
        discard self
        return number
    }

    package func duplicate() throws(Errno) -> Descriptor {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw Errno(errno) }
        return Descriptor(adopting: copy)
    }

    deinit {
        _ = linux_close(number)
    }
}
