import Logging
import Policy
import Reactor
import Ruleset

/// The one owner of what the kernel is to hold: what was asked for last, what became of it, and how the door stands. It asks
/// the firewall role, never the kernel itself.
///
/// Belongs to the gateway and its thread.
final class Door {
    /// What the firewall role has done of what it was asked.
    private enum Standing {
        /// Nothing was asked yet. A table of ours that is there is from before.
        case untried
        /// A table from before is this daemon's own from now on: the next request to show takes it out.
        case claimed
        /// The last request was carried out.
        case applied(FirewallAssignment)
        /// The role ended before it had answered: the kernel holds what it held before, or what was asked for.
        case unsure
    }

    /// nil: the daemon runs without a firewall.
    private let process: RoleProcess?
    private let reactor: Reactor
    private let log: Logger
    /// What the live sets are to hold.
    let live: LiveSets
    private var standing = Standing.untried
    /// Why the kernel does not hold what it is to hold. nil: it does, or nothing was asked yet.
    private(set) var failure: Refusal?
    /// When the ruleset in force falls back (seconds since 1970). nil: it is not on trial.
    private(set) var trialEnd: Int?
    /// Policies that were in force and may have let something begin that nobody has judged since: of a trial in the middle of which the
    /// daemon before this one ended, and of that daemon, with openings whose time has come to an end meanwhile.
    var earlier: [Policy] = []
    /// Why the policy in force is a copy's and not the store's. nil: it is the store's.
    var fallback: Refusal?
    /// What was told of the table's last loss, if there was one.
    private(set) var lastLoss: String?
    /// Until it is a second old, a look at the kernel serves everybody who asks.
    private var look: (report: Report, at: ContinuousClock.Instant)?

    init(process: RoleProcess?, reactor: Reactor, log: Logger) {
        self.process = process
        self.reactor = reactor
        self.log = log
        live = LiveSets(process: process, reactor: reactor)
    }

    /// Whether the kernel holds a table of ours, or may.
    private var mayHold: Bool {
        switch standing {
        case .untried: false
        case .claimed, .unsure: true
        case .applied(let share): share.hold == .enforced
        }
    }

    /// Whether a table from before is to be taken out, though nothing else about the ruleset changes.
    var isClaimed: Bool {
        if case .claimed = standing { true } else { false }
    }

    /// Whether a ruleset has been carried out that nothing has put in doubt since. Relays accept nobody before.
    var isSettled: Bool {
        if case .applied = standing { true } else { process == nil }
    }

    /// Whether the kernel is to be asked again.
    var needsAnotherTry: Bool { failure != nil }

    /// What is asked of the kernel for a policy of that mode.
    func hold(for mode: FirewallMode) -> FirewallAssignment.Hold {
        mode == .enforce ? .enforced : mayHold ? .released : .shown
    }

    /// Whether the kernel was last given something else than `share`, as it was where an opening's time is up since: the
    /// policy in force asks for it no longer, and nobody has told the kernel.
    func holdsAnother(than share: FirewallAssignment) -> Bool {
        guard case .applied(let held) = standing else { return false }
        return !share.asksTheSame(as: held)
    }

    // MARK: requests

    /// A table that was in the kernel before this daemon is its own from now on, to be taken out where nothing is enforced.
    func claim() {
        if !mayHold { standing = .claimed }
    }

    /// Has `share` carried out, by the firewall role that has begun.
    ///
    /// - Throws: why the kernel holds what it held. To show costs nothing and never fails.
    func apply(_ share: FirewallAssignment, unless isStopping: () -> Bool) async throws(Refusal) {
        guard let process else { return }
        do throws(Refusal) {
            // A role that has just been started takes no order yet.
            let end = ContinuousClock.now + .seconds(5)
            while share.hold != .shown, !process.hasBegun, !isStopping(), .now < end {
                await reactor.sleep(for: .milliseconds(16))
            }
            guard process.hasBegun else { throw Refusal("the firewall role is being restarted; try again") }
            try await carryOut(share, by: process)
        } catch {
            if share.hold == .shown { return }
            // What cannot be taken out is from before, as it was: later changes are not to fail for it (EPERM without
            // CAP_NET_ADMIN).
            if case .claimed = standing { standing = .untried }
            throw error
        }
    }

    /// The first request to a firewall role that has just begun. Its refusal is noted, and tried again by whoever looks
    /// after the door.
    func bringUp(_ share: FirewallAssignment) async {
        guard let process else { return }
        live.forget()
        do throws(Refusal) {
            try await carryOut(share, by: process)
        } catch {
            note(error)
            log.critical("\(error)")
        }
    }

    /// Has the role take what came to the live sets while it was being brought up.
    func catchUp() async {
        guard isEnforced else { return }
        do throws(Refusal) {
            try await live.bringUp()
        } catch {
            note(error)
            log.error("\(error)")
        }
    }

    private func carryOut(_ share: FirewallAssignment, by process: RoleProcess) async throws(Refusal) {
        look = nil
        try await process.stage(.firewall(share.following(earlier)))
        if share.hold == .enforced { try await live.bringUp() }
        let before = standing
        if share.hold != .shown { standing = .unsure }
        if let refusal = try await process.ask(.commit).refusal {
            standing = before
            throw Refusal(refusal)
        }
        process.didCommit()
        standing = .applied(share)
        // Of a trial nothing is ended.
        if share.hold == .enforced, share.former == nil { earlier = [] }
        failure = nil
        look = nil
    }

    /// The kernel does not hold what it is to hold.
    func note(_ refusal: Refusal) {
        failure = refusal
        look = nil
    }

