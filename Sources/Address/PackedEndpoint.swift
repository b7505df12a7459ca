package import CLinux

/// An endpoint as it stands in the kernel's sockaddr_in or sockaddr_in6: quick to compare and to send to. For tables that are asked for
/// each datagram; everywhere else an endpoint is an `Endpoint`.
package struct PackedEndpoint: Hashable, Sendable {
    package let words: (UInt64, UInt64, UInt64, UInt64)

    // Inlinable: called for each datagram, and a package function is not inlined across modules by itself.

    @inlinable
    package init(_ address: linux_address) {
        words = address.words
    }

    package init(_ endpoint: Endpoint) {
        var raw = linux_address()
        let (storage, length) = endpoint.socketAddress
        withUnsafeMutableBytes(of: &raw) { target in
            withUnsafeBytes(of: storage) {
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<Int(length)]))
            }
        }
        words = raw.words
    }

    /// nil: an address of another family than IPv4 and IPv6.
    package var endpoint: Endpoint? {
        withUnsafeBytes(of: words) { Endpoint(socketAddress: $0.baseAddress!) }
    }

    @inlinable
    package static func == (left: PackedEndpoint, right: PackedEndpoint) -> Bool {
        left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
            && left.words.3 == right.words.3
    }

    @inlinable
    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
    }
}
