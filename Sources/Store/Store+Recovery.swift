import Glibc
package import Policy

extension StoreError {
    /// Whether the file is beyond reading, so that another one has to take its place. False: it may be read another time, or by
    /// another version.
    package var isDamage: Bool {
        switch self {
        case .corrupt, .foreign, .missing: true
        default: false
        }
    }
}

extension Store {
    /// Puts the store of a backup in the place of the one in `directory`, which is set aside. No store is open there.
    ///
    /// - Parameter now: seconds since 1970, for the name of what is set aside.
    /// - Returns: what was in the backup, and where the former store is; nil: there was none.
    package static func recover(
        _ path: String, in directory: String, scratch: String, at now: Int
    ) throws(StoreError) -> (content: Backup.Content, aside: String?) {
        let content = try Backup.unpack(path, into: scratch)
        defer { Backup.empty(scratch) }
        let database = directory + "/gatehouse.db"
        let aside = "\(database).damaged-\(now)"
        // A log that is left would be played into the new file; without it the old one is what it was.
        for suffix in ["-wal", "-shm"] {
            guard rename(database + suffix, aside + suffix) == 0 || errno == ENOENT else {
                throw .failed(path: database + suffix, detail: describe(errno: errno))
            }
        }
        let wasThere = link(database, aside) == 0
        guard wasThere || errno == ENOENT || errno == EEXIST else {
            throw .failed(path: aside, detail: describe(errno: errno))
        }
        // There is a store under the name at every moment, this one or that.
        guard rename(scratch + "/gatehouse.db", database) == 0 else {
            throw .failed(path: database, detail: describe(errno: errno))
        }
        syncDirectory(of: database)
        return (content, wasThere ? aside : nil)
    }

    /// Whether each rule of `policy` has a number that never stood for another rule.
    package func canNumber(_ policy: Policy) throws(StoreError) -> Bool {
        for rule in policy.rules where try !isOwn(numberOf: rule) { return false }
        return true
    }
}
