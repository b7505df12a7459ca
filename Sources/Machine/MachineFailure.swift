import Glibc

/// A fact that the kernel or a file did not tell.
package struct MachineFailure: Error, Hashable, CustomStringConvertible {
    package let description: String
    /// As errno(3) numbers them.
    package let code: Int32

    init(_ what: String, _ code: Int32) {
        self.code = code
        description = "\(what): \(String(cString: strerror(code)))"
    }
}
