/// The version of the kernel that runs: `6.1.0-18-amd64`.
package struct KernelRelease: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }

    package static var current: KernelRelease {
        let text = String(decoding: SocketHolder.content("/proc/sys/kernel/osrelease"), as: UTF8.self)
        return KernelRelease(text.split(separator: "\n").first.map(String.init) ?? "?")
    }

    /// Whether it is this version or a later one, going by the first two numbers.
    package func isAtLeast(_ major: Int, _ minor: Int) -> Bool {
        let numbers = description.split { $0 == "." || $0 == "-" }.prefix(2).map { Int($0) ?? 0 }
        guard let own = numbers.first else { return false }
        return own > major || own == major && (numbers.count > 1 ? numbers[1] : 0) >= minor
    }
}
