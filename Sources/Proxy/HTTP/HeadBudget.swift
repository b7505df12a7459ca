import Glibc
import Reactor
import Synchronization

/// The memory that large heads of a process take together. One head may be as large as the usual servers and clients allow; that many are
/// not so at once is what keeps memory safe.
final class HeadBudget: Sendable {
    /// A head of so many bytes costs nothing of it, and always has room.
    static let usual = 16 << 10

    let limit: Int
    private let used = Atomic<Int>(0)

    /// - Parameter limit: in bytes.
    init(limit: Int) {
        self.limit = limit
    }

    /// What the budget's limit means, as the end of a sentence about a head.
    var description: String {
        "heads beyond \(Self.usual) bytes may take \(limit) bytes together, which they do just now"
    }

    /// What `admit` throws.
    static let isUsedUp = Errno(ENOMEM)

    /// Lets more of a head be read.
    ///
    /// - Parameters:
    ///   - connection: what the head comes from; nothing else of it is unread.
    ///   - share: what the head has taken already.
    /// - Throws: `isUsedUp` if it is to be larger than usual, and there is no memory left for that.
    func admit(_ connection: Connection, _ share: inout Share?) throws(Errno) {
        let count = connection.inbox.unread.count
        guard count >= Self.usual else { return }
        let own = share ?? Share(of: self)
        guard own.grow(to: count) else { throw Self.isUsedUp }
        share = own
    }

    /// The memory of one head. It is given back with the share.
    final class Share {
        private let budget: HeadBudget
        private var held = 0

        init(of budget: HeadBudget) {
            self.budget = budget
        }

        deinit {
            budget.used.subtract(held, ordering: .relaxed)
        }

        /// Takes what a head needs of which `count` bytes have come: room to read more, and as much again for what is made of it.
        ///
        /// - Returns: false if there is not so much left.
        func grow(to count: Int) -> Bool {
            let needed = (count < 48 << 10 ? 64 << 10 : 132 << 10) * 2
            guard needed > held else { return true }
            let new = budget.used.add(needed - held, ordering: .relaxed).newValue
            guard new <= budget.limit else {
                budget.used.subtract(needed - held, ordering: .relaxed)
                return false
            }
            held = needed
            return true
        }
    }
}
