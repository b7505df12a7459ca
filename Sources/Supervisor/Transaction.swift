import Address
import Admin
import Logging
import Machine
import Policy
import Reactor
import Ruleset
import Store

/// A change of the policy: validate, open sockets, write (not yet in force), stage in the relays, one netlink transaction,
/// commit, switch. Any failure on the way undoes what came before it, and nothing old is dropped before everything new
/// stands.
struct Transaction {
    let author: Author
    let summary: String
    var manner = Manner()

    /// The outcome of a transaction, or of a dry run.
    struct Result {
        /// The revision in force: the old one after a dry run, or where nothing is different.
        var revision: Revision
        var consequences: Consequences
    }

    func carryOut(
        on gateway: isolated Gateway, _ edit: (inout Policy) throws(Refusal) -> Void
    ) async throws(Refusal) -> Result {
        try checkManner()
        let before = (sockets: gateway.sockets, surroundings: gateway.surroundings)
        var isDone = false
        var addresses: [LiveChange] = []
        defer {
            if !isDone {
                gateway.takeBack(namedAddresses: addresses)
                gateway.sockets = before.sockets
                // The roles still go by these; `reloadIfNeeded` has to see the difference.
                gateway.surroundings = before.surroundings
                gateway.prepareGround()
            }
        }
        gateway.lookAround()
        let old = gateway.policy
        var target = old
        try edit(&target)
        target.giveUniqueLocal(since: old, random: .random(in: 0...UInt64.max)) { interface in
            KernelSetting.value(of: "net/ipv6/conf/\(interface)/disable_ipv6") == "0"
                && gateway.surroundings.interface(named: interface)?.addresses
                    .contains { $0.address.isUniqueLocal } != true
        }
        try target.check(in: gateway.surroundings, since: old)
        guard manner.dryRun != true else {
            let verdict = gateway.judge(target)
            return Result(revision: gateway.revision, consequences: verdict.consequences)
        }
        try gateway.lists.check(target.blocklists.filter { !old.blocklists.contains($0) })
        // What listens on an address of ours needs it first.
        let given = gateway.groundwork(of: target).assignments
        if !given.isEmpty {
            for assignment in given { try gateway.ground.give(assignment) }
            gateway.lookAround()
        }
        // Those that follow from a zone come and go with its addresses: that one is not there yet is no fault of the change.
        let former = old.allListeners(in: gateway.surroundings)
        let added = target.allListeners(in: gateway.surroundings).filter { !former.contains($0) }
        if let failed = gateway.sockets.open(added).first(where: { $0.listener.kind.isProxy || $0.isTaken }) {
            throw failed.reason
        }
        gateway.refreshIdentity(for: target)
        if let failure = gateway.identityFailure,
            target.listeners.contains(where: { $0.kind == .https && !old.listeners.contains($0) })
        {
            throw failure
        }
        let verdict = gateway.judge(target)
        let seconds = trialSeconds(verdict)
        let pending = try prepare(target, deadline: seconds.map { gateway.clock.onTheWall() + $0 }, on: gateway)
        guard pending.isChange else {
            return Result(revision: pending.revision, consequences: Consequences())
        }
        let trial = seconds.map { gateway.trial(of: pending.revision, seconds: $0, verdict) }
        addresses = gateway.prepareNamedAddresses(of: target, insteadOf: old)
        let alters = try await stage(target, trial, on: gateway)
        do {
            gateway.revision = try pending.commit()
        } catch {
            await undo(alters, on: gateway)
            throw Refusal("nothing was changed: \(error)")
        }
        gateway.policy = target
        if let trial { gateway.begin(trial) }
        isDone = true
        if target.addressRules != old.addressRules || !addresses.isEmpty { gateway.noteNamedAddresses() }
        await gateway.fleet.commit()
        gateway.serve()
        gateway.prepareGround()
        // Before the relays' own name server goes, if it does.
        await gateway.giveNamesToAll()
        gateway.sockets.keep(only: gateway.listeners)
        gateway.bindSockets()
        gateway.legacy.keep(gateway.sockets)
        gateway.rememberHardware()
        gateway.keepCopies()
        gateway.lists.settle(on: target.blocklists, insteadOf: old.blocklists)
        if target.bans.spared != old.bans.spared {
            if gateway.trial == nil {
                Task(executorPreference: gateway.reactor.taskExecutor) { await gateway.releaseSpared() }
            } else {
                gateway.trial?.sequels.append { await $0.releaseSpared() }
            }
        }
        // Whoever reads that the door is shut may pull the plug: the mark is there by then.
        if target.firewall != old.firewall { await gateway.finishCopies() }
        let addition = seconds.map { ", on trial for \($0) s" } ?? ""
        gateway.log.notice(
            "revision \(gateway.revision.id): \(summary)\(addition)", metadata: ["author": "\(author.name)"])
        return Result(revision: gateway.revision, consequences: verdict.consequences)
    }

