import Address
import Policy
import Reactor
import Wire

/// One destination of a UDP association.
final class Flow {
    /// About how many bytes one takes, its place in the table included.
    static let size = 256

    /// The destination that the client asked for, by which rules go.
    let host: Host
    let address: IPAddress
    let port: UInt16
    /// The header of each answer (RFC 1928 §7).
    let header: UnsafeRawBufferPointer
    /// Whether anything has come back from the destination.
    var isAnswered = false

    init(host: Host, address: IPAddress, port: UInt16) {
        self.host = host
        self.address = address
        self.port = port
        let bytes = SOCKS5DatagramHeader.encode(source: .ip(address), port: port)
        let header = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
        header.copyBytes(from: bytes)
        self.header = UnsafeRawBufferPointer(header)
    }

    deinit {
        header.deallocate()
    }
}
