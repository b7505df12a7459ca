import Address
import Admin
import Logging
import Policy
import Reactor
import Store

/// Where watched devices go: taken down of those that learn, and told of those that are held. And what comes of it, the hold.
extension Gateway {
    /// What was seen often before is kept in mind so often; a new destination at once.
    private static let interval = Duration.seconds(60)
    /// What a role says beyond that is not believed.
    private static let mostAtOnce = 1_000_000

    // MARK: what is seen

    /// Takes down what a role tells, behind what it told before.
    func note(_ visits: [DeviceVisit], isRouted: Bool) {
        visitsToNote += visits.map { ($0, isRouted) }
        guard !isNotingVisits else { return }
        isNotingVisits = true
        Task(executorPreference: reactor.taskExecutor) { await self.noteVisits() }
    }

    private func noteVisits() async {
        while !visitsToNote.isEmpty {
            let visits = visitsToNote
            visitsToNote = []
            if visits.contains(where: \.isRouted) { await learnNames() }
            for (visit, isRouted) in visits { note(visit, isRouted: isRouted) }
            keepLearnings()
        }
        isNotingVisits = false
    }

    private func note(_ visit: DeviceVisit, isRouted: Bool) {
        guard let member = surroundings.household.members.first(where: { $0.number == visit.device }) else { return }
        let found = learnings.note(
            visit.visit, of: member.hardware, isRouted: isRouted, isRefused: visit.isRefused,
            count: min(max(visit.count, 0), Self.mostAtOnce), at: now)
        switch found?.news {
        case .destination: areLearningsDue = true
        case .refusal:
            let name = policy.deviceNames(in: surroundings.household)[visit.device] ?? "\(member.hardware)"
            guard let found, policy.isHeld(name) else { return }
            tell(.device, "\(name), which is held, was refused \(found.visit)")
        case nil: break
        }
    }

    /// Asks the names role by which names the watched devices found which addresses.
    private func learnNames() async {
        guard let names = fleet[.names], names.hasBegun, let told = try? await names.toldNames() else { return }
        let hardware = Dictionary(surroundings.household.members.map { ($0.number, $0.hardware) }) { first, _ in first }
        for word in told {
            if let hardware = hardware[word.device] { learnings.note(word.name, at: word.address, of: hardware) }
        }
    }

    /// Takes down what the device has under way: it may have begun it before it learnt, or while nobody listened.
    private func noteUnderWay(of hardware: HardwareAddress) async {
        let names = policy.deviceNames(in: surroundings.household)
        guard let member = surroundings.household.member(hardware), let name = names[member.number] else { return }
        let now = Int(MonotonicClock.nanoseconds / 1000)
        let query = SessionQuery(SessionSelection(device: name), leavesOutClosed: true, now: now)
        let parts = (try? await askRoles { role throws(Refusal) in try await role.sessions(query) }) ?? []
        await learnNames()
        for session in parts.flatMap(\.sessions) {
            guard let visit = session.visit else { continue }
            let found = learnings.note(
                visit, of: hardware, isRouted: session.kind == .routed, isRefused: false, count: 0,
                at: self.now)
            if found != nil { areLearningsDue = true }
        }
        keepLearnings()
    }

    /// Keeps in mind what is new.
    ///
    /// - Parameter atOnce: also what is only more of the same.
    func keepLearnings(atOnce: Bool = false) {
        guard !learnings.changed.isEmpty else { return }
        if !atOnce, !areLearningsDue, let learningsKept, .now - learningsKept < Self.interval { return }
        do throws(StoreError) {
            let changed = learnings.changed.sorted()
            try store.keep(
                changed.compactMap { learnings[$0] }, forgetting: changed.filter { learnings[$0] == nil })
            learnings.didStore()
            (areLearningsDue, learningsKept) = (false, .now)
        } catch {
            // A change is being made: the next visit tries again.
            log.debug("where devices go could not be kept: \(error)")
        }
    }

    /// Takes down what devices that learn have begun since the daemon before this one ended.
    func resumeLearning() async {
        for hardware in learnings.learners(at: now) { await noteUnderWay(of: hardware) }
    }

    // MARK: learning

    func learn(_ call: LearnDevice) async throws -> LearnDevice.Reply {
        let hardware = try policy.hardware(named: call.device, in: surroundings.household)
        guard Learning.spans.contains(call.seconds) else {
            throw Refusal("\(call.seconds) s is no time in which a device learns; give 1 minute to 60 days")
        }
        let name = try deviceName(call.device) ?? call.device
        guard !policy.isHeld(name) else {
            throw Refusal(
                "\(name) is held, and learns nothing that it is not allowed already; `gatehousectl rule add allow --device "
                    + "\(name)` lets it go elsewhere as well, `gatehousectl device release \(name)` takes the hold away"
            )
        }
        // Its time goes by as it does for who is banned, whatever the clock is set to.
        await followClock()
        let end = now + call.seconds
        learnings.begin(hardware, at: now, until: end, anew: call.anew == true)
        keepLearnings(atOnce: true)
        await reload()
        await noteUnderWay(of: hardware)
        tell(.device, "\(name) learns from now on")
        return LearnDevice.Reply(until: end, warnings: warnings(aboutLearning: hardware, name))
    }

