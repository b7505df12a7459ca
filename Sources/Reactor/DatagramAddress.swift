import CLinux

/// An address and a port in the kernel's form: quick to compare and to send to.
package struct DatagramAddress: Hashable, Sendable {
    let words: (UInt64, UInt64, UInt64, UInt64)

    init(_ address: linux_address) {
        words = address.words
    }

    package init(_ address: SocketAddress) {
        var raw = linux_address()
        let (storage, length) = address.storage
        withUnsafeMutableBytes(of: &raw) { target in
            withUnsafeBytes(of: storage) {
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<Int(length)]))
            }
        }
        words = raw.words
    }

    package var socketAddress: SocketAddress? { SocketAddress(words) }

    package static func == (left: DatagramAddress, right: DatagramAddress) -> Bool {
        left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
            && left.words.3 == right.words.3
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
    }
}
