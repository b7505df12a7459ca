import Address
import Policy
import Wire

extension Host {
    /// nil for a name that cannot be one, and for ambiguous spellings of addresses.
    init?(_ address: SOCKS5Address) {
        switch address {
        case .v4(let bits): self = .address(.v4(bits))
        case .v6(let bits): self = .address(.v6(bits))
        case .name(let text):
            guard let host = try? Host(text) else { return nil }
            self = host
        }
    }
}
