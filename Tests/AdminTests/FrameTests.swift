import Testing

@testable import Admin

@Suite struct `Frames` {
    @Test func `frames come out whole, however the bytes come in`() throws {
        let stream = Array("{\"a\":1}\0\0{\"b\":2}\0".utf8)
        for size in 1...stream.count {
            var decoder = FrameDecoder(limit: 100)
            var frames: [String] = []
            for start in stride(from: 0, to: stream.count, by: size) {
                decoder.append(stream[start..<min(start + size, stream.count)])
                while let frame = try decoder.next() { frames.append(String(decoding: frame, as: UTF8.self)) }
            }
            #expect(frames == ["{\"a\":1}", "", "{\"b\":2}"])
        }
    }

    @Test func `a frame of exactly the limit passes, one byte more does not`() throws {
        var decoder = FrameDecoder(limit: 8)
        decoder.append([UInt8](repeating: 0x20, count: 8) + [0])
        #expect(try decoder.next()?.count == 8)
        decoder.append([UInt8](repeating: 0x20, count: 9) + [0])
        #expect(throws: FrameDecoder.FrameTooLong.self) { try decoder.next() }
    }

    @Test func `a frame that never ends is refused as soon as it passes the limit`() throws {
        var decoder = FrameDecoder(limit: 8)
        decoder.append([UInt8](repeating: 0x20, count: 8))
        #expect(try decoder.next() == nil)
        decoder.append([0x20])
        #expect(throws: FrameDecoder.FrameTooLong.self) { try decoder.next() }
    }
}
