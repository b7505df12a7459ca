import Address
import Glibc
import Logging
import Machine
import Policy
import Ruleset

extension RoutedFlows {
    /// Ends what began under other rules and `ruleset` would not let begin: to the kernel all that follows is an answer. And what is
    /// translated to an address that the machine has no longer: nobody answers it, and its packets would go out with it for ever.
    ///
    /// - Parameters:
    ///   - elements: what the live sets hold.
    ///   - sources: only what these have begun, each an address, or one as `IPAddress.site` has it; nil: what anybody has begun.
    ///   - destinations: only what leads to one of these; nil: wherever it leads.
    ///   - addresses: the machine's own.
    func endRefused(
        by ruleset: Ruleset, among elements: LiveElements = .none, from sources: Set<IPAddress>? = nil,
        to destinations: Set<IPAddress>? = nil, addresses: Set<IPAddress>, log: Logger
    ) {
        var interfaces: [IPAddress: String?] = [:]
        func interface(towards address: IPAddress) -> String? {
            if let known = interfaces[address] { return known }
            let interface = Route.interface(towards: address)
            interfaces[address] = interface
            return interface
        }
        let now = Int(time(nil))
        // An address is another name's tomorrow; what began while it was a domain's goes on.
        let remembered = elements.remembering(ruleset.liveSets.filter(\.isOfDomain))
        // Whoever answers may go on talking, and that would begin the flow anew.
        var refused: [(flow: RoutedFlow, isKeptUp: Bool)] = []
        var bounded: [RoutedFlow] = []
        // What cannot be read now is judged with the next ruleset.
        try? RoutedFlow.forEach(besides: addresses) { flow in
            if let sources, !sources.contains(flow.source.address.site), !sources.contains(flow.source.address) {
                return
            }
            if let destinations, !destinations.contains(flow.destination.address) { return }
            // A flow that another one announced is judged with that one, and one that was ended already passes nothing.
            if flow.isExpected || UInt16(truncatingIfNeeded: flow.mark) == Household.endedNumber { return }
            if flow.answered != flow.source.address && !addresses.contains(flow.answered)
                || flow.isForwarded && !addresses.contains(flow.sought.address)
            {
                refused.append((flow, false))
                return
            }
            guard let origin = interface(towards: flow.source.address),
                let output = interface(towards: flow.destination.address)
            else { return }
            var packet = Packet(
                hook: .forward, interface: origin, source: flow.source.address,
                destination: flow.destination.address, content: flow.content)
            packet.output = output
            packet.device = UInt16(truncatingIfNeeded: flow.mark)
            packet.isTranslated = flow.isForwarded
            packet.soughtPort = flow.sought.port
            packet.time = now
            var judgement = ruleset.verdict(of: packet, among: elements)
            if !judgement.isAccepted { judgement = ruleset.verdict(of: packet, among: remembered) }
            if judgement.isAccepted {
                // A flow that began before the device that it leads to had hours ends with them all the same.
                if judgement.isTowardsHours, flow.mark & Ruleset.towardsHours == 0 { bounded.append(flow) }
                return
            }
            var answer = Packet(
                hook: .forward, interface: output, source: flow.destination.address,
                destination: flow.source.address, content: flow.answer)
            answer.output = origin
            answer.hardware = hardware[flow.destination.address]
            answer.time = now
            let isKeptUp =
                flow.answered == flow.source.address && ruleset.verdict(of: answer, among: elements).isAccepted
            refused.append((flow, isKeptUp))
        }
        for flow in bounded { try? flow.setMark(Ruleset.towardsHours, mask: Ruleset.towardsHours) }
        var ended = 0
        for (flow, isKeptUp) in refused {
            do {
                try isKeptUp ? flow.setMark(UInt32(Household.endedNumber), mask: 0xffff) : flow.end()
                ended += 1
            } catch {
                // It may have ended by itself meanwhile.
                log.info("a flow from \(flow.source) to \(flow.destination) was not ended: \(error)")
            }
        }
        if ended > 0 { log.info("ended \(ended) routed flows that the rules no longer let pass") }
    }
}

extension RoutedFlow {
    fileprivate var answer: Packet.Content {
        switch transport {
        case 6: .tcp(source.port)
        case 17: .udp(source.port)
        default: content
        }
    }

    fileprivate var content: Packet.Content { .init(beginning: transport, port: destination.port) }
}
