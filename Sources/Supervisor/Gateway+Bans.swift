import Address
import Admin
import Glibc
import Logging
import Machine
import Policy
import Reactor
import Ruleset
import Store

/// Who is banned: for proof that the roles tell of, or by the operator's word. The kernel has it first and then the store.
extension Gateway {
    /// The kernel is to keep out whom the store has, for what is left of it.
    func recallBans() {
        let now = now
        door.live.prepare(
            bans.inForce(at: now).map {
                LiveChange(banOf: $0.source, .comes(milliseconds: $0.millisecondsLeft(at: now)))
            })
    }

    /// Has bans last, and devices learn, as long as they were to where the clock was set.
    func followClock() async {
        let step = timekeeper.step()
        guard step != 0 else { return }
        learnings.shift(by: step)
        keepLearnings(atOnce: true)
        let shifted = bans.shift(by: step)
        guard !shifted.isEmpty else { return }
        do throws(StoreError) {
            try await write { () throws(StoreError) in try store.keep(shifted) }
        } catch {
            log.error("the bans are kept with the time of before: \(error)")
        }
    }

    /// Other bans are the ones from now on: those of a store that can be read again.
    func replaceBans(by others: BanList) {
        let now = now
        door.live.prepare(
            bans.inForce(at: now).filter { others.ban(of: $0.source, at: now) == nil }
                .map { LiveChange(banOf: $0.source, .goes) })
        bans = others
        recallBans()
    }

    /// Lets those go whom the policy spares by now.
    func releaseSpared() async {
        for ban in bans.inForce(at: now) where policy.bans.spares(ban.source) {
            do {
                try await release(ban.source, "is no longer banned, since it is spared")
            } catch {
                log.error("the ban of \(ban.source), which is spared, is not taken back for good: \(error)")
            }
        }
    }

    /// A source has done something that may earn it a ban.
    func note(_ reason: Ban.Reason, by client: IPAddress, _ text: String) {
        let source = Ban.source(of: client, beside: ownAddresses)
        let time = now
        guard bans.ban(of: source, at: time) == nil, beingBanned.insert(source).inserted else { return }
        Task(executorPreference: reactor.taskExecutor) {
            await self.examine(source, for: reason, text)
        }
    }

    /// Seconds.
    private static var silence: Int { 900 }

    private func examine(_ source: Network, for reason: Ban.Reason, _ text: String) async {
        defer { beingBanned.remove(source) }
        await followClock()
        if let obstacle = obstacle(toBanning: source) {
            // It is reported again and again, and told now and then.
            let last = sparedBans[source] ?? 0
            guard now - last >= Self.silence else { return }
            if sparedBans.count >= 64 { sparedBans = [:] }
            sparedBans[source] = now
            return log.notice("\(source) is not banned, \(obstacle): \(text)")
        }
        let zone = Route.interface(towards: source.base).flatMap { policy.zone(of: $0)?.name }
        let ban = bans.ban(
            of: source, for: reason, text, by: policy.bans, isAtHome: zone != nil && zone != Zone.internet, at: now)
        do throws(Refusal) {
            try await enforce(ban)
        } catch {
            log.error("\(source) could not be banned: \(error)")
        }
    }

    /// Bans a source by the operator's word.
    func ban(_ call: AddBan, by caller: Caller) async throws -> Ban {
        await followClock()
        let source = try Ban.source(call.source, beside: ownAddresses)
        if let obstacle = obstacle(toBanning: source) { throw Refusal("\(source) is not banned: \(obstacle)") }
        let until = call.until.map(timekeeper.adopt)
        if let until, until <= now { throw Refusal("the ban would be over already: \(until) is not after \(now)") }
        if let until, until - now > Ban.longest {
            throw Refusal("\(until) is more than a hundred years ahead; without an end a ban is until it is taken back")
        }
        let ban = Ban(
            source: source, reason: .order, text: String((call.text ?? "").prefix(200)), since: now, until: until,
            times: bans.times(of: source, at: now) + 1)
        try await enforce(ban)
        return ban
    }

