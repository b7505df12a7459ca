import ArgumentParser
import Policy

// How the policy's values are written on the command line. ArgumentParser puts the bad value and the argument's name before
// the reasons given here.

extension Listener.Kind: ExpressibleByArgument {}
extension Listener.Authentication: ExpressibleByArgument {}
extension Rule.Action: ExpressibleByArgument {}

extension Endpoint {
    @Sendable static func parse(argument text: String) throws -> Endpoint {
        if let endpoint = Endpoint(text) { return endpoint }
        let form = "write ADDRESS:PORT, like 192.168.1.1:1080 or [::1]:1080"
        if let address = IPAddress(text) {
            throw Refusal("the port is missing; write \(Endpoint(address: address, port: 1080)), say")
        }
        if let colon = text.lastIndex(of: ":"), parsePort(text[text.index(after: colon)...]) == nil {
            throw Refusal("a port is a number from 1 to 65535; \(form)")
        }
        throw Refusal("not a numeric address with a port; \(form)")
    }
}

extension Network {
    @Sendable static func parse(argument text: String) throws -> Network {
        if let network = Network(text) { return network }
        let parts = text.split(separator: "/", maxSplits: 1)
        if parts.count == 2, let address = IPAddress(parts[0]), let prefix = Int(parts[1]) {
            let network = Network(address, prefix: prefix)
            if network.prefix == prefix {
                throw Refusal("it names an address inside a network; write \(network) or \(address)")
            }
            throw Refusal("the prefix is too long for the address; write \(network), say")
        }
        throw Refusal("write ADDRESS or ADDRESS/PREFIX, like 10.0.0.0/8 or 2001:db8::/32; names are not networks")
    }
}

/// A type of its own: as a bare UInt16 the error would not name the range.
struct Port: Hashable, Sendable {
    let number: UInt16

    @Sendable static func parse(argument text: String) throws -> Port {
        guard let number = parsePort(text) else { throw Refusal("a port is a number from 1 to 65535") }
        return Port(number: number)
    }
}

extension CompletionKind {
    static var interface: CompletionKind { .shellCommand("ls /sys/class/net") }
    static func column(_ number: Int, ofVerb verb: String) -> CompletionKind {
        .shellCommand("gatehousectl \(verb) list 2>/dev/null | awk 'NR > 1 { print $\(number) }'")
    }
}
