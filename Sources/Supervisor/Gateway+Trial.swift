import Address
import Admin
import Glibc
import Logging
import Machine
import Policy
import Reactor
import Ruleset
import Store

// Changes on trial (commit-confirm). The daemon judges: how the caller came in, and what the calling process knows of that,
// does not matter. Four things end a trial: `confirm`, `revert`, its time, and the end of the daemon. The kernel falls back
// by itself at the same time (`Ruleset.trial`), whatever process is alive by then.

extension Gateway {
    /// Whom a change from the policy in force to `target` cuts off; nobody where the kernel's rules stay as they are.
    func judge(_ target: Policy) -> Verdict {
        let (before, after) = (rules(of: policy), rules(of: target))
        guard before != after else { return Verdict() }
        let judgement = Judgement(
            before: before, after: after, surroundings: surroundings,
            proxies: (policy.listeners + target.listeners).map(\.endpoint), elements: door.elements,
            way: Route.interface)
        let connections = connectionsNow()
        let endangered = judgement.endangered(among: connections.inbound)
        let endings = judgement.endings { OwnConversation.current(of: Set(ownAddresses)) }
        // A firewall that was there before has ended them already.
        let duties = before == nil && after != nil ? (try? Duty.all()) ?? [] : []
        return Verdict(
            altersRules: true, endangered: endangered,
            endsOwn: policy.egress != .strict && target.egress == .strict && !endings.isEmpty,
            consequences: Consequences(
                cuts: judgement.cuts(among: connections.listening, ephemeralPorts: Connections.ephemeralPorts),
                endangered: endangered.map(judgement.description), duties: duties.map(\.description),
                endings: endings))
    }

    struct Verdict {
        /// Whether the kernel's rules become others.
        var altersRules = false
        var endangered: [Connections.Connection] = []
        /// What leaves this machine is to be refused from now on, and some of it is under way: perhaps a tunnel by which the operator
        /// comes in, which nobody can tell from another.
        var endsOwn = false
        var consequences = Consequences()
    }

    /// What the kernel holds for `policy`; nil: it filters nothing.
    func rules(of policy: Policy) -> Ruleset? {
        guard options.firewall != .off, mode(of: policy) == .enforce else { return nil }
        return Ruleset(
            policy: FirewallAssignment(estate(of: policy)).policy, surroundings: surroundings,
            networks: lists.networks)
    }

    func connectionsNow() -> Connections {
        do throws(MachineFailure) {
            return try Connections.current()
        } catch {
            log.error("who is connected to this machine cannot be read: \(error)")
            return Connections()
        }
    }

    // MARK: the life of a trial

    /// The trial that a change is put on, for so many seconds from now.
    func trial(of revision: Revision, seconds: Int, _ verdict: Verdict) -> Trial {
        let end = clock.sinceBoot() + .seconds(seconds)
        let former = FirewallAssignment.Former(
            policy: mode(of: policy) == .enforce ? FirewallAssignment(estate(of: policy)).policy : nil,
            end: TrialClock.nanoseconds(end))
        return Trial(
            revision: revision, end: end, former: verdict.altersRules ? former : nil, endangered: verdict.endangered,
            told: verdict.consequences.endangered, endings: verdict.endsOwn ? verdict.consequences.endings : [])
    }

    /// The kernel holds the rules that are on trial.
    func begin(_ trial: Trial) {
        self.trial = trial
        let ports = Set(trial.endangered.map(\.local.port))
        self.trial?.earlier = Set(
            connectionsNow().inbound.filter { ports.contains($0.local.port) }.map(\.cookie))
        door.enterTrial(until: trial.revision.deadline ?? 0)
        let id = trial.revision.id
        Task(executorPreference: reactor.taskExecutor) { await self.endTrial(id) }
    }

    /// Waits until the trial's time is up, and takes the change back unless somebody else has ended the trial.
    private func endTrial(_ id: Int) async {
        while let trial, trial.revision.id == id, !isStopping {
            let remaining = trial.remaining(at: clock.sinceBoot())
            guard remaining > .zero else {
                await takeBackInTime(id)
                // Most often the trial is over by then.
                await reactor.sleep(for: self.trial == nil ? .zero : .seconds(5))
                continue
            }
            // In pieces: the timers do not count the time in which the machine sleeps.
            await reactor.sleep(for: min(remaining, .seconds(5)))
        }
    }

    private func takeBackInTime(_ id: Int) async {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard trial?.revision.id == id, !isStopping else { return }
        do throws(Refusal) {
            try await takeBack(by: .daemon, "revision \(id) taken back: nobody confirmed it in time")
        } catch {
            log.critical("\(error)")
        }
    }

    /// Keeps the change on trial.
    ///
    /// - Parameter isProven: whoever asks needs no connection to prove anything.
    func confirm(by author: Author, isProven: Bool) async throws(Refusal) -> Revision {
        let (kept, sequels) = try await keep(by: author, isProven: isProven)
        for sequel in sequels { await sequel(self) }
        return kept
    }

