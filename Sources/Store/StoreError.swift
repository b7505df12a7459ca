/// Why the store could not be opened, read or changed. The description names the file and says what to do.
package enum StoreError: Error, Hashable {
    /// Another process holds the state directory; `pid` is what it wrote into the lock file.
    case held(directory: String, pid: Int?)
    /// A later Gatehouse wrote the file.
    case newer(path: String, version: Int, known: Int)
    /// A file of somebody else's.
    case foreign(path: String)
    case corrupt(path: String, detail: String)
    /// There is no store, or an empty one, where the firewall was enforced before.
    case missing(path: String)
    /// It could not be opened, and is asked for something all the same.
    case unreadable(why: String)
    case noSuchRevision(Int, newest: Int)
    /// A rule's number may never stand for another rule: whoever reads the history would be misled.
    case ruleNumberReused(Int)
    /// A second change was begun while one was pending.
    case changePending
    /// A trial was to be ended and there is none.
    case noTrial
    /// A revision cannot be undone, because of what came after it.
    case conflict(revision: Int, reason: String)
    /// A backup that cannot be used.
    case badBackup(path: String, detail: String)
    case full(path: String, detail: String)
    case failed(path: String, detail: String)
}

extension StoreError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .held(let directory, let pid?):
            "\(directory) is in use by process \(pid): another gatehoused runs on it; stop that one first"
        case .held(let directory, nil):
            "\(directory) is in use by another process; stop it first"
        case .newer(let path, let version, let known):
            """
            \(path) has format \(version), written by a newer Gatehouse; this one knows formats up to \(known). \
            Install the newer version again, or restore the copy that it made before it changed the format \
            (\(path).format-\(known))
            """
        case .foreign(let path):
            "\(path) is not a Gatehouse store and is left alone; move it away, or name another state directory"
        case .corrupt(let path, let detail):
            "\(path) is damaged (\(detail)); restore it from a backup with `gatehousectl backup restore`, or move it away to start with an empty policy"
        case .missing(let path):
            """
            \(path) is missing or empty, though the firewall was enforced: is its volume mounted? Restore it from a \
            backup, or remove the copies `last.json` and the mark `enforced` to begin anew with an open door
            """
        case .unreadable(let why):
            "the store cannot be read: \(why)"
        case .noSuchRevision(let id, let newest):
            "there is no revision \(id); the newest is \(newest)"
        case .ruleNumberReused(let id):
            "rule number \(id) stood for another rule before; numbers are not reused"
        case .changePending:
            "another change is under way; try again when it is done"
        case .noTrial:
            "no change is on trial"
        case .conflict(let revision, let reason):
            "revision \(revision) cannot be undone: \(reason)"
        case .badBackup(let path, let detail):
            "the backup \(path) is damaged: \(detail); take another one, which `gatehousectl backup list` shows"
        case .full(let path, let detail):
            "cannot write \(path): the disk is full (\(detail)); free some space and try again"
        case .failed(let path, let detail):
            "\(path): \(detail)"
        }
    }
}
