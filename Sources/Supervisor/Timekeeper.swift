import Glibc
import Logging
import Machine
import Policy
import Reactor

/// The time by which the gateway goes, and the file that tells the next start what it was.
///
/// Belongs to the gateway and its thread.
final class Timekeeper {
    /// What was known is kept in mind so often: by as much a box that has lost its clock may be behind.
    private static let interval = 600
    /// The clock was set if it went otherwise by so much than time has passed.
    private static let jump = 60

    private let path: String
    private let start = TrialClock.system.sinceBoot()
    private var reckoning: Reckoning
    /// What the clock showed when that was kept in mind last, and how much had passed since the start; nil: it was not yet.
    private var kept: (time: Int, passed: Int)?

    /// The same, when a step was looked for last; nil: it was not yet.
    private var looked: (time: Int, passed: Int)?

    init(directory: String) {
        path = directory + "/clock"
        let known = StateFile.read(path).flatMap { Int(String(decoding: $0, as: UTF8.self).filter { $0 != "\n" }) }
        reckoning = Reckoning(known: known, clock: time(nil), isSynchronised: SystemClock.isSynchronised)
    }

    private var passed: Int { Int(((TrialClock.system.sinceBoot() - start) / .seconds(1)).rounded(.down)) }

    /// Seconds since 1970.
    var now: Int {
        let clock = time(nil)
        if reckoning.isBelieved { return clock }
        return reckoning.time(clock: clock, passed: passed, isSynchronised: SystemClock.isSynchronised)
    }

    /// Whether `now` is what the machine's clock shows, and so the kernel's.
    var isBelieved: Bool { reckoning.isBelieved }

    /// A time that a caller has reckoned by the machine's clock, as `now` has it.
    func adopt(_ time: Int) -> Int { isBelieved ? time : time + now - Int(Glibc.time(nil)) }

    /// By how many seconds the clock was set since this was asked last; 0: it was not.
    func step() -> Int {
        let (now, passed) = (now, passed)
        defer { looked = (now, passed) }
        let step = looked.map { now - $0.time - (passed - $0.passed) } ?? 0
        return abs(step) < Self.jump ? 0 : step
    }

    /// Keeps the time in mind if that was not done for a while, or if the clock was set since. Not while nobody knows it.
    func keep(atOnce: Bool = false, _ log: Logger) {
        let (now, passed) = (now, passed)
        guard isBelieved else { return }
        if let kept, !atOnce, passed - kept.passed < Self.interval,
            abs(now - kept.time - (passed - kept.passed)) < Self.jump
        {
            return
        }
        kept = (now, passed)
        do throws(Errno) {
            try StateFile.write(Array("\(now)\n".utf8), to: path)
        } catch {
            log.debug("the time could not be kept in mind: \(error)")
        }
    }

    /// What the operator should look at.
    var warnings: [String] {
        if isBelieved { return [] }
        return [
            "the machine's clock shows \(Self.text(time(nil))), which cannot be: until it is set (`timedatectl set-ntp on`, "
                + "or `date -s`) schedules, pauses and whatever else has its time go by the time that was known last, "
                + "\(Self.text(now)) by now"
        ]
    }

    private static func text(_ time: Int) -> String {
        var (time, parts) = (time_t(time), tm())
        localtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 64)
        let length = strftime(&text, text.count, "%Y-%m-%d %H:%M", &parts)
        return String(decoding: text[..<length].map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
