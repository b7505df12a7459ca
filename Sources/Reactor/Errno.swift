import Glibc

/// An error number (errno(3)) as it came from the kernel.
package struct Errno: Error, Hashable, Sendable, CustomStringConvertible {
    package let code: Int32

    package init(_ code: Int32) {
        self.code = code
    }

    package var description: String {
        String(cString: strerror(code))
    }

    package static let wouldBlock = Errno(EAGAIN)
    package static let timedOut = Errno(ETIMEDOUT)
    package static let canceled = Errno(ECANCELED)
}

/// Passes a kernel-style result on, or throws the error that it stands for.
@discardableResult
@inline(__always)
func checked<Result: SignedInteger>(_ result: Result) throws(Errno) -> Result {
    guard result >= 0 else { throw Errno(Int32(-result)) }
    return result
}
