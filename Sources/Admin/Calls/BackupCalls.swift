/// The calls about backups.
enum BackupCalls {
    static let all: [any Call.Type] = [CreateBackup.self, ListBackups.self, RestoreBackup.self]
}

/// A backup; the interface documents the members.
package struct BackupFacts: Codable, Hashable, Sendable {
    package var name: String
    package var revision: Int?
    package var time: Int?
    package var size: Int
    package var fault: String?

    package init(name: String, revision: Int?, time: Int?, size: Int, fault: String? = nil) {
        self.name = name
        self.revision = revision
        self.time = time
        self.size = size
        self.fault = fault
    }
}

package struct CreateBackup: Call {
    package static let documentation = """
        Makes a backup of the store, its history, the certificates and the names of blocklists, and opens it to see that
        it is good.
        path: where it is.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var backup: BackupFacts
        package var path: String

        package init(backup: BackupFacts, path: String) {
            self.backup = backup
            self.path = path
        }
    }

    package init() {}
}

package struct ListBackups: Call {
    package static let documentation = """
        The backups that there are, newest first.
        directory: where they are. A file that is put there is listed, too.
        """

    package struct Reply: Codable, Hashable, Sendable {
        package var directory: String
        package var backups: [BackupFacts]

        package init(directory: String, backups: [BackupFacts]) {
            self.directory = directory
            self.backups = backups
        }
    }

    package init() {}
}

package struct RestoreBackup: Call {
    package typealias Reply = Applied
    package static let documentation = """
        Makes the policy of a backup the policy, as a new revision, and its certificates the certificates; the history stays
        that of before. Where the store cannot be read, that of the backup takes its place, history included.
        name: as ListBackups tells it.
        """

    package var name: String

    package init(name: String) { self.name = name }
}
