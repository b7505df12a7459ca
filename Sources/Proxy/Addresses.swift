import Address
import Policy
import Reactor
import Wire

// Reactor and Wire know addresses as numbers, since they may not know Policy; here they meet.

extension SocketAddress {
    init(_ address: IPAddress, port: UInt16) {
        switch address {
        case .v4(let bits): self = .v4(bits, port: port)
        case .v6(let bits): self = .v6(bits, port: port)
        }
    }

    var ipAddress: IPAddress {
        switch self {
        case .v4(let bits, _): .v4(bits)
        case .v6(let bits, _): .v6(bits)
        }
    }
}

extension SOCKS5Address {
    init(_ address: SocketAddress) {
        switch address {
        case .v4(let bits, _): self = .v4(bits)
        case .v6(let bits, _): self = .v6(bits)
        }
    }
}
