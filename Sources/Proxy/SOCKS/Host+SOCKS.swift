import Address
import Policy
import Wire

extension Host {
    /// nil for a name that cannot be one, and for ambiguous spellings of addresses.
    init?(_ address: SOCKSAddress) {
        switch address {
        case .ip(let address): self = .address(address)
        case .name(let text):
            guard let host = try? Host(text) else { return nil }
            self = host
        }
    }
}
