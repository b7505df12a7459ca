import Admin
import Glibc
import Policy
import Store

extension Operations {
    static let exposure: [Method<Gateway>] = [
        Method(Examine.self) { gateway, _, _ in await gateway.examination() },
        Method(Explain.self) { gateway, call, _ in try await gateway.explain(call) },
        Method(ListSockets.self) { gateway, _, _ in try await gateway.listSockets() },
        Method(ExpectSockets.self) { gateway, _, caller in
            ExpectSockets.Reply(count: try await gateway.expectSockets(by: caller))
        },
        Method(ListEvents.self) { gateway, call, _ in
            let since = call.since ?? Int(time(nil)) - 86_400
            let limit = max(0, min(call.limit ?? 500, Store.chronicleCapacity))
            gateway.keepChronicle()
            return try gateway.read { () throws(StoreError) in
                var revisions: [RevisionChanges] = []
                for revision in try gateway.store.revisions(limit: limit) where revision.time >= since {
                    revisions.append(
                        RevisionChanges(
                            revision: revision, changes: try gateway.store.changes(of: revision.id).lines))
                }
                return ListEvents.Reply(
                    events: try gateway.store.chronicle(since: since, limit: limit), revisions: revisions.reversed())
            }
        },
    ]
}
