/// Where the layers of one reactor gather what they send: several records go out in one call. Empty between their calls.
final class Outbox: Sendable {
    /// Four records and what goes with them, or any handshake's flight.
    private static let capacity = 4 * (TLSLayer.record + 256) + 16 << 10

    nonisolated(unsafe) let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    nonisolated(unsafe) var count = 0

    deinit {
        bytes.deallocate()
    }

    var hasRoomForRecord: Bool { bytes.count - count >= TLSLayer.record + 256 }

    func append(_ source: UnsafeRawPointer, _ length: Int) -> Bool {
        guard bytes.count - count >= length else { return false }
        (bytes.baseAddress! + count).copyMemory(from: source, byteCount: length)
        count += length
        return true
    }
}
