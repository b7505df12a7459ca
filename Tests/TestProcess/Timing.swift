// What a busy machine does to a test that measures time: whatever runs may stand still for a second. A test that this may
// fail is repeated, and only then; a wrong program fails each time.

/// Measures until a result fits, `attempts` times at most; answers that one, or else the last.
package func measure<Value>(
    atMost attempts: Int = 3, until fits: (Value) -> Bool, _ body: () throws -> Value
) rethrows -> Value {
    for _ in 1..<attempts {
        let value = try body()
        if fits(value) { return value }
    }
    return try body()
}

/// How evenly a test has run.
package final class Pace {
    private var last = ContinuousClock.now
    fileprivate var longest = Duration.zero

    /// Is called where a step ends and the next begins.
    package func mark() {
        let now = ContinuousClock.now
        longest = max(longest, now - last)
        last = now
    }
}

/// Runs what holds only if no step takes longer than `limit`. An attempt that fails with such a step is repeated, five at
/// most in all; it has to fail by throwing, since an expectation that was not met stays so.
package func keepingPace<Value>(_ limit: Duration, _ attempt: (Pace) throws -> Value) throws -> Value {
    for _ in 1..<5 {
        let pace = Pace()
        do {
            return try attempt(pace)
        } catch {
            pace.mark()
            guard pace.longest > limit else { throw error }
        }
    }
    return try attempt(Pace())
}
