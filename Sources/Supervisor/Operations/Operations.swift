import Admin
import Logging
import Policy
import Reactor
import Store

/// What can be asked for over the admin socket: how the gateway carries out each call.
enum Operations {
    static let all: [Method<Gateway>] =
        gateway + listeners + users + rules + limits + blocklists + names + bans + firewall + zones + devices + learning
        + forwards
        + egress
        + revisions + configuration + copies
        + trial + machine + certificates
        + sessions + exposure
}

extension Gateway: AdminHandler {
    static var methods: [Method<Gateway>] { Operations.all }

    /// Makes what `edit` does to the policy a revision, and tells what came of it.
    ///
    /// - Parameter summary: the command, for the history.
    func apply(
        by caller: Caller, _ summary: String, _ edit: (inout Policy) throws(Refusal) -> Void
    ) async throws(AdminError) -> Applied {
        if let draft = caller.draft {
            try change(draft: draft, edit)
            return Applied(revision: revision.id, changes: [])
        }
        var changes = Changes()
        let result: Transaction.Result
        do throws(Refusal) {
            result = try await change(by: caller.author, summary, caller.manner) { policy throws(Refusal) in
                let former = policy
                try edit(&policy)
                changes = policy.changes(from: former)
            }
        } catch {
            throw .refused(error.description)
        }
        var applied = Applied(
            revision: result.revision.id, changes: changes.lines, warnings: warnings,
            consequences: result.consequences.isEmpty ? nil : result.consequences)
        guard caller.manner.dryRun != true else { return applied }
        for line in changes.lines.prefix(100) { log.notice("revision \(result.revision.id): \(line)") }
        if let trial, trial.revision.id == result.revision.id { applied.trial = trial.report(at: clock.sinceBoot()) }
        return applied
    }

    /// - Throws: `notFound` for a revision that does not exist, `refused` for a store that cannot be read.
    func read<Value>(_ body: () throws(StoreError) -> Value) throws(AdminError) -> Value {
        do throws(StoreError) {
            return try body()
        } catch {
            if case .noSuchRevision = error { throw .notFound("\(error)") }
            throw .refused("\(error)")
        }
    }
}