    private func checkManner() throws(Refusal) {
        guard let trial = manner.trial, !(0...Manner.longestTrial).contains(trial) else { return }
        throw Refusal("a trial of \(trial) s: give seconds from 1 to \(Manner.longestTrial), or 0 for none")
    }

    /// The seconds for which the change is on trial; nil: it is made for good.
    private func trialSeconds(_ verdict: Gateway.Verdict) -> Int? {
        guard let wish = manner.trial else {
            return verdict.endangered.isEmpty && !verdict.endsOwn ? nil : Manner.usualTrial
        }
        return wish == 0 ? nil : wish
    }

    private func prepare(
        _ target: Policy, deadline: Int?, on gateway: isolated Gateway
    ) throws(Refusal) -> Pending {
        do {
            return try gateway.store.prepare(target, author: author, summary: summary, deadline: deadline)
        } catch {
            throw Refusal("nothing was changed: \(error)")
        }
    }

    /// Stages `target` in every relay that it concerns, then makes the kernel hold its ruleset. Throws and undoes all of it if
    /// one refuses.
    ///
    /// - Returns: whether the kernel was asked: a ruleset that stays the same is left alone.
    private func stage(
        _ target: Policy, _ trial: Trial?, on gateway: isolated Gateway
    ) async throws(Refusal) -> Bool {
        var estate = gateway.estate(of: target)
        estate.former = trial?.former
        let share = FirewallAssignment(estate)
        let present = FirewallAssignment(gateway.estate(of: gateway.policy))
        if let service = gateway.service(of: target) { try await gateway.companion.prove(service) }
        do throws(Refusal) {
            try await gateway.fleet.stage(estate, gateway.sockets)
            // Before the rules: in between nothing passes that neither the old nor the new ones let pass.
            gateway.ground.withdraw(for: gateway.groundwork(of: target), keepsAddresses: true)
            if share.asksTheSame(as: present), !gateway.door.isClaimed, !gateway.door.holdsAnother(than: share) {
                return false
            }
            try await apply(share, insteadOf: present, on: gateway)
            return true
        } catch {
            await gateway.fleet.abort()
            throw error
        }
    }

    private func apply(
        _ share: FirewallAssignment, insteadOf present: FirewallAssignment, on gateway: isolated Gateway
    ) async throws(Refusal) {
        do throws(Refusal) {
            try await gateway.door.apply(share) { gateway.isStopping }
        } catch {
            // A change that only closes goes through although the kernel cannot be told: a listener that goes shuts its port.
            guard share.onlyCloses(comparedTo: present) else { throw error }
            gateway.door.note(error)
            gateway.log.error("the kernel could not be told, which is tried again: \(error)")
        }
    }

    /// The kernel gets the ruleset of the policy in force again, if it was asked for another, and the relays forget theirs.
    private func undo(_ alters: Bool, on gateway: isolated Gateway) async {
        if alters {
            do throws(Refusal) {
                try await gateway.door.apply(FirewallAssignment(gateway.estate(of: gateway.policy))) {
                    gateway.isStopping
                }
            } catch {
                gateway.door.note(error)
                gateway.log.critical("the firewall could not be set back: \(error)")
            }
        }
        await gateway.fleet.abort()
    }
}
