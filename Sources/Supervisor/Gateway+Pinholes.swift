import Address
import FoundationEssentials
import Glibc
import Logging
import Policy
import Reactor
import Ruleset

/// The pinholes of relays' sessions: opened when they ask, shut when they say so or are gone.
extension Gateway {
    /// Whose sessions have a pinhole.
    enum PinholeHolder: Hashable {
        case role(Role)
        /// A relay that outlives its daemon, by its name with the service manager.
        case legacy(String)
    }

    func note(_ plea: Plea, from role: Role) {
        shut(plea.shuts, of: .role(role))
        guard let number = plea.number, let generation = fleet[role]?.generation else { return }
        Task(executorPreference: reactor.taskExecutor) {
            await self.answer(number, plea.opens, of: role, generation)
        }
    }

    /// - Parameter generation: which process of the role has asked.
    private func answer(_ number: Int, _ opens: [Pinhole], of role: Role, _ generation: Int) async {
        let refusal = await open(opens, for: role)
        // A process that is gone meanwhile has nothing to be told, and its pinholes are shut with it.
        let end = ContinuousClock.now + Self.patience
        while let process = fleet[role], process.generation == generation, process.isAlive {
            do throws(Refusal) {
                try await process.order(.granted(number, refusal: refusal))
                return
            } catch {
                // Its channel is full: the session waits for the answer all the same.
                log.debug("\(error)")
                guard .now < end else { return process.kill(generation) }
                await reactor.sleep(for: .milliseconds(50))
            }
        }
    }

    private static var patience: Duration { .seconds(10) }

    /// - Returns: why they are not open; nil: they are.
    private func open(_ opens: [Pinhole], for role: Role) async -> String? {
        let served = listeners.filter { $0.role == role }
        for pinhole in opens where !Policy.allows(pinhole, for: served) {
            log.error("the \(role.name) role asks for a pinhole that no listener needs: \(pinhole)")
            return "no listener needs it"
        }
        for pinhole in opens { pinholes[.role(role), default: [:]][pinhole, default: 0] += 1 }
        do throws(Refusal) {
            try await door.change(opens.map { LiveChange($0, .comes(milliseconds: nil)) })
            return nil
        } catch {
            log.error("a session gets no pinhole, and is refused: \(error)")
            shut(opens, of: .role(role))
            return error.description
        }
    }

    private func shut(_ shuts: [Pinhole], of holder: PinholeHolder) {
        var gone: [Pinhole] = []
        for pinhole in shuts {
            guard let count = pinholes[holder]?[pinhole] else { continue }
            pinholes[holder]?[pinhole] = count > 1 ? count - 1 : nil
            if count == 1 { gone.append(pinhole) }
        }
        forget(gone)
    }

    /// A relay is gone, and its sessions with it.
    func shutPinholes(of holder: PinholeHolder) {
        forget(Array((pinholes.removeValue(forKey: holder) ?? [:]).keys))
    }

    private func forget(_ gone: [Pinhole]) {
        // The same place may be another session's by now.
        let changes = gone.filter { pinhole in !pinholes.values.contains { $0[pinhole] != nil } }
            .map { LiveChange($0, .goes) }
        guard !changes.isEmpty else { return }
        // The next daemon begins with what it is left.
        if let leave { return writeLeave(leave) }
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
        for role in released {
            guard let process = fleet[role], let held = pinholes.removeValue(forKey: .role(role)) else { continue }
            pinholes[.legacy(Legacy.name(of: process))] = held
        }
        leave = limit
        writeLeave(limit)
    }

    private func writeLeave(_ limit: Duration) {
        var left = LeftPinholes(relays: [:], milliseconds: Int(limit / .milliseconds(1)))
        for case (.legacy(let name), let held) in pinholes {
            left.relays[name] = held.flatMap { Array(repeating: $0.key, count: $0.value) }
        }
        do throws(Errno) {
            try StateFile.write(Message.encode(left), to: pinholeFile)
        } catch {
            log.error("the next daemon will shut the associations that go on: \(error)")
        }
    }

    /// Keeps the pinholes open of relays that a daemon before left, each as long as its session goes on.
    func takePinholes(of relays: [Legacy.Item]) {
        let bytes = StateFile.read(pinholeFile)
        unlink(pinholeFile)
        let left = bytes.flatMap { Message.decode(LeftPinholes.self, from: $0) }
        for relay in relays {
            for pinhole in left?.relays[relay.name] ?? [] {
                pinholes[.legacy(relay.name), default: [:]][pinhole, default: 0] += 1
                // Whatever the relay does, no longer than it may live.
                door.live.prepare([LiveChange(pinhole, .comes(milliseconds: left?.milliseconds))])
            }
            let channel = Channel(adopting: Descriptor(adopting: relay.descriptor), on: reactor)
            Task(executorPreference: reactor.taskExecutor) { await self.attend(channel, relay.name) }
        }
    }

    /// Hears a relay of a daemon before say which sessions have ended, until it is gone. Nothing else that it says is of interest:
    /// nobody answers it.
    private func attend(_ channel: Channel, _ name: String) async {
        var bound = EventBound(limit: EventBound.pleas + EventBound.borne)
        while let packet = try? await channel.receive() {
            guard bound.admits() else {
                log.error("\(name) says more than any of ours does; nobody hears it any more")
                break
            }
            guard case .plea(let plea)? = Message.decode(Word.self, from: packet.bytes) else { continue }
            shut(plea.shuts, of: .legacy(name))
        }
        shutPinholes(of: .legacy(name))
    }
}

/// The pinholes of relays that outlive their daemon, by the relays' names, and for how long.
private struct LeftPinholes: Codable {
    /// A pinhole that several sessions have is there for each.
    var relays: [String: [Pinhole]]
    var milliseconds: Int
}