    private func warnings(aboutLearning hardware: HardwareAddress, _ name: String) -> [String] {
        guard let member = surroundings.household.member(hardware), let zone = policy.zone(of: member.interface) else {
            return ["\(name) has not been seen yet; it learns as soon as it shows itself"]
        }
        var warnings: [String] = []
        if policy.isRouted(zone), firewallMode != .enforce {
            warnings.append(
                "the firewall is not enforced, so that only what goes through the proxies is seen; `gatehousectl firewall enforce`"
            )
        }
        if zone.service?.names != true {
            warnings.append(
                "the gateway answers no questions for names in the zone \(zone.name), so that what is routed is seen by its "
                    + "address alone; `gatehousectl zone set \(zone.name) --dns`")
        }
        return warnings
    }

    func stopLearning(_ text: String) async throws {
        let hardware = try policy.hardware(named: text, in: surroundings.household)
        let name = try deviceName(text) ?? text
        guard learnings[hardware]?.until != nil else {
            throw Refusal("\(name) does not learn at present; `gatehousectl device learn \(name)` begins it")
        }
        await endLearning(of: [hardware])
    }

    /// Those whose time is up learn no longer.
    func endLearning() async {
        await followClock()
        let over = learnings.over(at: now)
        if !over.isEmpty { await endLearning(of: over) }
    }

    private func endLearning(of devices: [HardwareAddress]) async {
        for hardware in devices {
            await noteUnderWay(of: hardware)
            learnings.end(hardware)
            let name = (try? deviceName("\(hardware)")) ?? "\(hardware)"
            let count = learnings[hardware]?.all.count ?? 0
            tell(
                .device,
                "\(name) learns no longer: it was seen to go to \(count) destination\(count == 1 ? "" : "s"); `gatehousectl device hold \(name)` holds it to them"
            )
        }
        keepLearnings(atOnce: true)
        await reload()
    }

    func forgetLearning(_ hardware: HardwareAddress) {
        learnings.forget(hardware)
        keepLearnings(atOnce: true)
    }

    // MARK: the hold

    func hold(_ call: HoldDevice, by caller: Caller) async throws -> Applied {
        guard caller.draft == nil else { throw Refusal("a hold is imported as the rules that it is made of") }
        let hardware = try policy.hardware(named: call.device, in: surroundings.household)
        if learnings[hardware]?.until != nil { await noteUnderWay(of: hardware) }
        guard let learning = learnings[hardware], !learning.isEmpty else {
            throw Refusal(
                "\(call.device) was not seen to go anywhere, so nothing would be left to it; `gatehousectl device learn \(call.device)` "
                    + "and wait until it has done all that it is to do; `gatehousectl device way \(call.device) blocked` is for one that needs nothing"
            )
        }
        var name = call.device
        var earlier: [Rule] = []
        let visits = learning.all.map(\.visit)
        var applied = try await apply(by: caller, "device hold \(call.device)") { policy throws(Refusal) in
            name = policy.adopt(hardware, in: surroundings.household)
            let first: Int
            do throws(StoreError) { first = try store.nextRuleID() } catch { throw Refusal("\(error)") }
            try policy.hold(name, to: visits, firstID: first)
            earlier = policy.rulesBeforeHold(of: name)
        }
        for rule in earlier {
            applied.warnings.append("rule \(rule.id) (\(rule)) comes first, so that \(name) goes there as before")
        }
        guard caller.manner.dryRun != true else { return applied }
        await whenKept(applied) { gateway in
            gateway.learnings.end(hardware)
            gateway.learnings.forgetRefusals(of: hardware)
            gateway.keepLearnings(atOnce: true)
            await gateway.reload()
        }
        return applied
    }

    func release(_ call: ReleaseDevice, by caller: Caller) async throws -> Applied {
        let hardware = try policy.hardware(named: call.device, in: surroundings.household)
        let name = try deviceName(call.device) ?? call.device
        let applied = try await apply(by: caller, "device release \(call.device)") { policy throws(Refusal) in
            try policy.release(name)
        }
        if caller.manner.dryRun != true {
            await whenKept(applied) { $0.learnings.forgetRefusals(of: hardware) }
        }
        return applied
    }
}

extension SessionRecord {
    /// Where it leads; nil: nowhere in particular, or nowhere yet.
    fileprivate var visit: Visit? {
        switch activity {
        case .handshake, .udp, .bind: return nil
        case .tunnel, .requests, .flow: break
        }
        guard let origin else { return nil }
        let transport = transport ?? .tcp
        let named = host.flatMap { try? Host($0) }
        let hasPort = transport == .tcp || transport == .udp
        return Visit(
            host: named ?? .address(origin.address.unmapped), transport: transport, port: hasPort ? origin.port : nil)
    }
}
