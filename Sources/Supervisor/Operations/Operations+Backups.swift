import Admin
import Logging
import Policy
import Store

extension Operations {
    static let copies: [Method<Gateway>] = [
        Method(CreateBackup.self) { gateway, _, caller in
            let entry = try gateway.backUp(for: .manual)
            gateway.log.notice("the backup \(entry.name) is made", metadata: ["author": "\(caller.author.name)"])
            return CreateBackup.Reply(backup: BackupFacts(entry), path: gateway.backups.path(of: entry.name))
        },
        Method(ListBackups.self) { gateway, _, _ in
            ListBackups.Reply(
                directory: gateway.backups.directory, backups: gateway.backups.entries.map { BackupFacts($0) })
        },
        Method(RestoreBackup.self) { gateway, call, caller in
            try await gateway.restore(call.name, by: caller)
        },
    ]
}

extension BackupFacts {
    fileprivate init(_ entry: Backups.Entry) {
        var fault: String?
        if case .failure(let error) = entry.result { fault = "\(error)" }
        self.init(
            name: entry.name, revision: entry.backup?.revision, time: entry.backup?.time, size: entry.size, fault: fault
        )
    }
}
