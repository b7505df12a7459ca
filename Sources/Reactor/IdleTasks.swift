/// The tasks of a reactor that have carried a session to its end, or to its tunnel, and wait for the next client. To begin a task and to
/// end it takes eight allocations, its stack and all; to resume one takes none. Belongs to its reactor.
final class IdleTasks {
    private var waiting: [UnsafeContinuation<AdmittedClient?, Never>] = []
    /// Clients for tasks that are about to begin. In a task's closure a client would stay as long as the task.
    private var ahead: [AdmittedClient] = []
    private var isClosed = false

    /// How many wait at most: each keeps some kilobytes.
    static let most = 32

    var count: Int { waiting.count }

    /// Gives a client to a task that waits. False if none does: then one has to begin, and finds the client here.
    func take(_ client: AdmittedClient) -> Bool {
        guard let task = waiting.popLast() else {
            ahead.append(client)
            return false
        }
        task.resume(returning: client)
        return true
    }

    /// Called by a task: its next client; nil: the task is not needed any more.
    func next() async -> AdmittedClient? {
        if let client = ahead.popLast() { return client }
        guard waiting.count < Self.most, !isClosed else { return nil }
        return await withUnsafeContinuation { waiting.append($0) }
    }

    /// Ends the tasks that wait, and every other one when its session is done.
    func close() {
        isClosed = true
        let ended = waiting
        waiting = []
        for task in ended { task.resume(returning: nil) }
    }
}
