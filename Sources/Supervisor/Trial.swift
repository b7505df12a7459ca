import Address
import Admin
import CLinux
import Glibc
import Machine
import Policy

/// A change that is in force until its time is up, and for good once somebody has confirmed it from a place that it might
/// have cut off.
///
/// The time is counted by a clock that nobody sets. The store's deadline is for people to read: a trial does not outlive the
/// daemon that began it, whatever any clock says.
struct Trial {
    let revision: Revision
    /// By `TrialClock.sinceBoot`.
    let end: Duration
    /// What the kernel goes back to by itself. nil: its rules are the same before and after.
    let former: FirewallAssignment.Former?
    /// Connections that came in before the change and could not be made anew under the new rules.
    let endangered: [Connections.Connection]
    /// The same, as callers are told.
    let told: [Endangered]
    /// What ends when the change is kept, of which one may be the operator's way in.
    let endings: [String]
    /// The sockets of all connections that there were when the kernel had just taken the new rules: one that is not among
    /// them came in under these.
    var earlier: Set<UInt64> = []
    /// What the change brings with it that no revision has, and that nothing takes back: done when the change is kept.
    var sequels: [Sequel] = []

    typealias Sequel = @Sendable (isolated Gateway) async -> Void

    func remaining(at now: Duration) -> Duration { max(end - now, .zero) }

    /// The endangered connections for which none from the same address has come to the same port under the new rules.
    func unproven(by connections: [Connections.Connection]) -> [Connections.Connection] {
        endangered.filter { lost in
            !connections.contains { connection in
                connection.remote.address == lost.remote.address && connection.local.port == lost.local.port
                    && !earlier.contains(connection.cookie)
            }
        }
    }

    /// As callers are told.
    func report(at now: Duration) -> Admin.Trial {
        let seconds = (remaining(at: now) / .seconds(1)).rounded(.up)
        return Admin.Trial(revision: revision.id, seconds: Int(seconds), endangered: told, endings: endings)
    }
}

/// The clocks by which a trial goes.
struct TrialClock: Sendable {
    /// Time since the machine was started, that in which it slept included. Nobody can set it.
    var sinceBoot: @Sendable () -> Duration
    /// Seconds since 1970, by the clock that anybody can set. Only shown.
    var onTheWall: @Sendable () -> Int

    static let system = TrialClock(
        sinceBoot: {
            var time = timespec()
            clock_gettime(bootTime, &time)
            return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        }, onTheWall: { time(nil) })

    static func nanoseconds(_ duration: Duration) -> Int64 {
        duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    }

    /// CLOCK_BOOTTIME of linux/time.h, which Glibc has under _GNU_SOURCE only.
    private static let bootTime: clockid_t = 7
}
