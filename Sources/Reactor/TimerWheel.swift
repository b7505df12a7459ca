/// Deadlines in a hashed wheel (Varghese and Lauck 1987): arming and disarming cost a few stores, however many there are,
/// which suits timers that nearly always are disarmed. The lists run through the slots themselves.
struct TimerWheel: ~Copyable {
    /// Milliseconds a tick, as a power of two: 16 ms.
    static let tickShift: UInt64 = 4
    private static let buckets = 1024
    /// About a second, in ticks, for deadlines that need not be kept better than that.
    static let coarseTicks: UInt32 = 64

    private let heads: UnsafeMutablePointer<Slot.Index>
    /// A bit for each bucket that is not empty.
    private let occupied: UnsafeMutablePointer<UInt64>
    /// All deadlines up to this tick have been delivered.
    private(set) var current: UInt32
    private var due: [Slot.Index] = []

    init(now: UInt64) {
        heads = .allocate(capacity: TimerWheel.buckets)
        heads.initialize(repeating: Slot.none, count: TimerWheel.buckets)
        occupied = .allocate(capacity: TimerWheel.buckets / 64)
        occupied.initialize(repeating: 0, count: TimerWheel.buckets / 64)
        current = TimerWheel.tick(of: now)
    }

    deinit {
        heads.deallocate()
        occupied.deallocate()
    }

    /// Rounds up and adds a tick: never early.
    static func ticks(_ duration: Duration) -> UInt32 {
        let (seconds, attoseconds) = duration.components
        guard seconds < 1 << 24 else { return UInt32((1 << 24) * 1000 >> tickShift) }
        let milliseconds = max(0, seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
        return UInt32((milliseconds + 15) >> tickShift) + 1
    }

    static func tick(of milliseconds: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: milliseconds >> tickShift)
    }

    /// - Parameter deadline: a tick; one that has passed is due at the next.
    mutating func arm(_ index: Slot.Index, in slots: borrowing PagedTable<Slot>, at deadline: UInt32) {
        if slots[index].pointee.flags.contains(.armed) { disarm(index, in: slots) }
        let deadline = Int32(bitPattern: deadline &- current) > 0 ? deadline : current &+ 1
        let bucket = Int(deadline) & (TimerWheel.buckets - 1)
        let slot = slots[index]
        slot.pointee.deadline = deadline
        slot.pointee.flags.insert(.armed)
        slot.pointee.previous = Slot.none
        slot.pointee.next = heads[bucket]
        if heads[bucket] != Slot.none { slots[heads[bucket]].pointee.previous = index }
        heads[bucket] = index
        occupied[bucket >> 6] |= 1 << UInt64(bucket & 63)
    }

    mutating func disarm(_ index: Slot.Index, in slots: borrowing PagedTable<Slot>) {
        let slot = slots[index]
        guard slot.pointee.flags.contains(.armed) else { return }
        slot.pointee.flags.remove(.armed)
        let (previous, next) = (slot.pointee.previous, slot.pointee.next)
        if next != Slot.none { slots[next].pointee.previous = previous }
        if previous != Slot.none {
            slots[previous].pointee.next = next
        } else {
            let bucket = Int(slot.pointee.deadline) & (TimerWheel.buckets - 1)
            heads[bucket] = next
            if next == Slot.none { occupied[bucket >> 6] &= ~(1 << UInt64(bucket & 63)) }
        }
    }

    /// Moves on to `now` (milliseconds) and answers the slots whose deadline has passed, disarmed.
    mutating func advance(to now: UInt64, in slots: borrowing PagedTable<Slot>) -> [Slot.Index] {
        let target = TimerWheel.tick(of: now)
        guard target != current else { return [] }
        due.removeAll(keepingCapacity: true)
        for tick in 1...min(target &- current, UInt32(TimerWheel.buckets)) {
            var index = heads[Int(current &+ tick) & (TimerWheel.buckets - 1)]
            while index != Slot.none {
                let next = slots[index].pointee.next
                // Deadlines of a later round of the wheel share the bucket.
                if Int32(bitPattern: slots[index].pointee.deadline &- target) <= 0 {
                    disarm(index, in: slots)
                    due.append(index)
                }
                index = next
            }
        }
        current = target
        return due
    }

    /// The slots with the nearest deadlines, among those for which `isMeant` holds; `count` at most.
    func nearest(_ count: Int, in slots: borrowing PagedTable<Slot>, where isMeant: (Slot) -> Bool) -> [Slot.Index] {
        var found: [Slot.Index] = []
        // Deadlines of later rounds of the wheel share the buckets: they come after all others, in no order.
        for isThisRound in [true, false] {
            for distance in 1...UInt32(TimerWheel.buckets) {
                let tick = current &+ distance
                var index = heads[Int(tick) & (TimerWheel.buckets - 1)]
                while index != Slot.none {
                    guard found.count < count else { return found }
                    let slot = slots[index]
                    if (slot.pointee.deadline == tick) == isThisRound, isMeant(slot.pointee) {
                        found.append(index)
                    }
                    index = slot.pointee.next
                }
            }
        }
        return found
    }

    /// Milliseconds until the next bucket that is not empty, -1 if all are.
    func timeout(now: UInt64) -> Int32 {
        for distance in 0...(TimerWheel.buckets / 64) {
            let first = (Int(current) + 1) & (TimerWheel.buckets - 1)
            let word = ((first >> 6) + distance) & (TimerWheel.buckets / 64 - 1)
            var bits = occupied[word]
            if distance == 0 { bits &= ~0 << UInt64(first & 63) }
            if distance == TimerWheel.buckets / 64 { bits &= ~(~0 << UInt64(first & 63)) }
            guard bits != 0 else { continue }
            let bucket = word << 6 + bits.trailingZeroBitCount
            let ticks = (bucket - first) & (TimerWheel.buckets - 1)
            let away = Int32(bitPattern: current &+ 1 &+ UInt32(ticks) &- TimerWheel.tick(of: now))
            return away <= 0 ? 0 : (away << 4) - Int32(now & 15)
        }
        return -1
    }
}
