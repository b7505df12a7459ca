import Address
package import Reactor
import Wire

/// Clients that ask over TCP (RFC 7766): any number of questions over one connection, whose answers go out as they are there.
/// Confined to its reactor's thread.
package final class NameStreams {
    private let responder: Responder
    private var connections: [Visitor.Payer: Int] = [:]
    private var count = 0

    /// Connections of one client, and of all.
    private static let share = 16
    private static let capacity = 256
    /// Questions of one connection that are under way at once; the next is not read before one of them is answered.
    private static let window = 64
    /// How long a connection may be silent (RFC 7766 §6.2.3), how long a message may take to come, byte by byte, and how long a
    /// client takes to read.
    private static let idle: Duration = .seconds(10)
    /// Bytes of answers that a client has not read yet; a question more is not read before it has.
    private static let mostUnsent = 256 << 10

    package init(_ responder: Responder) {
        self.responder = responder
    }

    /// A connection's answers on their way out.
    private final class Outbox {
        var bytes: [UInt8] = []
        var underWay = 0
        var isOver = false
        /// Whether answers are on their way to the client, who has so long to take them however much more it asks meanwhile.
        var isBeingWritten = false
        let filled: Alarm
        let emptied: Alarm

        init(on reactor: Reactor) {
            filled = Alarm(on: reactor)
            emptied = Alarm(on: reactor)
        }

        /// A client that does not read while answers come that it asked for before loses its connection.
        func add(_ answer: UnsafeRawBufferPointer) {
            guard bytes.count <= NameStreams.mostUnsent else {
                isOver = true
                return filled.ring()
            }
            bytes.append(UInt8(answer.count >> 8))
            bytes.append(UInt8(truncatingIfNeeded: answer.count))
            bytes += answer
            filled.ring()
        }
    }

    /// Serves one connection until its client has no more questions.
    package func serve(_ connection: Connection, zone: UInt16, isForRelays: Bool) async {
        let visitor = Visitor(
            source: PackedEndpoint(connection.peer), member: UInt16(truncatingIfNeeded: connection.socket.mark),
            zone: zone, isRelay: isForRelays)
        let payers = visitor.payers
        let isTooMuch = payers.contains { connections[$0.payer, default: 0] >= Self.share * $0.shares }
        guard count < Self.capacity, isForRelays || !isTooMuch else { return }
        count += 1
        for (payer, _) in payers { connections[payer, default: 0] += 1 }
        defer {
            count -= 1
            for (payer, _) in payers {
                connections[payer] = connections[payer] == 1 ? nil : connections[payer]! - 1
            }
        }
        let outbox = Outbox(on: responder.reactor)
        let ended = Alarm(on: responder.reactor)
        responder.reactor.begin {
            await self.write(outbox, to: connection)
            ended.ring()
        }
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: Responder.longestAnswer, alignment: 8)
        defer { room.deallocate() }
        let isFinished = await read(from: connection, visitor, outbox, room)
        // The answers under way still go out.
        while outbox.underWay > 0, !outbox.isOver { await outbox.emptied.wait() }
        outbox.isOver = true
        outbox.filled.ring()
        await ended.wait()
        // A client that only asks no more has its time to take the answers; one whose time is up has had it.
        await connection.socket.settle(within: isFinished ? Self.idle : .zero, on: responder.reactor)
    }

    /// - Returns: whether the client has ended its side, and not its time.
    private func read(
        from connection: Connection, _ visitor: Visitor, _ outbox: Outbox, _ room: UnsafeMutableRawBufferPointer
    ) async -> Bool {
        connection.socket.setDeadline(after: Self.idle)
        while !outbox.isOver {
            var isWhole = false
            while let message = connection.inbox.message {
                let end = 2 + message.count
                responder.beginTurn()
                let response = responder.respond(to: message, from: visitor, over: .stream, into: room) {
                    outbox.underWay += 1
                    return { answer in
                        outbox.underWay -= 1
                        answer.withUnsafeBytes { outbox.add($0) }
                        outbox.emptied.ring()
                    }
                }
                connection.inbox.drop(end)
                isWhole = true
                if case .written(let count) = response { outbox.add(UnsafeRawBufferPointer(rebasing: room[..<count])) }
                while outbox.underWay >= Self.window || outbox.bytes.count > Self.mostUnsent, !outbox.isOver {
                    await outbox.emptied.wait()
                }
            }
            if isWhole, !outbox.isBeingWritten { connection.socket.setDeadline(after: Self.idle) }
            do {
                guard try await connection.fill() > 0 else { return true }
            } catch {
                return false
            }
        }
        return false
    }

    private func write(_ outbox: Outbox, to connection: Connection) async {
        while true {
            if outbox.bytes.isEmpty {
                if outbox.isOver { return }
                await outbox.filled.wait()
                continue
            }
            let bytes = outbox.bytes
            outbox.bytes = []
            do {
                connection.socket.setDeadline(after: Self.idle)
                outbox.isBeingWritten = true
                try await connection.socket.write(bytes)
                outbox.isBeingWritten = false
            } catch {
                outbox.isOver = true
                outbox.bytes = []
                outbox.emptied.ring()
                return
            }
            outbox.emptied.ring()
        }
    }
}

extension Inbox {
    /// The first message, behind its length (RFC 1035 §4.2.2); nil: it is not whole yet.
    fileprivate var message: UnsafeRawBufferPointer? {
        let bytes = unread
        guard bytes.count >= 2 else { return nil }
        let length = Int(bytes[0]) << 8 | Int(bytes[1])
        guard bytes.count >= 2 + length else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[2..<(2 + length)])
    }
}
