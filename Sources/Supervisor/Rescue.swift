import Address
import Glibc
import Policy
import Reactor
import Synchronization

/// Copies of the policy in force, for a start on which the store cannot be read: one beside the store, and one on the root
/// file system, where `enforced` tells the unit that shuts the box at boot that there is a door to shut.
///
/// Any thread may write them: of thousands of things that takes as long as all the rest of a change.
///
/// Both copies are mode 0600. The one beside the store has all that the store has; the other has no passwords.
final class Rescue: Sendable {
    /// A copy as it lies on the disk.
    private struct Copy: Codable, Equatable {
        var revision: Revision
        var policy: Policy
    }

    /// The policy that holds without a store.
    struct Found {
        var policy = Policy()
        var revision = Revision(
            id: 0, time: 0, author: Author(uid: 0, name: "gatehoused"), summary: "no store was read")
        /// The file that it comes from. nil: there is none.
        var path: String?
        /// Listeners that ask for passwords, which the copy has not got.
        var withoutPasswords: [Listener] = []

        /// - Parameter reason: why the store cannot be read.
        func explain(_ reason: Refusal) -> Refusal {
            let source =
                path.map { "in force is revision \(revision.id) as \($0) has it" }
                ?? (policy.firewall == .enforce
                    ? "there is no copy of what it said either, so nothing of this box can be reached"
                    : "nothing was enforced by it, and nothing is")
            let shut = withoutPasswords.map { "\($0.endpoint)" }.joined(separator: ", ")
            let left =
                shut.isEmpty ? "" : ", without the listeners that ask for passwords, which it has not got (\(shut))"
            return Refusal(
                "the store cannot be read: \(reason). \(source.prefix(1).uppercased() + source.dropFirst())\(left). "
                    + "Nothing can be changed until the store can be read, which is tried again and again")
        }
    }

    private static let name = "last.json"
    private let state: String
    /// nil: the daemon was not told of one.
    private let root: String?
    /// The content of each file, as this daemon has read or written it last.
    private let kept = Mutex<[String: Copy]>([:])
    private let retry = Mutex((next: ContinuousClock.now, pause: Duration.seconds(5)))

    init(_ options: Options) {
        state = options.state
        root = options.rescue
    }

    private var paths: [String] { [state, root].compactMap(\.self).map { "\($0)/\(Self.name)" } }
    private var mark: String? { root.map { "\($0)/enforced" } }

    /// Whether the mark is there by which the unit shuts the box at boot.
    var isMarked: Bool { mark.map { access($0, F_OK) == 0 } ?? false }

    /// Whether the firewall was enforced when somebody last could tell.
    var isEnforced: Bool { isMarked || paths.contains { read($0)?.policy.firewall == .enforce } }

    /// The copy beside the store, which has all that the store had; nil: there is none that can be read.
    var whole: (revision: Revision, policy: Policy)? { read(paths[0]).map { ($0.revision, $0.policy) } }

    /// The newest copy that can be read, or the policy that lets nobody in where there was a door.
    func load() -> Found {
        var found = Found()
        for path in paths {
            guard let copy = read(path), copy.revision.id > found.revision.id else { continue }
            found = Found(policy: copy.policy, revision: copy.revision, path: path)
        }
        if isEnforced { found.policy.firewall = .enforce }
        if found.policy.users.isEmpty {
            found.withoutPasswords = found.policy.listeners.filter { $0.authentication == .required }
            found.policy.listeners.removeAll { $0.authentication == .required }
        }
        return found
    }

    /// Writes both copies of the policy in force.
    ///
    /// - Parameter marks: the mode is the policy's own, so that the box is to be shut, or not, at boot.
    /// - Throws: names the copy that could not be written. The other one is.
    func keep(_ policy: Policy, _ revision: Revision, marks: Bool) throws(Refusal) {
        try kept.withLock { kept throws(Refusal) in
            var failure: Refusal?
            func attempt(_ body: () throws(Refusal) -> Void) {
                do throws(Refusal) { try body() } catch { failure = error }
            }
            attempt { () throws(Refusal) in
                try write(Copy(revision: revision, policy: policy), to: paths[0], &kept)
            }
            if marks, let mark, paths.count > 1 {
                attempt { () throws(Refusal) in
                    try write(Copy(revision: revision, policy: withoutSecrets(policy)), to: paths[1], &kept)
                }
                attempt { () throws(Refusal) in try set(mark, isEnforced: policy.firewall == .enforce) }
            }
            if let failure { throw failure }
        }
    }

    /// Each field by name: a secret that is added to the policy one day is not added here by itself.
    private func withoutSecrets(_ policy: Policy) -> Policy {
        Policy(
            listeners: policy.listeners, rules: policy.rules, defaultAction: policy.defaultAction,
            limits: policy.limits, openings: policy.openings, firewall: policy.firewall, zones: policy.zones,
            sessionLogging: policy.sessionLogging, devices: policy.devices, passages: policy.passages,
            forwards: policy.forwards, blocklists: policy.blocklists, egress: policy.egress, exits: policy.exits,
            trustedDomains: policy.trustedDomains, bans: policy.bans)
    }

    private func set(_ mark: String, isEnforced: Bool) throws(Refusal) {
        if isEnforced {
            if !isMarked { try write(Array("gatehouse-shut.service shuts the box at boot\n".utf8), to: mark) }
        } else if unlink(mark) != 0, errno != ENOENT {
            throw Refusal("\(mark) cannot be removed: \(Errno(errno)); the box will be shut at its next boot")
        }
    }

    /// Whether it is time to try the store again: after 5 s, and then more and more rarely, once a minute at last.
    func isRetryDue() -> Bool {
        retry.withLock { retry in
            guard .now >= retry.next else { return false }
            retry = (next: .now + retry.pause, pause: min(retry.pause * 2, .seconds(60)))
            return true
        }
    }

    // MARK: files

    private func read(_ path: String) -> Copy? {
        StateFile.read(path).flatMap { Message.decode(Copy.self, from: $0) }
    }

    private func write(_ copy: Copy, to path: String, _ kept: inout [String: Copy]) throws(Refusal) {
        // A file that has this content is not written again: the daemon starts more often than a policy changes.
        guard (kept[path] ?? read(path)) != copy || access(path, F_OK) != 0 else { return }
        kept[path] = nil
        try write(Message.encode(copy), to: path)
        kept[path] = copy
    }

    private func write(_ bytes: [UInt8], to path: String) throws(Refusal) {
        do throws(Errno) {
            try StateFile.write(bytes, to: path)
        } catch {
            throw Refusal(
                "no copy of the policy can be kept in \(path): \(error); the next start without a store lacks it")
        }
    }
}
