import Glibc
import Machine
import Policy
import Reactor
import Store

/// The backups in STATE/backups, each one file: one a day by itself, of which seven are kept, and those that somebody asked
/// for.
///
/// Belongs to the gateway and its thread.
final class Backups {
    /// Who wanted a backup.
    enum Occasion: String {
        case daily, manual
    }

    /// A file in the directory.
    struct Entry {
        var name: String
        var result: Result<Backup, StoreError>
        var size: Int
    }

    static let kept = 7
    private static let ending = ".backup"

    let directory: String
    private let state: String
    private var scratch: String { directory + "/scratch" }
    /// That a damaged store was set aside for a backup's, and which; nil: none was, by this daemon.
    private(set) var recovery: Refusal?
    /// Why there is no new daily backup; nil: there is one.
    private(set) var failure: Refusal?
    private var nextTry = ContinuousClock.now
    /// When the newest good daily backup was made, in seconds since 1970. nil: nobody has looked yet, or there is none.
    private var newestDaily: Int?

    init(_ options: Options) {
        state = options.state
        directory = options.state + "/backups"
    }

    /// Makes a backup.
    func create(
        of store: Store, _ texts: [String: String], for occasion: Occasion, at now: Int
    ) throws(Refusal) -> Entry {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw Refusal("\(directory) cannot be made: \(String(cString: strerror(errno)))")
        }
        // What a daemon that was killed had begun.
        for name in names where name.contains(Self.ending + ".new") { unlink(path(of: name)) }
        let name = freeName(for: occasion, at: now)
        do throws(StoreError) {
            let backup = try store.backUp(to: path(of: name), scratch: scratch, with: texts, at: now)
            if occasion == .daily { newestDaily = backup.time }
            return Entry(name: name, result: .success(backup), size: backup.size)
        } catch {
            throw Refusal("no backup was made: \(error)")
        }
    }

    /// Whether the last daily backup is a day old. A clock that jumps makes one due.
    func isDue(at now: Int) -> Bool {
        guard ContinuousClock.now >= nextTry else { return false }
        if newestDaily == nil {
            newestDaily = entries.first { $0.name.hasPrefix(Occasion.daily.rawValue) }?.backup?.time
        }
        return newestDaily.map { abs(now - $0) >= 86_400 } ?? true
    }

    /// What came of a daily backup. One that failed is tried again every hour.
    func note(_ failure: Refusal?) {
        self.failure = failure
        if failure != nil { nextTry = .now + .seconds(3600) }
    }

    /// Removes the daily backups that are not among the newest. A damaged one is kept by nobody's wish.
    func tidy() {
        let daily = entries.filter { $0.name.hasPrefix(Occasion.daily.rawValue) }
        let good = daily.filter { $0.backup != nil }.prefix(Self.kept).map(\.name)
        for entry in daily where !good.contains(entry.name) { unlink(path(of: entry.name)) }
    }

    /// Whatever is in the directory.
    private var names: [String] { Directory.names(in: directory) }

    /// Newest first; those that are damaged last.
    var entries: [Entry] {
        var entries: [Entry] = []
        for name in names where Self.isName(name) {
            var status = stat()
            stat(path(of: name), &status)
            do throws(StoreError) {
                entries.append(
                    Entry(name: name, result: .success(try Backup(path: path(of: name))), size: status.st_size))
            } catch {
                entries.append(Entry(name: name, result: .failure(error), size: status.st_size))
            }
        }
        return entries.sorted { ($0.backup?.time ?? 0, $0.name) > ($1.backup?.time ?? 0, $1.name) }
    }

    /// Opens a store of the backup and reads all of it, and removes that store again.
    func content(of name: String) throws(Refusal) -> Backup.Content {
        try checkExists(name)
        defer { Backup.empty(scratch) }
        do throws(StoreError) {
            return try Backup.unpack(path(of: name), into: scratch)
        } catch {
            throw Refusal("\(error)")
        }
    }

    // MARK: recovery

    /// Puts the store of the newest good backup in the place of one that is damaged.
    ///
    /// - Returns: false: there is none.
    func recover(_ rescue: Rescue, after damage: Refusal) -> Bool {
        for entry in entries where entry.backup != nil {
            do throws(Refusal) {
                try recover(from: entry.name, rescue: rescue, after: damage)
                return true
            } catch {
                // An older one may be better.
                recovery = error
            }
        }
        return false
    }

    /// Puts the store of a backup, and what lay beside it, in the place of those that there are. No store is open.
    ///
    /// - Parameter rescue: has the policy that was in force last, which is made a revision if it is newer; nil: the backup's is
    ///   wanted as it is.
    func recover(from name: String, rescue: Rescue?, after damage: Refusal? = nil) throws(Refusal) {
        try checkExists(name)
        let now = Int(time(nil))
        do throws(StoreError) {
            let (content, aside) = try Store.recover(path(of: name), in: state, scratch: scratch, at: now)
            try putBack(content.texts)
            let store = try Store(directory: state)
            defer { store.close() }
            var isNewer = false
            if let last = rescue?.whole, last.revision.id > content.revision.id, try store.canNumber(last.policy) {
                try store.commit(
                    last.policy, author: .daemon,
                    summary: "revision \(last.revision.id) as it was: the store was damaged, and is that of \(name)")
                isNewer = true
            }
            let former = aside.map { "; the damaged one is \($0)" } ?? ""
            let policy =
                isNewer
                ? "and what was in force last is in force again"
                : "and what was changed since then is lost: `gatehousectl revision list`"
            recovery = damage.map {
                Refusal(
                    "the store was damaged (\($0)). It is that of the backup \(name) now, of \(Opening.time(content.revision.time)), "
                        + policy + former)
            }
        } catch {
            throw Refusal("the backup \(name) cannot take the place of the store: \(error)")
        }
    }

    private func putBack(_ texts: [String: String]) throws(StoreError) {
        for (name, text) in texts {
            let parts = name.split(separator: "/").map(String.init)
            guard parts.count == 2, ["tls", "blocklists"].contains(parts[0]), !parts[1].hasPrefix(".") else { continue }
            mkdir("\(state)/\(parts[0])", 0o700)
            do throws(Errno) {
                try StateFile.write(Array(text.utf8), to: "\(state)/\(name)")
            } catch {
                throw .failed(path: "\(state)/\(name)", detail: "\(error)")
            }
        }
    }

    // MARK: names

    func path(of name: String) -> String { "\(directory)/\(name)" }

    private func checkExists(_ name: String) throws(Refusal) {
        guard Self.isName(name), access(path(of: name), F_OK) == 0 else {
            throw Refusal(
                "there is no backup \(name) in \(directory); `gatehousectl backup list` shows them, and one from elsewhere has to "
                    + "be put there first")
        }
    }

    private static func isName(_ name: String) -> Bool {
        name.hasSuffix(ending) && !name.hasPrefix(".") && !name.contains("/")
    }

    private func freeName(for occasion: Occasion, at now: Int) -> String {
        var (seconds, parts) = (time_t(now), tm())
        gmtime_r(&seconds, &parts)
        let length = 32
        var text = [CChar](repeating: 0, count: length)
        strftime(&text, length, "%Y-%m-%dT%H%M%SZ", &parts)
        let date = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let stem = "\(occasion.rawValue)-\(date)"
        let names = [stem] + (2...99).map { "\(stem)-\($0)" }
        return (names.first { access(path(of: $0 + Self.ending), F_OK) != 0 } ?? stem) + Self.ending
    }
}

extension Backups.Entry {
    /// nil: it is damaged.
    var backup: Backup? { try? result.get() }
}
