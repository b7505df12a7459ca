import Wire

/// Whole answers, each for as long as it holds, counted down, and beyond that for the time when no server answers (RFC 8767).
/// Bounded in bytes; the answers that nobody has asked for lately go first.
struct AnswerCache {
    final class Entry {
        let key: [UInt8]
        let answer: DNSAnswer
        /// Seconds of the cache's clock.
        let start: Int
        fileprivate(set) var expiry: Int
        /// Its time was over, and was made longer because nothing better was to be had.
        fileprivate(set) var isProlonged = false
        fileprivate let end: Int
        /// The lists on which the name, or one that it is an alias of, is; as of `generation`.
        var lists: NameFilter.Lists
        var generation: Int
        /// It says what the box itself knows, and only for the generation in which it was made.
        let isOwn: Bool
        fileprivate var isUsed = true
        fileprivate var place = 0

        fileprivate init(
            key: [UInt8], answer: DNSAnswer, start: Int, expiry: Int, end: Int, lists: NameFilter.Lists,
            generation: Int,
            isOwn: Bool
        ) {
            self.key = key
            self.answer = answer
            self.start = start
            self.expiry = expiry
            self.end = end
            self.lists = lists
            self.generation = generation
            self.isOwn = isOwn
        }

        var size: Int { 200 + key.count + answer.size }
    }

    private var entries: [Int: Entry] = [:]
    /// The entries in no order, through which the hand goes round.
    private var ring: [Entry] = []
    private var hand = 0
    private(set) var bytes = 0
    private let capacity: Int

    /// However long a server says: an answer that turned out wrong is not to outlive the hour.
    private static let longest = 3600
    /// Seconds for which an answer is kept after its end (RFC 8767 §5 allows up to three days).
    private static let stale = 86_400
    /// Seconds for which a stale answer goes without another attempt (RFC 8767 §5).
    static let staleSeconds = 30

    init(capacity: Int) {
        self.capacity = capacity
    }

    var count: Int { ring.count }

    /// The hash by which a key is found. Nobody outside can tell which keys share one.
    static func hash(_ key: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: key)
        return hasher.finalize()
    }

    /// What was kept, whether or not it still holds.
    func find(_ key: UnsafeRawBufferPointer, hash: Int) -> Entry? {
        guard let entry = entries[hash], entry.key.elementsEqual(key) else { return nil }
        entry.isUsed = true
        return entry
    }

    /// What servers said and is of use, whether or not it still holds.
    func kept(at now: Int) -> some Sequence<Entry> { ring.lazy.filter { !$0.isOwn && $0.end > now } }

    func isFresh(_ entry: Entry, at now: Int) -> Bool { entry.expiry > now }

    /// Whether it is of use if nothing better is to be had.
    func isOfUse(_ entry: Entry, at now: Int) -> Bool { entry.end > now }

    /// - Parameter seconds: how long it holds; for 0 nothing is kept.
    mutating func keep(
        _ answer: DNSAnswer, for key: [UInt8], seconds: Int, at now: Int, lists: NameFilter.Lists, generation: Int,
        isOwn: Bool
    ) {
        let hash = key.withUnsafeBytes(Self.hash)
        if let former = entries[hash] { remove(former, hash) }
        guard seconds > 0 else { return }
        let expiry = now + min(seconds, Self.longest)
        let isOfUse = !isOwn && answer.code != .serverFailure
        let entry = Entry(
            key: key, answer: answer, start: now, expiry: expiry, end: isOfUse ? expiry + Self.stale : expiry,
            lists: lists, generation: generation, isOwn: isOwn)
        makeRoom(for: entry.size)
        entry.place = ring.count
        ring.append(entry)
        entries[hash] = entry
        bytes += entry.size
    }

    /// A stale answer was used because nothing better was to be had, and is for the next moment, too.
    func prolong(_ entry: Entry, at now: Int) {
        entry.expiry = min(now + Self.staleSeconds, entry.end)
        entry.isProlonged = true
    }

    /// Other servers are asked from now on: what the others said is of use only if these do not answer.
    mutating func expire(at now: Int) {
        for entry in ring { entry.expiry = min(entry.expiry, now) }
    }

    private mutating func makeRoom(for size: Int) {
        while bytes + size > capacity, !ring.isEmpty {
            if hand >= ring.count { hand = 0 }
            let entry = ring[hand]
            if entry.isUsed {
                entry.isUsed = false
                hand += 1
            } else {
                remove(entry, entry.key.withUnsafeBytes(Self.hash))
            }
        }
    }

    private mutating func remove(_ entry: Entry, _ hash: Int) {
        entries[hash] = nil
        bytes -= entry.size
        let last = ring.removeLast()
        guard last !== entry else { return }
        last.place = entry.place
        ring[entry.place] = last
    }
}
