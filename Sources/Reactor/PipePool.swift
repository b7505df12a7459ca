import CLinux

/// Pipes for splice(2). A direction of a tunnel has one only while bytes are in it, so a few serve thousands of tunnels.
struct PipePool: ~Copyable {
    typealias Index = Int32
    static let none: Index = -1

    struct Pipe {
        let reading: Int32
        let writing: Int32
        let size: Int32
    }

    /// A larger pipe saves system calls per byte; the kernel gives an unprivileged user 64 MB in all
    /// (pipe-user-pages-soft), then refuses, and then the default of 64 KB has to do.
    private static let wantedSize: Int32 = 512 << 10
    private static let limit = 128

    private var pipes: [Pipe] = []
    private var free: [Index] = []

    deinit {
        for pipe in pipes {
            _ = linux_close(pipe.reading)
            _ = linux_close(pipe.writing)
        }
    }

    subscript(index: Index) -> Pipe { pipes[Int(index)] }

    /// An empty pipe, or `none` if there is none to be had: the caller copies then.
    mutating func take() -> Index {
        if let index = free.popLast() { return index }
        guard pipes.count < PipePool.limit else { return PipePool.none }
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) { linux_pipe($0.bindMemory(to: Int32.self).baseAddress) }
        guard result == 0 else { return PipePool.none }
        var size = linux_set_pipe_size(ends.1, PipePool.wantedSize)
        if size < 0 { size = 64 << 10 }
        pipes.append(Pipe(reading: ends.0, writing: ends.1, size: size))
        return Index(pipes.count - 1)
    }

    /// Gives an empty pipe back.
    mutating func give(_ index: Index) {
        free.append(index)
    }

    /// Gives back a pipe with bytes in it, which nobody wants any more: emptied, or the next tunnel would send them.
    mutating func giveDirty(_ index: Index, scratch: UnsafeMutableRawBufferPointer) {
        while linux_read(self[index].reading, scratch.baseAddress, scratch.count) > 0 {}
        give(index)
    }
}
