import CLinux

/// The clock that shows the time of day.
package enum WallClock {
    /// Whether a time server keeps it right, by the kernel's word: ntpd(8), chronyd(8) and systemd-timesyncd(8) tell it. nil: the
    /// kernel does not say.
    package static var isSynchronised: Bool? {
        let answer = linux_clock_is_kept()
        return answer < 0 ? nil : answer == 1
    }
}
