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
    /// - Parameter addresses: the machine's own.
    func endRefused(by ruleset: Ruleset, addresses: Set<IPAddress>, log: Logger) {
        guard let flows = try? RoutedFlow.all(besides: addresses) else { return }
        var interfaces: [IPAddress: String?] = [:]
        func interface(towards address: IPAddress) -> String? {
            if let known = interfaces[address] { return known }
            let interface = Route.interface(towards: address)
            interfaces[address] = interface
            return interface
        }
        let now = Int(time(nil))
        var ended = 0
        // A flow that another one announced is judged with that one, and one that was ended already passes nothing.
        for flow in flows where !flow.isExpected && UInt16(truncatingIfNeeded: flow.mark) != Household.endedNumber {
            // Whoever answers may go on talking, and that would begin the flow anew.
            var isKeptUp = false
            let isStranded =
                flow.answered != flow.source.address && !addresses.contains(flow.answered)
                || flow.isForwarded && !addresses.contains(flow.sought.address)
            if !isStranded {
                guard let origin = interface(towards: flow.source.address),
                    let output = interface(towards: flow.destination.address)
                else { continue }
                var packet = Packet(
                    hook: .forward, interface: origin, source: flow.source.address,
                    destination: flow.destination.address, content: flow.content)
                packet.output = output
                packet.device = UInt16(truncatingIfNeeded: flow.mark)
                packet.isTranslated = flow.isForwarded
                packet.soughtPort = flow.sought.port
                packet.time = now
                if ruleset.verdict(of: packet).isAccepted { continue }
                var answer = Packet(
                    hook: .forward, interface: output, source: flow.destination.address,
                    destination: flow.source.address, content: flow.answer)
                answer.output = origin
                answer.hardware = hardware[flow.destination.address]
                answer.time = now
                isKeptUp = flow.answered == flow.source.address && ruleset.verdict(of: answer).isAccepted
            }
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

    fileprivate var content: Packet.Content {
        switch transport {
        case 1: .icmp(8)
        case 6: .tcp(destination.port)
        case 17: .udp(destination.port)
        case 58: .icmpv6(128)
        default: .other(transport)
        }
    }
}
