import Glibc
import Synchronization

/// What one thread of a client has done so far. The thread adds, the course reads while it runs.
final class Tally: Sendable {
    let units = Atomic<Int>(0)
    let errors = Atomic<Int>(0)
}

/// One measurement: threads prepare, warm up, are counted over a window, and stop.
final class Course: Sendable {
    enum Phase {
        static let preparing = 0
        static let warming = 1
        static let measuring = 2
        static let finished = 3
    }

    struct Plan: Sendable {
        var threads: Int
        var seconds: Double
        /// The proxy whose CPU time is taken over the same window.
        var watched: pid_t?
    }

    struct Result {
        var seconds: Double
        var units: Int
        var errors: Int
        var cpu: Double?
        var latencies: Histogram
    }

    private let phase = Atomic<Int>(Phase.preparing)
    private let ready = Atomic<Int>(0)
    private let failure = Mutex<Failure?>(nil)
    private let latencies = Mutex(Histogram())

    var isMeasuring: Bool { phase.load(ordering: .relaxed) == Phase.measuring }
    var isFinished: Bool { phase.load(ordering: .relaxed) == Phase.finished }

    /// A worker prepares, then calls `start` and works until `isFinished`.
    typealias Worker = @Sendable (_ index: Int, _ course: Course, _ tally: Tally) throws(Failure) -> Histogram

    func begin() {
        ready.add(1, ordering: .releasing)
    }

    static func run(_ plan: Plan, _ worker: @escaping Worker) throws(Failure) -> Result {
        let course = Course()
        let tallies = (0..<plan.threads).map { _ in Tally() }
        let threads = tallies.enumerated().map { index, tally in
            Thread.start {
                do throws(Failure) {
                    let latencies = try worker(index, course, tally)
                    course.latencies.withLock { $0.add(latencies) }
                } catch {
                    course.failure.withLock { $0 = error }
                }
            }
        }
        try course.waitUntilReady(plan.threads)
        course.phase.store(Phase.warming, ordering: .relaxed)
        Clock.sleep(seconds: min(0.5, plan.seconds / 4))

        var result = Result(seconds: 0, units: 0, errors: 0, cpu: nil, latencies: Histogram())
        let processes = plan.watched.map(ProcessTree.init(root:))
        let before = (sum(tallies), Clock.now(), processes?.cpuSeconds() ?? 0)
        course.phase.store(Phase.measuring, ordering: .relaxed)
        Clock.sleep(seconds: plan.seconds)
        let after = (sum(tallies), Clock.now(), processes?.cpuSeconds() ?? 0)
        course.phase.store(Phase.finished, ordering: .relaxed)

        for thread in threads { pthread_join(thread, nil) }
        if let failure = course.failure.withLock({ $0 }) { throw failure }
        result.units = after.0.units - before.0.units
        result.errors = after.0.errors - before.0.errors
        result.seconds = Double(after.1 - before.1) / 1e9
        result.cpu = processes == nil ? nil : after.2 - before.2
        result.latencies = course.latencies.withLock { $0 }
        return result
    }

    private func waitUntilReady(_ threads: Int) throws(Failure) {
        while ready.load(ordering: .acquiring) < threads {
            if let failure = failure.withLock({ $0 }) { throw failure }
            Clock.sleep(seconds: 0.001)
        }
    }

    private static func sum(_ tallies: [Tally]) -> (units: Int, errors: Int) {
        tallies.reduce((0, 0)) {
            ($0.0 + $1.units.load(ordering: .relaxed), $0.1 + $1.errors.load(ordering: .relaxed))
        }
    }
}
