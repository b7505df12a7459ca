import Logging
import Machine
import Policy
import Reactor

/// The life of a role's processes: started, brought up to the policy in force, started again.
extension Gateway {
    /// Keeps a role alive.
    func tend(_ role: Role) async {
        guard let process = fleet[role] else { return }
        while !isStopping {
            do {
                try process.launch()
                let generation = process.generation
                Task(executorPreference: reactor.taskExecutor) { await self.bringUp(role, generation) }
                await process.receive({ note($0, from: role) }, { note($0, from: role) })
                await process.finish()
                shutPinholes(of: .role(role))
                if role == .firewall { door.live.forget() }
                for account in 0..<UInt16(Counters.accounts) { process.counters.reset(account, activeOnly: true) }
                if let party = role.party { ledger.forget(party: party) }
                if isStopping { return }
                log.error("the \(role.name) role \(process.lastEnd); restarting it")
                tell(.role, "the \(role.name) role \(process.lastEnd), and is started again")
            } catch {
                log.critical("cannot start the \(role.name) role: \(error)")
                process.didFailToStart("\(error)")
                if role == .firewall { door.note(Refusal("the firewall role cannot be started: \(error)")) }
            }
            await reactor.sleep(for: process.nextPause())
        }
    }

    /// Gives a new process its user and its share of the policy in force.
    ///
    /// - Parameter generation: which process. It may end while this waits, and its successor has a bring-up of its own.
    private func bringUp(_ role: Role, _ generation: Int) async {
        guard let process = fleet[role] else { return }
        do throws(Refusal) {
            try await process.order(
                .begin(Beginning(user: user, logLevel: options.logLevel, memory: memoryOfRole)),
                descriptors: role.party == nil ? [] : [ledger.memory.number])
            process.didAnswerBegin(generation)
            if !role.serves.isEmpty {
                await giveNames(to: process)
                await waitForDoor()
            }
            await turnstile.enter()
            defer { turnstile.leave() }
            guard process.generation == generation else { return }
            let estate = estate(of: policy)
            switch role.share(estate, role) {
            case .firewall(let share):
                await door.bringUp(share)
                process.didBegin(generation)
                await door.catchUp()
            case .relay(let share):
                try await process.stage(.relay(share), sockets)
                try await process.commit()
            case .names(let share):
                try await process.stage(.names(share), sockets)
                try await process.commit()
            }
            process.didBegin(generation)
        } catch {
            guard !isStopping else { return }
            if role == .firewall { door.note(error) }
            log.error("\(error)")
            process.kill(generation)
        }
    }

    /// Bytes that one role may have: there are two relays, and the machine has more to do than this.
    var memoryOfRole: Int { max((options.memory ?? Memory.available) / 4, 64 << 20) }

    /// With a firewall that is to be enforced, no relay accepts before the kernel holds the ruleset.
    func waitForDoor() async {
        while firewallMode == .enforce, !door.isSettled, !isStopping {
            await reactor.sleep(for: .milliseconds(16))
        }
    }

    /// Leaves each relay that has begun to its sessions.
    ///
    /// - Returns: the roles whose processes may live on.
    func releaseRelays(for limit: Duration) async -> Set<Role> {
        var released: Set<Role> = []
        for relay in fleet.relays where relay.isRunning {
            do throws(Refusal) {
                try await relay.order(.outlive(milliseconds: Int(limit / .milliseconds(1))), within: .seconds(2))
                legacy.release(relay)
                released.insert(relay.role)
            } catch {
                log.error("its sessions end now: \(error)")
            }
        }
        return released
    }

    func drain(_ role: Role, within limit: Duration) async {
        let milliseconds = Int(limit / .milliseconds(1))
        _ = try? await fleet[role]?.order(.drain(milliseconds: milliseconds), within: limit + .seconds(1))
    }
}
