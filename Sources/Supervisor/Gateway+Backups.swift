import Admin
import Glibc
import Logging
import Policy
import Store

extension Gateway {
    /// Makes a backup of all that there is now.
    func backUp(for occasion: Backups.Occasion) throws(Refusal) -> Backups.Entry {
        let store: Store
        do throws(StoreError) { store = try self.store } catch { throw Refusal("\(error)") }
        var texts: [String: String] = [:]
        for (name, text) in try certificates.texts() { texts["tls/\(name)"] = text }
        for (name, text) in lists.texts(of: policy.blocklists) { texts["blocklists/\(name)"] = text }
        let entry = try backups.create(of: store, texts, for: occasion, at: now)
        backups.tidy()
        return entry
    }

    /// Makes the daily backup when it is due. A gateway that nobody has set up yet needs none.
    func backUpDaily() {
        guard hasBooks, !isStopping, revision.id > 1, backups.isDue(at: now) else { return }
        do throws(Refusal) {
            let entry = try backUp(for: .daily)
            backups.note(nil)
            log.info("the backup \(entry.name) is made")
        } catch {
            if backups.failure != error { log.error("\(error)") }
            backups.note(error)
        }
    }

    /// Makes a backup's policy the policy, and its certificates the certificates.
    func restore(_ name: String, by caller: Caller) async throws(AdminError) -> Applied {
        do throws(Refusal) {
            let content = try backups.content(of: name)
            guard hasBooks else {
                if caller.manner.dryRun != true { try await recoverBooks(from: name) }
                return Applied(revision: content.revision.id, changes: [], warnings: warnings)
            }
            try lists.restore(texts(of: content, in: "blocklists"))
            let applied = try await restored(content, name, by: caller)
            guard caller.manner.dryRun != true else { return applied }
            let identity = texts(of: content, in: "tls")
            guard applied.trial == nil else {
                await whenKept(applied) { gateway in
                    do throws(Refusal) {
                        try await gateway.restoreIdentity(identity, of: name)
                    } catch {
                        gateway.log.error("the certificate of \(name) is not restored: \(error)")
                    }
                }
                return applied
            }
            try await restoreIdentity(identity, of: name)
            return applied
        } catch {
            throw .refused("\(error)")
        }
    }

    private func restoreIdentity(_ texts: [String: String], of name: String) async throws(Refusal) {
        guard try certificates.restore(texts) else { return }
        log.notice("https listeners are to show the certificate of \(name)")
        if let failure = await reload() { throw failure }
    }

    private func restored(
        _ content: Backup.Content, _ name: String, by caller: Caller
    ) async throws(Refusal) -> Applied {
        do throws(AdminError) {
            return try await apply(by: caller, "backup restore \(name)") { policy throws(Refusal) in
                do throws(StoreError) {
                    // On the gateway that it comes from its rules have their numbers.
                    policy =
                        try store.canNumber(content.policy)
                        ? content.policy
                        : content.policy.keepingRuleNumbers(of: policy, next: try store.nextRuleID())
                } catch {
                    throw Refusal("\(error)")
                }
            }
        } catch {
            throw Refusal(error.reason)
        }
    }

    private func texts(of content: Backup.Content, in directory: String) -> [String: String] {
        var texts: [String: String] = [:]
        for (name, text) in content.texts where name.hasPrefix(directory + "/") {
            texts[String(name.dropFirst(directory.count + 1))] = text
        }
        return texts
    }
}
