import Address
import Admin
import Glibc
import Machine
import Policy
import Ruleset
import Store

/// Why somebody gets somewhere, or does not: what `why` tells.
extension Gateway {
    func explain(_ call: Explain) async throws -> Explain.Reply {
        let state = await door.state(firewallMode)
        let isHeld = state.isHeld || state.name == .fallback
        let inquest = Inquest(
            policy: policy, surroundings: surroundings, ruleset: isHeld ? rules(of: policy) : nil, door: state,
            elements: door.elements, now: now, others: door.foreign, published: door.published, strict: door.strict,
            way: Route.interface(towards:), isPassedOn: KernelSetting.isPassedOn,
            lists: { [policy, lists] name in policy.nameLists.filter { lists.has(name, in: $0.content) } },
            origin: { [books = try? store] thing in (try? books?.origin(of: thing.inStore)) ?? nil })
        if call.source == "gateway" {
            let user = call.user ?? "root"
            guard let number = surroundings.accounts.numbers[user] else {
                throw Refusal("there is no account \(user) on this machine (/etc/passwd)")
            }
            return inquest.answer(Inquest.Program(user: user, number: number), try destination(call, from: nil))
        }
        guard call.user == nil else {
            throw Refusal("only programs of the gateway itself are asked for their account: the source is then gateway")
        }
        let source = try source(call.source)
        return inquest.answer(source, try destination(call, from: source))
    }

    // MARK: - Who and where

    private func source(_ text: String) throws(Refusal) -> Inquest.Source {
        if text == Zone.internet {
            guard let interface = policy.wan.first else { throw Refusal("the internet has no interface") }
            // Somebody of whom no rule says anything (RFC 5737, RFC 3849).
            return Inquest.Source(
                addresses: ["192.0.2.1", "2001:db8::1"].compactMap { IPAddress($0) }, interface: interface)
        }
        if let address = IPAddress(text) {
            guard surroundings.interface(holding: address) == nil, !address.isLoopback else {
                throw Refusal(
                    "\(address) is the gateway itself: the source is then called gateway, with --user for whose program it is"
                )
            }
            let member = surroundings.household.members.first { $0.addresses.contains(address) }
            let around = surroundings.interfaces.first { interface in
                !interface.isLoopback && interface.addresses.contains { $0.network.contains(address) }
            }
            guard let interface = member?.interface ?? around?.name ?? Route.interface(towards: address) else {
                throw Refusal("nobody knows behind which interface \(address) is")
            }
            return Inquest.Source(addresses: [address], interface: interface, member: member)
        }
        let member = try member(text)
        guard !member.addresses.isEmpty else {
            throw Refusal("\(text) has no address at the moment; give one in its place")
        }
        return Inquest.Source(addresses: member.addresses, interface: member.interface, member: member)
    }

    private func member(_ text: String) throws(Refusal) -> Household.Member {
        let hardware = try policy.hardware(named: text, in: surroundings.household)
        guard let member = surroundings.household.member(hardware) else {
            throw Refusal("\(text) was not seen yet, so it has no place in the home")
        }
        return member
    }

    /// - Parameter source: nil: the gateway itself.
    private func destination(_ call: Explain, from source: Inquest.Source?) throws(Refusal) -> Inquest.Destination {
        var destination = Inquest.Destination(
            host: nil, addresses: [], member: nil, port: call.port ?? 443, transport: call.transport ?? .tcp)
        let text = call.destination
        if text == "gateway" {
            let interface = surroundings.interface(named: source?.interface ?? "lo")
            destination.addresses = interface?.addresses.map(\.address) ?? []
            return destination
        }
        if let member = try? member(text), IPAddress(text) == nil {
            destination.member = member
            destination.addresses = member.addresses
            return destination
        }
        switch try Host(text) {
        case .address(let address):
            destination.addresses = [address.unmapped]
            destination.member = surroundings.household.members.first { $0.addresses.contains(address.unmapped) }
            destination.host = .address(address.unmapped)
        case .name(let name):
            destination.host = .name(name)
            destination.addresses = Array((call.knownAddresses ?? []).map(\.unmapped).prefix(16))
        }
        return destination
    }
}

extension Inquest.Thing {
    fileprivate var inStore: Store.Thing {
        switch self {
        case .zone(let name): .zone(name)
        case .device(let hardware): .device("\(hardware)")
        case .rule(let id): .rule(id)
        case .opening(let name): .opening(name)
        case .forward(let name): .forward(name)
        case .passage(let ends): .passage(ends)
        case .listener(let endpoint): .listener("\(endpoint)")
        case .limit(let subject): .limit(subject)
        case .blocklist(let name): .blocklist(name)
        case .exit(let name): .exit(name)
        case .egress: .setting("egress")
        case .firewall: .setting("firewall")
        case .defaultAction: .setting("rule default")
        }
    }
}
