/// Cuts a byte stream into varlink's frames: JSON, then a NUL.
struct FrameDecoder {
    struct FrameTooLong: Error {}

    /// Bytes in a frame, without its NUL.
    let limit: Int
    private var buffer: [UInt8] = []
    /// There is no NUL before this index, so that each byte is searched once.
    private var searched = 0

    init(limit: Int) {
        self.limit = limit
    }

    mutating func append(_ bytes: some Sequence<UInt8>) {
        buffer.append(contentsOf: bytes)
    }

    /// The next whole frame; nil: more bytes are needed.
    mutating func next() throws(FrameTooLong) -> [UInt8]? {
        guard let end = buffer[searched...].firstIndex(of: 0) else {
            searched = buffer.count
            if searched > limit { throw FrameTooLong() }
            return nil
        }
        guard end <= limit else { throw FrameTooLong() }
        let frame = Array(buffer[..<end])
        buffer.removeSubrange(...end)
        searched = 0
        return frame
    }
}
