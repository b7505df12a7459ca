import Address
import Policy
import Wire

extension Host {
    /// - Throws: what is wrong with it, in words.
    init(_ authority: Authority) throws(Refusal) {
        guard authority.isBracketed else {
            self = try Host(authority.host)
            return
        }
        guard let address = IPAddress(authority.host), case .v6 = address else {
            throw Refusal("[\(authority.host)] is not an IPv6 address")
        }
        self = .address(address)
    }
}
