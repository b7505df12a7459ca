import Address
import Admin
import Glibc
import Logging
import Machine
import Policy
import Reactor
import Store

/// Who is in the home: the census, and what comes of it.
extension Gateway {
    /// A census goes through all neighbours; so often at most.
    private static let censusInterval = Duration.seconds(1)
    /// New devices that the log names at once.
    private static let announced = 8

    /// This machine as it is now, with who is in the home.
    func look() throws(MachineFailure) -> Surroundings {
        var current = try Surroundings.current()
        takeCensus(in: current)
        current.household = census.household
        current.household.learners = learnings.learners(at: now)
        current.clock = .around(now)
        current.accounts = LocalAccounts(
            numbers: accounts.numbers(), relays: user?.uid ?? getuid(),
            companion: Privileges.userOfCompanion(besides: user)?.uid ?? getuid())
        current.capacity = MemoryBudget.sessions(in: memoryOfRole)
        current.nameServers = names.servers.servers.map(\.address)
        return current
    }

    /// Takes down who is in the zones other than the internet, unless that was done a moment ago.
    func takeCensus(in surroundings: Surroundings) {
        if let censusTime, .now - censusTime < Self.censusInterval { return }
        censusTime = .now
        let neighbours: [Neighbour]
        do throws(MachineFailure) {
            neighbours = try Neighbour.all()
        } catch {
            log.error("the neighbours cannot be read: \(error)")
            return
        }
        let news = census.take(
            sightings(among: neighbours, in: surroundings), keeping: Set(policy.devices.map(\.hardware)),
            at: now)
        announce(news.newcomers)
        guard !news.changed.isEmpty || !news.gone.isEmpty else { return }
        do throws(StoreError) {
            try store.remember(news.changed, forgetting: news.gone)
        } catch {
            log.debug("the devices that were seen could not be kept: \(error)")
        }
    }

    private func sightings(among neighbours: [Neighbour], in surroundings: Surroundings) -> [Census.Sighting] {
        /// The interface of the home in whose network `address` is; nil: it is in none.
        func interface(around address: IPAddress) -> String? {
            surroundings.interfaces.first { interface in
                guard let zone = policy.zone(of: interface.name), zone.name != Zone.internet else { return false }
                return interface.addresses.contains { $0.network.contains(address) }
            }?.name
        }
        let seen = neighbours.filter { neighbour in
            guard let zone = policy.zone(of: neighbour.interface) else { return false }
            return zone.name != Zone.internet
        }.map {
            // A link-local address, or one of a network that is here no longer, shows that a device is there, and leads nobody to it.
            let leads = $0.address.special != .linkLocal && interface(around: $0.address) == $0.interface
            return Census.Sighting(
                hardware: $0.hardware, interface: $0.interface, address: leads ? $0.address : nil, age: $0.age)
        }
        let now = Int(time(nil))
        let leased = leases.leases.filter { $0.isValid(at: now) }.compactMap { lease in
            interface(around: lease.address).map {
                Census.Sighting(
                    hardware: lease.hardware, interface: $0, address: lease.address, hostname: lease.hostname,
                    isLease: true)
            }
        }
        return seen + leased
    }

    private func announce(_ newcomers: [Acquaintance]) {
        guard !newcomers.isEmpty else { return }
        let household = census.household
        let names = policy.deviceNames(in: household)
        for newcomer in newcomers.prefix(Self.announced) where policy.device(with: newcomer.hardware) == nil {
            guard let zone = policy.zone(of: newcomer.interface) else { continue }
            let addresses = household.member(newcomer.hardware)?.addresses.map(\.description) ?? []
            let kind = newcomer.hardware.isRandomised ? " (a made-up one)" : ""
            let place = addresses.isEmpty ? "" : ", at \(addresses.joined(separator: " "))"
            let name = names[newcomer.number] ?? ""
            log.notice(
                "a new device in the zone \(zone.name): \(name), \(newcomer.hardware)\(kind)\(place); it is \(policy.way(of: newcomer.hardware, in: zone))",
                metadata: ["DEVICE": "\(newcomer.hardware)"])
            tell(.device, "a new device in the zone \(zone.name): \(name), \(newcomer.hardware)\(kind)")
        }
        if newcomers.count > Self.announced {
            log.notice("\(newcomers.count - Self.announced) more new devices; `gatehousectl device list` shows them")
        }
    }

