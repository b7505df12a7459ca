import Glibc
import Policy
import Reactor
import Synchronization

/// The memory that large heads of a process take together, and those of one client. One head may be as large as the usual servers and
/// clients allow; that many are not so at once is what keeps memory safe.
final class HeadBudget: Sendable {
    /// A head of so many bytes costs nothing of it, and always has room.
    static let usual = 16 << 10

    private let limit: Int
    private let limitOfClient: Int
    private let used = Mutex(Used())

    private struct Used {
        var total = 0
        /// Only of those who have any.
        var byClient: [LimitTable.Client.Key: Int] = [:]
    }

    /// - Parameters:
    ///   - limit: in bytes.
    ///   - limitOfClient: of it, for what comes from one client and for the responses to it.
    init(limit: Int, ofClient limitOfClient: Int) {
        self.limit = limit
        self.limitOfClient = limitOfClient
    }

    /// What the budget's limit means, as the end of a sentence about a head.
    var description: String {
        "heads beyond \(Self.usual) bytes may take \(limit) bytes together, \(limitOfClient) for one client, which they do just now"
    }

    /// What `admit` throws.
    static let isUsedUp = Errno(ENOMEM)

    /// Lets more of a head be read.
    ///
    /// - Parameters:
    ///   - connection: what the head comes from; nothing else of it is unread.
    ///   - share: what the head has taken already.
    ///   - client: whose head it is, or to whom it is the response.
    /// - Throws: `isUsedUp` if it is to be larger than usual, and there is no memory left for that.
    func admit(
        _ connection: Connection, _ share: inout Share?, for client: @autoclosure () -> LimitTable.Client.Key
    ) throws(Errno) {
        let count = connection.inbox.unread.count
        guard count >= Self.usual else { return }
        let own = share ?? Share(of: self, for: client())
        guard own.grow(to: count) else { throw Self.isUsedUp }
        share = own
    }

    /// The memory of one head. It is given back with the share.
    final class Share {
        private let budget: HeadBudget
        private let client: LimitTable.Client.Key
        private var held = 0

        init(of budget: HeadBudget, for client: LimitTable.Client.Key) {
            self.budget = budget
            self.client = client
        }

        deinit {
            guard held > 0 else { return }
            let (client, held) = (client, held)
            budget.used.withLock { used in
                used.total -= held
                let left = used.byClient[client, default: held] - held
                used.byClient[client] = left > 0 ? left : nil
            }
        }

        /// Takes what a head needs of which `count` bytes have come: room to read more, and as much again for what is made of it.
        ///
        /// - Returns: false if there is not so much left.
        func grow(to count: Int) -> Bool {
            let more = (count < 48 << 10 ? 64 << 10 : 132 << 10) * 2 - held
            guard more > 0 else { return true }
            let (client, limit, limitOfClient) = (client, budget.limit, budget.limitOfClient)
            let hasRoom = budget.used.withLock { used in
                let own = used.byClient[client, default: 0] + more
                guard used.total + more <= limit, own <= limitOfClient else { return false }
                used.total += more
                used.byClient[client] = own
                return true
            }
            if hasRoom { held += more }
            return hasRoom
        }
    }
}
