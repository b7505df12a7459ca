import Address
import FoundationEssentials
import Glibc
import Logging
import Policy
import Reactor
import Ruleset

/// The pinholes of relays' sessions: opened when they ask, shut when they say so or are gone.
extension Gateway {
    func note(_ plea: Plea, from role: Role) {
        shut(plea.shuts, of: role)
        guard let number = plea.number, let generation = fleet[role]?.generation else { return }
        Task(executorPreference: reactor.taskExecutor) {
            await self.answer(number, plea.opens, of: role, generation)
        }
    }

    /// - Parameter generation: which process of the role has asked.
    private func answer(_ number: Int, _ opens: [Pinhole], of role: Role, _ generation: Int) async {
        let refusal = await open(opens, for: role)
        // A process that is gone meanwhile has nothing to be told, and its pinholes are shut with it.
        guard let process = fleet[role], process.generation == generation, process.isAlive else { return }
        do throws(Refusal) {
            try await process.order(.granted(number, refusal: refusal))
        } catch {
            log.debug("\(error)")
        }
    }

    /// - Returns: why they are not open; nil: they are.
    private func open(_ opens: [Pinhole], for role: Role) async -> String? {
        let served = listeners.filter { $0.role == role }
        for pinhole in opens where !Policy.allows(pinhole, for: served) {
            log.error("the \(role.name) role asks for a pinhole that no listener needs: \(pinhole)")
            return "no listener needs it"
        }
        for pinhole in opens { pinholes[role, default: [:]][pinhole, default: 0] += 1 }
        do throws(Refusal) {
            try await door.change(opens.map { LiveChange($0, .comes(milliseconds: nil)) })
            return nil
        } catch {
            log.error("a session gets no pinhole, and is refused: \(error)")
            shut(opens, of: role)
            return error.description
        }
    }

    private func shut(_ shuts: [Pinhole], of role: Role) {
        var changes: [LiveChange] = []
        for pinhole in shuts {
            guard let count = pinholes[role]?[pinhole] else { continue }
            // The same place may be another session's by now.
            pinholes[role]?[pinhole] = count > 1 ? count - 1 : nil
            if count == 1 { changes.append(LiveChange(pinhole, .goes)) }
        }
        forget(changes)
    }

    /// The process of a relay is gone, and its sessions with it.
    func shutPinholes(of role: Role) {
        let changes = (pinholes.removeValue(forKey: role) ?? [:]).keys.map { LiveChange($0, .goes) }
        forget(changes)
    }

    private func forget(_ changes: [LiveChange]) {
        guard !changes.isEmpty else { return }
        Task(executorPreference: reactor.taskExecutor) { await self.take(changes) }
    }

    private func take(_ changes: [LiveChange]) async {
        do throws(Refusal) {
            try await door.change(changes)
        } catch {
            log.error("pinholes could not be shut, which is done with the next ruleset: \(error)")
        }
    }

    // MARK: - For relays that outlive the daemon

    private var pinholeFile: String { options.runtime + "/pinholes" }

    /// Leaves word of the pinholes of relays that go on for so long beside the next daemon.
    func leavePinholes(of released: Set<Role>, for limit: Duration) {
        let left = released.flatMap { pinholes[$0].map { Array($0.keys) } ?? [] }
        guard !left.isEmpty else { return }
        for role in released { pinholes[role] = nil }
        let word = LeftPinholes(pinholes: left, milliseconds: Int(limit / .milliseconds(1)))
        do throws(Errno) {
            try StateFile.write(Message.encode(word), to: pinholeFile)
        } catch {
            log.error("the next daemon will shut the associations that go on: \(error)")
        }
    }

    /// Keeps the pinholes open that a daemon before left, for as long as its relays may go on.
    func takePinholes() {
        guard let bytes = StateFile.read(pinholeFile) else { return }
        unlink(pinholeFile)
        guard let word = Message.decode(LeftPinholes.self, from: bytes) else { return }
        door.live.prepare(word.pinholes.map { LiveChange($0, .comes(milliseconds: word.milliseconds)) })
    }
}

/// The pinholes of relays that outlive their daemon, and for how long.
private struct LeftPinholes: Codable {
    var pinholes: [Pinhole]
    var milliseconds: Int
}
