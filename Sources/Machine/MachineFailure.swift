import Glibc

/// A fact that the kernel or a file did not tell.
package struct MachineFailure: Error, Hashable, CustomStringConvertible {
    package let description: String

    init(_ what: String, _ code: Int32) {
        description = "\(what): \(String(cString: strerror(code)))"
    }
}
