import Address
import Policy

/// An operator's forward to a device, of which it is known where it is.
struct DeviceDoor {
    var forward: Forward
    /// nil: the device has none, or it is not known.
    var ipv4: IPAddress?
    /// Of the internet, and of the home alone.
    var ipv6: [IPAddress]
    /// By which the device's connections are known; nil: it is in none of the zones.
    var number: UInt16?

    /// Packets for the device itself at `address`. nil: those who may come have no address of that family.
    func matches(of address: IPAddress, port: UInt16, from interfaces: [String] = []) -> [Match]? {
        if let source = forward.source, source.base.isIPv6 != address.isIPv6 { return nil }
        return (interfaces.isEmpty ? [] : [.inputInterface(interfaces)]) + time
            + (forward.source.map { $0.prefix > 0 ? [.source($0)] : [] } ?? [])
            + [.destination(Network(address, prefix: 128)), .destinationPort(forward.transport, port)]
    }

    /// IPv4 packets for the gateway's own port, which come by `way`. nil: there is no door for IPv4.
    func coming(by way: [Match]) -> [Match]? {
        guard ipv4 != nil, forward.source?.base.isIPv6 != true else { return nil }
        let source = forward.source.flatMap { $0.prefix > 0 ? Match.source($0) : nil }
        // nft shows no family beside an address.
        let namesAddress = source != nil || way.contains { if case .destination = $0 { true } else { false } }
        return way + time + (source.map { [$0] } ?? (namesAddress ? [] : [.family(.ipv4)]))
            + [.destinationPort(forward.transport, forward.port)]
    }

    /// The kernel shuts the door by itself when its time is over.
    private var time: [Match] { forward.until.map { [.before($0)] } ?? [] }
}
