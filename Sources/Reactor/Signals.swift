import CLinux
import Glibc

/// Signals as something to read (signalfd(2)) instead of something that interrupts.
package struct Signals: ~Copyable {
    private let source: Source

    /// Blocks the signals in this thread; make it before any other thread is started.
    package static func block(_ signals: [Int32]) throws(Errno) -> Descriptor {
        Descriptor(adopting: try checked(linux_signal_descriptor(signals, Int32(signals.count))))
    }

    /// Whether a signal that is blocked has come and was not read yet (sigpending(2)).
    package static func isPending(_ signal: Int32) -> Bool {
        var set = sigset_t()
        return sigpending(&set) == 0 && sigismember(&set, signal) == 1
    }

    package init(adopting descriptor: consuming Descriptor, on reactor: Reactor) {
        source = Source(adopting: descriptor, on: reactor)
    }

    package borrowing func next() async throws(Errno) -> Int32 {
        Int32(try await source.attempt { Int(linux_next_signal($0)) })
    }
}