    /// Somebody else laid hands on the table.
    func noteLoss(_ detail: String, putBackAfter milliseconds: Int?) {
        look = nil
        guard let milliseconds else {
            failure = Refusal("the kernel's table was lost (\(detail)) and could not be put back yet")
            return log.critical("the kernel's table was lost (\(detail)) and is not back yet")
        }
        lastLoss = "somebody took the kernel's table (\(detail)); it was back after \(milliseconds) ms"
        log.warning("the kernel's table was lost (\(detail)) and was put back after \(milliseconds) ms")
    }

    /// What else filters, opens or stands in our way, as of the last look: a sentence each.
    var foreign: [String] { look?.report.foreign ?? [] }

    /// What other tables lead on elsewhere, as of the last look.
    var published: [PublishedPort] { look?.report.published ?? [] }

    /// The chains of other tables at which packets may end that ours lets through, as of the last look.
    var strict: [StrictChain] { look?.report.strict ?? [] }

    // MARK: what comes and goes

    /// Elements come into the kernel's live sets, and go.
    ///
    /// - Throws: why the kernel may not have them.
    func change(_ changes: [LiveChange]) async throws(Refusal) {
        try await live.change(changes, isEnforced: isEnforced)
    }

    /// How many packets each banned source has been stopped, by its address.
    func stopped() async throws(Refusal) -> [String: Int] {
        guard let process, process.hasBegun, isEnforced else { return [:] }
        return try await process.stoppedPackets()
    }

    /// What the live sets hold.
    var elements: LiveElements { live.elements }

    /// Whether a ruleset is in force, or may be.
    private var isEnforced: Bool {
        switch standing {
        case .applied(let share): share.hold == .enforced
        case .unsure: true
        case .untried, .claimed: false
        }
    }

    // MARK: trial

    /// The ruleset in force falls back at `end` (seconds since 1970).
    func enterTrial(until end: Int) { trialEnd = end }

    /// The ruleset in force is kept, or another one has taken its place.
    func leaveTrial() { trialEnd = nil }

    // MARK: looks

    /// What the kernel holds, by the firewall role's word. nil: the daemon runs without a firewall.
    func report() async throws(Refusal) -> Report? {
        guard let process else { return nil }
        if let look, ContinuousClock.now - look.at < .seconds(1) { return look.report }
        guard process.hasBegun else { throw Refusal("the firewall role is starting") }
        let report = try await process.report()
        look = (report, .now)
        return report
    }

    /// Whether the kernel's table is not the one in force, as after `nft flush ruleset`; with what is different about it.
    func loss() async -> String? {
        guard case .applied(let share) = standing, share.hold == .enforced else { return nil }
        look = nil
        switch try? await report()?.kernel {
        case .absent: return "somebody deleted it"
        case .different(let difference): return difference
        case .held, .left, .observing, .starting, .failed, .unknown, nil: return nil
        }
    }

    /// How the door stands now, where the policy in force is of that mode.
    func state(_ mode: FirewallMode) async -> DoorState {
        guard process != nil else { return fallback.map { .fallback(why: $0.description) } ?? .off }
        let kernel: KernelState
        do throws(Refusal) {
            kernel = try await report()?.kernel ?? .starting
        } catch {
            kernel = .unknown(reason: error.description)
        }
        return state(mode, kernel)
    }

    private func state(_ mode: FirewallMode, _ kernel: KernelState) -> DoorState {
        if mode == .enforce, let reason = reasonNotHeld(kernel) {
            // Of two troubles, the store's alone would hide that the door is open.
            return .refused(why: fallback.map { "\(reason); \($0)" } ?? reason)
        }
        if let fallback { return .fallback(why: fallback.description) }
        switch kernel {
        case .held: return trialEnd.map { .trial(until: $0) } ?? .enforced
        case .left(let detail): return .left(why: detail)
        case .starting: return .starting
        case .different(let detail): return .left(why: detail)
        case .failed(let reason), .unknown(let reason): return .unknown(why: reason)
        case .absent, .observing: return .observing
        }
    }

    private func reasonNotHeld(_ kernel: KernelState) -> String? {
        switch kernel {
        case .held: failure?.description
        case .starting: failure?.description
        case .absent: "somebody deleted the table; it is being put back"
        case .different(let detail), .left(let detail): detail
        case .observing: "it has not been asked for yet"
        case .failed(let reason): reason
        case .unknown(let reason): failure?.description ?? reason
        }
    }
}

extension FirewallAssignment {
    /// Whether the kernel is asked for the same.
    func asksTheSame(as other: FirewallAssignment) -> Bool {
        hold == other.hold && isOpen == other.isOpen && former == other.former
            && Ruleset(policy: policy, surroundings: surroundings)
                == Ruleset(policy: other.policy, surroundings: other.surroundings)
            && tellsTheSame(as: other)
    }

    /// Whether what the kernel passes on would be told by the same names and addresses.
    private func tellsTheSame(as other: FirewallAssignment) -> Bool {
        policy.deviceNames(in: surroundings.household) == other.policy.deviceNames(in: other.surroundings.household)
            && surroundings.interfaces.map(\.addresses) == other.surroundings.interfaces.map(\.addresses)
    }

    /// Whether it takes something away that `other` has, and nothing else is different.
    func onlyCloses(comparedTo other: FirewallAssignment) -> Bool {
        hold == other.hold && former == other.former && zones == other.zones && surroundings == other.surroundings
            && devices == other.devices && passages.allSatisfy(other.passages.contains)
            && forwards.allSatisfy(other.forwards.contains) && blocklists == other.blocklists && bans == other.bans
            && listeners.allSatisfy(other.listeners.contains) && openings.allSatisfy(other.openings.contains)
    }
}
