/// What has come over a connection and nobody has taken yet. It reads as much as there is, so several messages may wait in it.
package struct Inbox: ~Copyable {
    private var storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var end = 0
    /// Bytes of memory from the first read on; for what is taken as it comes; and at most.
    private let size: Int
    private let bulk: Int
    private let limit: Int
    /// The last read left no room: there is more where that came from.
    private var wasFilled = false

    /// - Parameters:
    ///   - limit: bytes that may be unread at once; memory grows up to it as it is needed.
    ///   - bulk: bytes of memory for a peer that sends faster than its bytes are read.
    ///   - size: bytes of memory from the first read on.
    init(limit: Int, bulk: Int, size: Int) {
        self.limit = limit
        self.bulk = bulk
        self.size = size
    }

    deinit {
        storage.deallocate()
    }

    package var isEmpty: Bool { start == end }

    package var unread: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[start..<end]) }

    /// The unread bytes, to be edited in place. The bytes stay where they are until the next `drop` or `room`.
    package mutating func edit() -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: storage[start..<end])
    }

    /// The first `count` unread bytes have been taken.
    package mutating func drop(_ count: Int) {
        start += count
        if isEmpty { (start, end) = (0, 0) }
    }

    /// Gives the memory back until the next read, unless something is unread.
    package mutating func shrink() {
        wasFilled = false
        guard isEmpty else { return }
        storage.deallocate()
        storage = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    // MARK: room

    /// Where the next bytes go, to be followed by `received`; nil if there are as many unread as there may be.
    mutating func room() -> UnsafeMutableRawBufferPointer? {
        // A peer that sends faster than its bytes are read gets larger reads.
        if end == storage.count || wasFilled && isEmpty && storage.count < bulk { makeRoom() }
        guard end < storage.count else { return nil }
        return UnsafeMutableRawBufferPointer(rebasing: storage[end...])
    }

    mutating func received(_ count: Int) {
        end += count
        wasFilled = end == storage.count
    }

    private mutating func makeRoom() {
        let size = start > 0 ? storage.count : min(limit, max(self.size, storage.count * 4))
        let roomier = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 1)
        roomier.copyMemory(from: unread)
        storage.deallocate()
        storage = roomier
        (start, end) = (0, end - start)
        wasFilled = false
    }
}
