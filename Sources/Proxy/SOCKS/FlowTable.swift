import Address
import Reactor

/// Where an association's client has sent to, and so may get answers from; the destinations that it has not used for the
/// longest make room for new ones.
struct FlowTable {
    /// Two generations: what is used moves to the new one, and when that is full the old one goes.
    private var new: [PackedEndpoint: Flow] = [:]
    private var old: [PackedEndpoint: Flow] = [:]
    private let capacity: Int

    /// - Parameter capacity: as many are kept at least, and twice as many at most.
    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { new.count + old.count }

    /// The flow to which an answer belongs.
    func flow(from source: PackedEndpoint) -> Flow? { new[source] ?? old[source] }

    /// The flow that a datagram is about to use.
    mutating func use(_ destination: PackedEndpoint) -> Flow? {
        if let flow = new[destination] { return flow }
        guard let flow = old.removeValue(forKey: destination) else { return nil }
        insert(flow, to: destination)
        return flow
    }

    mutating func insert(_ flow: Flow, to destination: PackedEndpoint) {
        if new.count >= capacity { (old, new) = (new, [:]) }
        old[destination] = nil
        new[destination] = flow
    }

    mutating func keep(_ isKept: (Flow) -> Bool) {
        new = new.filter { isKept($0.value) }
        old = old.filter { isKept($0.value) }
    }
}