    /// The names of the devices that came within the last day and about which nothing is decided.
    var newDevices: [String] {
        let names = policy.deviceNames(in: surroundings.household)
        let yesterday = now - 86_400
        return census.acquaintances.filter { $0.firstSeen >= yesterday && policy.device(with: $0.hardware) == nil }
            .compactMap { names[$0.number] }
    }

    /// A line for each device that claims what is another's, and one if there were too many devices.
    var householdWarnings: [String] {
        let claims = policy.claims(in: surroundings.household)
        var warnings = Array(claims.prefix(3))
        if claims.count > 3 { warnings.append("\(claims.count - 3) more devices claim what is another's") }
        if census.turnedAway > 0 {
            warnings.append(
                "\(census.turnedAway) new devices could not be taken down at once: somebody in the home makes hardware "
                    + "addresses up")
        }
        return warnings
    }

    /// Forgets that a device was ever seen, unless it shows itself at present.
    func forgetAcquaintance(_ hardware: HardwareAddress) async {
        guard !census.isFound(hardware), census[hardware] != nil else { return }
        census.forget(hardware)
        do throws(StoreError) {
            try store.remember([], forgetting: [hardware])
        } catch {
            log.debug("the device \(hardware) could not be forgotten: \(error)")
        }
        await reload()
    }

    /// Looks at the neighbours as soon as a census may be taken.
    func lookAtNeighboursSoon() {
        guard let censusTime, case let wait = Self.censusInterval - (.now - censusTime), wait > .zero else {
            return lookAroundSoon()
        }
        guard !isCensusDue else { return }
        isCensusDue = true
        Task(executorPreference: reactor.taskExecutor) {
            await self.reactor.sleep(for: wait)
            await self.takeDueCensus()
        }
    }

    private func takeDueCensus() async {
        isCensusDue = false
        await reloadIfNeeded()
    }

    // MARK: traffic

    /// Counts of a day are kept in mind so often.
    private static let countInterval = Duration.seconds(300)

    /// Asks the roles how much each device has moved, unless that was done within the last second.
    func measureTraffic() async {
        guard !surroundings.household.members.isEmpty else { return }
        if let time = meter.time, .now - time < .seconds(1) { return }
        var reports: [(role: Role, generation: Int, totals: [DeviceTraffic])] = []
        for process in processes where process.isRunning {
            let generation = process.generation
            // A role that dies meanwhile takes what it has not told along.
            guard let totals = try? await process.traffic() else { continue }
            reports.append((process.role, generation, totals))
        }
        census.count(meter.take(reports, at: .now), on: today)
        if let countsKept, .now - countsKept < Self.countInterval { return }
        keepCounts()
    }

    /// How often each rule has refused what a client of a proxy wanted, by its number; 0: the default has.
    func refusalsByRules() async -> [ListRules.Refusals] {
        var all: [String: Int] = [:]
        for relay in fleet.relays where relay.isRunning {
            all.merge((try? await relay.stoppedPackets()) ?? [:], uniquingKeysWith: +)
        }
        return all.compactMap { rule, count in Int(rule).map { .init(rule: $0, count: count) } }.sorted {
            $0.rule < $1.rule
        }
    }

    /// Days since 1970-01-01, by the clock on the wall.
    var today: Int {
        return (now + surroundings.clock.offset(at: now)) / 86_400
    }

    func keepCounts() {
        countsKept = .now
        let changed = census.takeUncounted()
        guard !changed.isEmpty else { return }
        do throws(StoreError) {
            try store.remember(changed)
        } catch {
            log.debug("what devices have moved could not be kept: \(error)")
        }
    }

    // MARK: time

    func keepTime() { timekeeper.keep(log) }

    /// Carries the policy out anew whenever a device's pause or its hours end or begin, by the machine's clock, which may be set.
    func followTurns() async {
        var held: [HardwareAddress: DeviceStanding.Stop] = [:]
        var wasBelieved = timekeeper.isBelieved
        while !isStopping {
            await followClock()
            let now = now
            if timekeeper.isBelieved != wasBelieved {
                wasBelieved = timekeeper.isBelieved
                log.notice("the machine's clock is believed from now on")
                await reload()
            }
            let holds = policy.holds(at: now, on: surroundings.clock)
            if holds != held { await reload() }
            held = holds
            let next = policy.nextTurn(after: now, on: surroundings.clock)
            // The clock's seconds do not begin with ours.
            let isNear = next.map { $0 - now < 2 } ?? false
            await reactor.sleep(for: isNear ? .milliseconds(100) : .seconds(1))
        }
    }
}
