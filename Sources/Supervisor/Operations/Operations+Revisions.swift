import Admin
import Policy
import Store

extension Operations {
    static let revisions: [Method<Gateway>] = [
        Method(ListRevisions.self) { gateway, call, _ in
            try gateway.read { () throws(StoreError) in
                ListRevisions.Reply(revisions: try gateway.store.revisions(limit: call.limit ?? 20))
            }
        },
        Method(GetRevision.self) { gateway, call, _ in
            try gateway.read { () throws(StoreError) in
                GetRevision.Reply(
                    revision: try gateway.store.revision(call.id), changes: try gateway.store.changes(of: call.id).lines
                )
            }
        },
        Method(CompareRevisions.self) { gateway, call, _ in
            try gateway.read { () throws(StoreError) in
                let (from, to) = (try gateway.store.policy(at: call.from), try gateway.store.policy(at: call.to))
                return CompareRevisions.Reply(changes: to.changes(from: from).lines)
            }
        },
        Method(Undo.self) { gateway, call, caller in
            let undone = try gateway.read { () throws(StoreError) in try gateway.store.policy(undoing: call.id) }
            return try await gateway.apply(by: caller, "revision undo \(call.id)") { policy throws(Refusal) in
                policy = undone
            }
        },
        Method(Rollback.self) { gateway, call, caller in
            let former = try gateway.read { () throws(StoreError) in try gateway.store.policy(at: call.id) }
            var exceptions: [String] = []
            let summary = "rollback to revision \(call.id)" + (call.all == true ? ", with all" : "")
            var applied = try await gateway.apply(by: caller, summary) { policy throws(Refusal) in
                if call.all == true {
                    policy = former
                } else {
                    (policy, exceptions) = policy.goingBack(to: former)
                }
            }
            applied.warnings += exceptions.map { "\($0); --all does not leave it out" }
            return applied
        },
    ]
}
