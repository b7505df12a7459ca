import Glibc

/// CLOCK_MONOTONIC: never goes back, and is the same for every process (clock_gettime(2)).
package enum MonotonicClock {
    package static var nanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

func monotonicMilliseconds() -> UInt64 { MonotonicClock.nanoseconds / 1_000_000 }
