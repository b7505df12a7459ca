import Address
import Policy
import Wire

extension Host {
    /// nil for a name that cannot be one, and for ambiguous spellings of addresses. An IPv6 address in the place of a name may have the
    /// brackets of a URL (RFC 3986 §3.2.2), which some programs leave on.
    init?(_ address: SOCKSAddress) {
        switch address {
        case .ip(let address): self = .address(address)
        case .name(let text):
            let isBracketed = text.hasPrefix("[") && text.hasSuffix("]") && text.contains(":")
            guard let host = try? Host(isBracketed ? String(text.dropFirst().dropLast()) : text) else { return nil }
            self = host
        }
    }
}
