import Address
import Supervisor

/// The names that rules deny to who asks for them, on their way to the supervisor: of one client and rule one name a minute, for a tunnel
/// asks for thousands.
struct DenialLine {
    private struct Kind: Hashable {
        var rule: Int
        var member: UInt16
        /// Of one that is not marked; nil: the member says who it is.
        var client: IPAddress?
    }

    private static let pause = Duration.seconds(60)
    private static let capacity = 1024
    private var told: [Kind: ContinuousClock.Instant] = [:]
    /// Other events of the role are waited for.
    private var bound = EventBound(limit: EventLine.rate / 4)

    /// - Returns: whether it is to be told now.
    mutating func admits(_ denial: NameDenial, at now: ContinuousClock.Instant) -> Bool {
        let kind = Kind(
            rule: denial.rule, member: denial.member, client: denial.member == 0 ? denial.client : nil)
        if let last = told[kind], now - last < Self.pause { return false }
        if told[kind] == nil, told.count >= Self.capacity { told = told.filter { now - $0.value < Self.pause } }
        guard told.count < Self.capacity || told[kind] != nil, bound.admits(at: now) else { return false }
        told[kind] = now
        return true
    }
}
