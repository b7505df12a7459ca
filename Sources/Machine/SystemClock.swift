internal import CLinux
import Glibc

/// The machine's clock, which may be wrong until somebody has set it.
package enum SystemClock {
    /// Left by systemd-timesyncd as soon as it has the time (systemd-timesyncd.service(8)).
    private static let mark = "/run/systemd/timesync/synchronized"

    /// Whether somebody keeps it right (adjtimex(2)); nil: it cannot be asked, as where a unit has `ProtectClock=`.
    package static var isSynchronised: Bool? {
        switch linux_clock_is_synchronised() {
        case 0: false
        case 1: true
        default: access(mark, F_OK) == 0 ? true : nil
        }
    }
}
