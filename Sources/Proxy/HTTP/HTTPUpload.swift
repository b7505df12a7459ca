import Reactor
import Wire

/// The content of a request on its way to the origin, sent by a task of its own while the response is awaited or passed back: an
/// origin may answer before it has read everything.
final class HTTPUpload {
    private let transfer: HTTPTransfer
    private let client: Connection
    private let origin: Connection
    private let session: Session
    /// Rung when the task has ended.
    private let ended: Alarm
    private var isOver = false
    /// Grows as long as the upload goes on: with what it moves, and with its wait for what limits let it move.
    private var progress = 0
    /// Why it stopped before its end; nil: it has not.
    private(set) var stop: HTTPTransfer.Stop?

    /// Starts sending.
    ///
    /// - Parameter phase: what the session waits for until the response begins.
    init(
        _ content: HTTPBody, from client: Connection, to origin: Connection, of session: Session, in phase: Phase,
        on reactor: Reactor
    ) {
        transfer = HTTPTransfer(content, from: client, to: origin, of: session, in: phase)
        self.client = client
        self.origin = origin
        self.session = session
        ended = Alarm(on: reactor)
        // Both tasks are this reactor's, so they never run at the same time.
        nonisolated(unsafe) let own = self
        reactor.spawn { reactor in await own.run(on: reactor) }
    }

    private func run(on reactor: Reactor) async {
        do throws(HTTPTransfer.Stop) {
            try await transfer.run(on: reactor) { client throws(Errno) in
                try await client.fill()
            } count: {
                progress &+= $0
                session.count(sent: $0)
            } pause: {
                await session.waitForTurn(isUp: true, on: reactor) {
                    progress &+= 1
                    // The origin has nothing to answer yet.
                    session.enter(transfer.phase)
                }
            }
        } catch {
            stop = error
        }
        isOver = true
        ended.ring()
        switch stop {
        // Now nobody reads from the client: the task that waits for the response is to notice if the client goes.
        case nil:
            session.enter(.exchange)
            origin.socket.nudge()
        // Whatever the origin has to say about that, it says in the other direction.
        case .sink?: break
        case .source?, .malformed?: origin.socket.interrupt()
        }
    }

    /// The response has begun: from now on the client need not say anything more.
    func isAnswered() { transfer.phase = .exchange }

    /// Whether all of the content has been sent.
    var isSent: Bool { isOver && stop == nil }

    /// Lets the upload go on after its response until it is over, or nothing of it moves for as long as `limit`: an origin may read what
    /// it has answered already.
    func finish(within limit: Duration) async {
        var before = -1
        while !isOver, before != progress {
            before = progress
            await ended.wait(atMost: limit)
        }
    }

    /// Ends the upload if it is under way.
    ///
    /// - Returns: what of the content has not been read from the client.
    func end() async -> HTTPBody {
        if !isOver {
            transfer.isStopped = true
            client.socket.interrupt()
            origin.socket.interrupt()
            while !isOver { await ended.wait() }
        }
        client.socket.endInterruption()
        return transfer.body
    }
}
