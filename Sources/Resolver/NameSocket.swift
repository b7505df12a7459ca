import Address
package import Reactor
import Wire

/// A UDP socket on which clients ask a responder. Confined to its reactor's thread.
package final class NameSocket {
    private let socket: DatagramSocket
    private let responder: Responder
    private let batch: DatagramBatch
    /// The zone behind the socket.
    private let zone: UInt16
    /// Those who ask are relays of this gateway.
    private let isForRelays: Bool
    /// Answers that wait to be sent together.
    private let answers = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 8)
    private var used = 0
    /// Answers that the kernel did not take.
    private(set) var lost = 0

    /// Batches that are received in one turn, before others have theirs.
    private static let mostBatches = 4

    /// Answers from now on.
    package init(
        _ socket: consuming Descriptor, zone: UInt16, isForRelays: Bool, responder: Responder
    ) throws(Errno) {
        let own = DatagramSocket(adopting: socket, on: responder.reactor)
        self.socket = own
        self.responder = responder
        self.zone = zone
        self.isForRelays = isForRelays
        batch = responder.reactor.datagrams
        try own.whenReadable { [unowned self] in receive() }
    }

    deinit {
        answers.deallocate()
    }

    /// Closes the socket. Answers that come later go nowhere.
    package func close() { socket.close() }

    private func receive() {
        for _ in 0..<Self.mostBatches {
            let count = socket.receive(into: batch)
            guard count > 0 else { return }
            responder.beginTurn()
            for index in 0..<count { answer(batch[index]) }
            flush()
        }
    }

    private func answer(_ run: DatagramBatch.Run) {
        let visitor = Visitor(
            source: run.source, member: UInt16(truncatingIfNeeded: run.mark), zone: zone, isRelay: isForRelays)
        var start = 0
        repeat {
            let end = min(start + max(run.segment, 1), run.bytes.count)
            let message = UnsafeRawBufferPointer(rebasing: run.bytes[start..<end])
            start = end
            if answers.count - used < DNSQuery.largestDatagram { flush() }
            let room = UnsafeMutableRawBufferPointer(rebasing: answers[used...])
            let response = responder.respond(to: message, from: visitor, over: .datagram, into: room) {
                { [weak self] answer in self?.send(answer, to: run.source) }
            }
            guard case .written(let count) = response else { continue }
            lost += socket.add(UnsafeRawBufferPointer(rebasing: room[..<count]), to: run.source, in: batch)
            used += count
        } while start < run.bytes.count
    }

    private func flush() {
        lost += socket.flush(batch)
        used = 0
    }

    private func send(_ answer: [UInt8], to client: PackedEndpoint) {
        answer.withUnsafeBytes { bytes in
            lost += socket.add(bytes, to: client, in: batch)
            lost += socket.flush(batch)
        }
    }
}
