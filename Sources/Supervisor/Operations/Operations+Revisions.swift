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
        Method(Rollback.self) { gateway, call, caller in
            let former = try gateway.read { () throws(StoreError) in try gateway.store.policy(at: call.id) }
            return try await gateway.apply(by: caller, "rollback to revision \(call.id)") { policy throws(Refusal) in
                policy = former
            }
        },
    ]
}