    private func enforce(_ ban: Ban) async throws(Refusal) {
        let change = LiveChange(banOf: ban.source, .comes(milliseconds: ban.millisecondsLeft(at: now)))
        do throws(Refusal) {
            try await door.change([change])
        } catch {
            // It is what is to be all the same: the next ruleset that is put in force has it.
            log.error("\(error)")
        }
        let gone = bans.insert(ban, at: now)
        if !gone.isEmpty {
            try? await door.change(gone.map { LiveChange(banOf: $0, .goes) })
        }
        let length = ban.until.map { "for \(BanTerms.shown($0 - ban.since))" } ?? "until it is taken back"
        let why = ban.text.isEmpty ? "" : ": \(ban.text)"
        log.notice("\(ban.source) is banned \(length)\(why)")
        tell(.ban, "\(ban.source) is banned \(length)\(why)")
        do throws(StoreError) {
            try await write { () throws(StoreError) in try store.keep(ban, forgetting: gone) }
        } catch {
            throw Refusal("\(ban.source) is banned, but a restart will not know of it: \(error)")
        }
    }

    /// Takes a ban back.
    ///
    /// - Returns: as it was banned.
    func unban(_ network: Network, by caller: Caller) async throws -> Network {
        // As it was banned: the gateway may be in another network by now.
        let isListed = bans.ban(of: network, at: now) != nil
        let source = try isListed ? network : Ban.source(network, beside: ownAddresses)
        guard bans.ban(of: source, at: now) != nil else {
            throw Refusal("\(source) is not banned; `gatehousectl ban list` shows who is")
        }
        try await release(source, "is no longer banned, by \(caller.author.name)")
        return source
    }

    private func release(_ source: Network, _ word: String) async throws {
        do throws(Refusal) {
            try await door.change([LiveChange(banOf: source, .goes)])
        } catch {
            // It is what is to be all the same: the next ruleset that is put in force has it no longer.
            log.error("\(error)")
        }
        _ = bans.remove(source)
        tell(.ban, "\(source) \(word)")
        do throws(StoreError) {
            try await write { () throws(StoreError) in try store.forgetBan(of: source) }
        } catch {
            throw Refusal("\(source) is not banned any more, but a restart will not know of it: \(error)")
        }
    }

    /// A change that is being carried out has the store for itself.
    private func write(_ body: () throws(StoreError) -> Void) async throws(StoreError) {
        await turnstile.enter()
        defer { turnstile.leave() }
        try body()
    }

    /// Why a source is never banned; nil: it may be.
    private func obstacle(toBanning source: Network) -> String? {
        let terms = policy.bans
        if let spared = terms.spared(source) {
            return "\(spared) is spared (`gatehousectl ban unspare \(spared)`)"
        }
        if source.base.isLoopback || ownAddresses.contains(where: source.contains) { return "it is the gateway's own" }
        let routers = ((try? Route.defaults()) ?? []).flatMap(\.routers)
        if routers.contains(where: source.contains) { return "it is the gateway's router" }
        if names.servers.servers.contains(where: { source.contains($0.address) }) { return "it is a name server" }
        let connections = connectionsNow()
        let way = connections.inbound.first { connection in
            source.contains(connection.remote.address.unmapped)
                && isOperatorsWay(connection.local, among: connections.listening)
        }
        if let way { return "it has a connection to SSH, at port \(way.local.port), and may be the operator" }
        return nil
    }

    /// Whether a server of SSH listens there, by which an operator comes in. Another connection is no sign of one: whoever holds one to a
    /// web server could do as it likes. One to SSH does not prove that somebody has logged in, either, but nothing else that the kernel
    /// tells does, and an operator who is banned has no other way in.
    private func isOperatorsWay(_ place: Endpoint, among sockets: [Connections.ListeningSocket]) -> Bool {
        if case .ports(_, let ports) = Opening.Service.ssh, ports.contains(place.port) { return true }
        let groups = sockets.filter {
            $0.transport == .tcp && $0.local.port == place.port && $0.hears(place.address.unmapped)
        }.map { ($0.group, $0.uid) }
        guard groups.contains(where: { $0.0 != nil }) else { return false }
        let all = ControlGroup.all()
        return groups.contains { number, uid in
            number.flatMap { all[$0] }.map { !Self.sshServers.isDisjoint(with: $0.programs(of: uid)) } ?? false
        }
    }

    private static let sshServers: Set<String> = ["sshd", "dropbear"]

    var ownAddresses: [IPAddress] { surroundings.interfaces.flatMap(\.addresses).map(\.address) }

    /// The bans, with the packets that each has stopped by the kernel's word.
    func banReport() async -> ListBans.Reply {
        let packets = (try? await door.stopped()) ?? [:]
        return ListBans.Reply(
            bans: bans.inForce(at: now).map {
                BanStatus(
                    source: $0.source, reason: $0.reason, text: $0.text, since: $0.since, until: $0.until,
                    times: $0.times, packets: packets["\($0.source.base)"])
            }, terms: policy.bans, isEnforced: firewallMode == .enforce)
    }
}
