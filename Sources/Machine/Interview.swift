package import Address
import Glibc

/// Listens to what ports of a host say, all of them at once: first unasked, then to a question that fits what is usual on the port.
package struct Interview {
    /// A port, and what it has said.
    package struct Answer: Hashable, Sendable {
        package let service: HomeService
        package let port: UInt16
        package let bytes: [UInt8]
    }

    private struct Talk {
        let service: HomeService
        let port: UInt16
        let descriptor: Int32
        var heard: [UInt8] = []
        /// How much of it came unasked.
        var unasked = 0
        var hasEnded = false
    }

    private let address: IPAddress
    private let interface: String?

    /// Whoever speaks unasked does so at once.
    private static let unasked = Duration.milliseconds(700)
    private static let asked = Duration.milliseconds(1500)
    private static let mostBytes = 4096
    private static let width = 64

    package init(of address: IPAddress, on interface: String?) {
        (self.address, self.interface) = (address, interface)
    }

    /// Ports that take connections, each with what it has said; an empty answer: nothing.
    package func hear(_ ports: [UInt16]) -> [Answer] {
        stride(from: 0, to: ports.count, by: Self.width).flatMap { start in
            hear(ports[start..<min(start + Self.width, ports.count)].map { HomeService.tcp($0) })
        }
    }

    private func hear(_ services: [(HomeService, UInt16)]) -> [Answer] {
        var talks = services.compactMap { service, port in talk(service, port, datagrams: false) }
        listen(to: &talks, for: Self.unasked) { !$0.heard.isEmpty }
        for index in talks.indices where !talks[index].hasEnded {
            guard let question = talks[index].service.question(after: talks[index].heard, to: address) else {
                talks[index].hasEnded = true
                continue
            }
            talks[index].unasked = talks[index].heard.count
            send(question, in: talks[index])
        }
        listen(to: &talks, for: Self.asked) { talk in
            // A page is read to its end.
            talk.heard.count > talk.unasked && talk.service.conversation != .http
        }
        return end(talks)
    }

    /// The services over UDP that answer, of those that are asked.
    package func hearDatagrams() -> [Answer] {
        var talks = HomeService.udp.compactMap { talk($0, $1, datagrams: true) }
        for talk in talks { send(talk.service.question(after: [], to: address) ?? [], in: talk) }
        listen(to: &talks, for: Self.asked) { !$0.heard.isEmpty }
        return end(talks).filter { !$0.bytes.isEmpty }
    }

    private func talk(_ service: HomeService, _ port: UInt16, datagrams: Bool) -> Talk? {
        guard case .success(let descriptor) = ScanSocket.connect(to: address, port, on: interface, datagrams: datagrams)
        else { return nil }
        return Talk(service: service, port: port, descriptor: descriptor)
    }

    private func send(_ bytes: [UInt8], in talk: Talk) {
        _ = Glibc.send(talk.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Reads until every talk is done or the time is up.
    private func listen(to talks: inout [Talk], for duration: Duration, until isDone: (Talk) -> Bool) {
        let end = ContinuousClock.now + duration
        var part = [UInt8](repeating: 0, count: Self.mostBytes)
        while case let left = Int32((end - .now) / .milliseconds(1)), left > 0 {
            let open = talks.indices.filter { !talks[$0].hasEnded && !isDone(talks[$0]) }
            guard !open.isEmpty else { return }
            var states = open.map { pollfd(fd: talks[$0].descriptor, events: Int16(POLLIN), revents: 0) }
            guard poll(&states, nfds_t(states.count), left) > 0 else { continue }
            for (index, state) in zip(open, states) where state.revents != 0 {
                let count = recv(talks[index].descriptor, &part, part.count, 0)
                if count > 0 { talks[index].heard += part[..<count] }
                if count == 0 || count < 0 && errno != EAGAIN || talks[index].heard.count >= Self.mostBytes {
                    talks[index].hasEnded = true
                }
            }
        }
    }

    private func end(_ talks: [Talk]) -> [Answer] {
        talks.map { talk in
            close(talk.descriptor)
            return Answer(service: talk.service, port: talk.port, bytes: talk.heard)
        }
    }
}
