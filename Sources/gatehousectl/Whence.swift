import Address
import Policy

/// From where somebody may come, as `--from` takes it.
enum Whence: Hashable, Sendable {
    case any
    case network(Network)
    /// A zone, `anywhere`, or an interface. A bare name may be either a zone's or an interface's: the daemon knows which.
    case place(Place)

    var network: Network? { if case .network(let network) = self { network } else { nil } }
    var place: Place? { if case .place(let place) = self { place } else { nil } }

    @Sendable static func parse(argument text: String) throws -> Whence {
        if text == "any" { return .any }
        if let network = Network(text) { return .network(network) }
        let isName = text.hasPrefix("interface:") || !text.contains(":") && !text.contains("/") && !text.isNumeric
        guard isName else { return .network(try Network.parse(argument: text)) }
        guard let place = Place(text) else {
            throw Refusal("write a zone (`gatehousectl zone list`), an interface, or ADDRESS/PREFIX")
        }
        return .place(place)
    }
}

extension String {
    /// As 10.0.0 is: somebody meant an address.
    fileprivate var isNumeric: Bool { utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2e } }
}

extension Place {
    /// As tables show it: an interface by its name alone.
    var shown: String {
        if case .interface(let name) = self { name } else { description }
    }
}
