import Glibc

/// How often a process was started again, and how long to wait before the next time.
struct Restarts {
    private(set) var count = 0
    private var quickEnds = 0
    private var startedAt = ContinuousClock.now

    /// A process was started.
    mutating func began() { startedAt = .now }

    /// The pause before the next start: none at first, then longer for each process that ended within ten seconds.
    mutating func nextPause() -> Duration {
        count += 1
        quickEnds = isYoung ? quickEnds + 1 : 0
        guard quickEnds > 1 else { return .zero }
        // At most 100 ms * 2^9: a shift without a bound would overflow in the end, and there would be no pause.
        return .milliseconds(min(100 << min(quickEnds - 2, 9), 30_000))
    }

    /// True while processes end again and again soon after their start. False once one has lasted ten seconds.
    func isCrashLooping(isRunning: Bool) -> Bool { quickEnds > 3 && (isYoung || !isRunning) }

    /// True for the first ten seconds of the process.
    private var isYoung: Bool { ContinuousClock.now - startedAt < .seconds(10) }
}

/// How a process ended, by the status that waitpid(2) gives.
func describe(exit status: Int32) -> String {
    let signal = status & 0x7f
    guard signal == 0 else { return "was killed by signal \(signal) (\(String(cString: strsignal(signal))))" }
    return "exited with status \(status >> 8 & 0xff)"
}
