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
    /// (pipe-user-pages-soft), then refuses, and then the default of 64 KB has to do, below which copying is cheaper.
    private static let wantedSize: Int32 = 512 << 10
    private static let leastSize: Int32 = 64 << 10
    private static let limit = 128
    /// How often a refusal is taken for granted before the kernel is asked again.
    private static let rest = 1024

    private var pipes: [Pipe] = []
    private var free: [Index] = []
    private var refusals = 0

    deinit {
        for pipe in pipes {
            _ = linux_close(pipe.reading)
            _ = linux_close(pipe.writing)
        }
        DescriptorBudget.shared.release(2 * pipes.count)
    }

    subscript(index: Index) -> Pipe { pipes[Int(index)] }

    /// An empty pipe, or `none` if there is none to be had: the caller copies then.
    mutating func borrow() -> Index {
        if let index = free.popLast() { return index }
        guard pipes.count < PipePool.limit, DescriptorBudget.shared.hasRoom else { return PipePool.none }
        guard refusals == 0 else {
            refusals -= 1
            return PipePool.none
        }
        var ends: (Int32, Int32) = (-1, -1)
        let size = withUnsafeMutableBytes(of: &ends) {
            linux_pipe($0.bindMemory(to: Int32.self).baseAddress, PipePool.wantedSize)
        }
        guard size >= PipePool.leastSize else {
            if size >= 0 {
                _ = linux_close(ends.0)
                _ = linux_close(ends.1)
            }
            refusals = PipePool.rest
            return PipePool.none
        }
        DescriptorBudget.shared.reserve(2)
        pipes.append(Pipe(reading: ends.0, writing: ends.1, size: size))
        return Index(pipes.count - 1)
    }

    /// Gives an empty pipe back.
    mutating func giveBack(_ index: Index) {
        free.append(index)
    }

    /// Gives back a pipe with bytes in it, which nobody wants any more: emptied, or the next tunnel would send them.
    mutating func giveBackDirty(_ index: Index, scratch: UnsafeMutableRawBufferPointer) {
        while linux_read(self[index].reading, scratch.baseAddress, scratch.count) > 0 {}
        giveBack(index)
    }
}