    /// - Returns: also what is to be done next.
    private func keep(by author: Author, isProven: Bool) async throws(Refusal) -> (Revision, [Trial.Sequel]) {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard let trial else { throw Refusal("no change is on trial") }
        guard trial.remaining(at: clock.sinceBoot()) > .zero else {
            throw Refusal("the time of revision \(trial.revision.id) is up; it is being taken back")
        }
        if !isProven {
            let unproven = trial.unproven(by: connectionsNow().inbound)
            guard unproven.isEmpty else { throw refusal(unproven) }
            guard trial.endings.isEmpty else { throw refusal(ending: trial.endings) }
        }
        do throws(StoreError) {
            revision = try store.keepTrial()
        } catch {
            throw Refusal("the change stays on trial: \(error)")
        }
        leaveTrial()
        log.notice("revision \(revision.id) is kept", metadata: ["author": "\(author.name)"])
        await carryOutAgain()
        keepCopies()
        return (revision, trial.sequels)
    }

    /// Does what a change brings with it, once it is sure that it is kept.
    func whenKept(_ applied: Applied, _ sequel: @escaping Trial.Sequel) async {
        if applied.trial == nil {
            await sequel(self)
        } else if trial?.revision.id == applied.revision {
            trial?.sequels.append(sequel)
        }
    }

    private func refusal(ending endings: [String]) -> Refusal {
        let shown =
            endings.prefix(3).joined(separator: ", ") + (endings.count > 3 ? " and \(endings.count - 3) more" : "")
        return Refusal(
            "this ends what programs of this machine have under way, and with it the way in if you come by one of these: \(shown). "
                + "`gatehousectl confirm --blind` keeps the change all the same")
    }

    private func refusal(_ unproven: [Connections.Connection]) -> Refusal {
        let places = Set(unproven.map { "\($0.remote.address) to port \($0.local.port)" }).sorted()
        let shown = places.prefix(3).joined(separator: ", ") + (places.count > 3 ? " and \(places.count - 3) more" : "")
        return Refusal(
            "nobody has come in anew from \(shown): open another connection from there and confirm in it, or "
                + "`gatehousectl confirm --blind`")
    }

    /// Takes the change on trial back.
    func revert(by author: Author) async throws(Refusal) -> Revision {
        await turnstile.enter()
        defer { turnstile.leave() }
        guard let trial else { throw Refusal("no change is on trial; `gatehousectl revision undo` takes back another") }
        try await takeBack(by: author, "revision \(trial.revision.id) taken back")
        return revision
    }

    /// First the kernel and the roles, then the store: a store that cannot be written knows the change as one on trial, and
    /// the next daemon takes it back before it does anything else.
    func takeBack(by author: Author, _ summary: String) async throws(Refusal) {
        guard let trial else { return }
        let tried = policy
        do throws(StoreError) {
            policy = try store.policy(at: trial.revision.id - 1)
        } catch {
            throw Refusal("the policy before the change on trial cannot be read: \(error)")
        }
        leaveTrial()
        _ = prepareNamedAddresses(of: policy, insteadOf: tried)
        noteNamedAddresses()
        await carryOutAgain()
        do throws(StoreError) {
            revision = try store.revertTrial(author: author, summary: summary)
            keepCopies()
            log.warning("\(summary)", metadata: ["author": "\(author.name)"])
        } catch {
            throw Refusal("the old rules hold again, but the store still calls the change one on trial: \(error)")
        }
    }

    /// A daemon that stops leaves nothing that another one would have to take back. For the caller whose turn it is.
    func endTrialToStop() async {
        guard let trial else { return }
        do throws(Refusal) {
            try await takeBack(by: .daemon, "revision \(trial.revision.id) taken back: gatehoused is stopping")
        } catch {
            log.error("\(error)")
        }
    }

    /// A change that was on trial when the daemon before this one ended, in whatever way, was not confirmed.
    ///
    /// - Returns: the policy that was on trial; nil: none was.
    static func endTrial(in store: Store, _ log: Logger) throws(StoreError) -> Policy? {
        guard let trial = try store.trial() else { return nil }
        let abandoned = try store.policy(at: trial.id)
        let summary = "revision \(trial.id) taken back: gatehoused ended while it was on trial"
        try store.revertTrial(author: .daemon, summary: summary)
        log.warning("\(summary)")
        return abandoned
    }

    /// Why nothing else can be changed now; nil: it can.
    var trialObstacle: Refusal? {
        trial.map { trial in
            let report = trial.report(at: clock.sinceBoot())
            return Refusal(
                "revision \(report.revision) is on trial for \(report.seconds) s more: `gatehousectl confirm` keeps it, "
                    + "`gatehousectl revert` takes it back; then try again")
        }
    }

    private func leaveTrial() {
        trial = nil
        door.leaveTrial()
    }
}

extension Author {
    /// What nobody asked for.
    static let daemon = Author(uid: getuid(), name: "gatehoused")
}
