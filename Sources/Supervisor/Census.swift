import Address
import Policy

/// Who is in the home: what is seen at present, put together with what is remembered.
///
/// Whoever is on a link can show any number of hardware addresses, so all that is kept is bounded; what the operator has decided
/// about is never given up for it.
struct Census {
    /// A device that shows itself, by one of its addresses or by none.
    struct Sighting: Hashable {
        var hardware: HardwareAddress
        var interface: String
        var address: IPAddress?
        /// What it calls itself; nil: it was not asked.
        var hostname: String?
        /// Seconds since.
        var age = 0
        /// It is known by its lease alone, which it has whether or not it is there.
        var isLease = false
    }

    /// What a census brought.
    struct News: Equatable {
        /// Devices that were never seen before.
        var newcomers: [Acquaintance] = []
        /// What is to be kept in mind: newcomers, and whatever else is not as it was.
        var changed: [Acquaintance] = []
        /// Devices that had to make room.
        var gone: [HardwareAddress] = []
        /// How many devices there was no room for.
        var turnedAway = 0
    }

    static let capacity = 1024
    /// New devices in one census.
    static let newcomersAtOnce = 64
    /// Of one device.
    static let addressesAtOnce = 16
    /// An address that nothing has borne out for so long is no longer the device's: privacy addresses change each day (RFC 8981).
    static let addressLife = 86_400
    /// A device that was seen within so many seconds is there: one that sleeps answers now and then.
    static let presence = 900
    /// Seconds by which the remembered time may lag behind.
    static let storeInterval = 600

    private var known: [HardwareAddress: Acquaintance]
    /// When each was seen last, as the store has it.
    private var stored: [HardwareAddress: Int]
    private var addresses: [HardwareAddress: [IPAddress]] = [:]
    /// Whose counts are not as they were kept in mind last.
    private var uncounted: Set<HardwareAddress> = []
    /// The number given last.
    private var last: UInt16
    /// How many devices the last census had no room for.
    private(set) var turnedAway = 0

    init(_ acquaintances: [Acquaintance] = []) {
        known = Dictionary(acquaintances.map { ($0.hardware, $0) }) { first, _ in first }
        stored = known.mapValues(\.lastSeen)
        // Numbers come round only when all are used up: a conversation of before keeps the number of whoever had it.
        last = acquaintances.max { ($0.firstSeen, $0.number) < ($1.firstSeen, $1.number) }?.number ?? 0
    }

    subscript(hardware: HardwareAddress) -> Acquaintance? { known[hardware] }

    var acquaintances: [Acquaintance] { known.values.sorted { $0.number < $1.number } }

    func isPresent(_ hardware: HardwareAddress, at now: Int) -> Bool {
        known[hardware].map { now - $0.lastSeen < Self.presence } ?? false
    }

    /// Whether the last census has found anything of it.
    func isFound(_ hardware: HardwareAddress) -> Bool { addresses[hardware] != nil }

    var household: Household {
        Household(
            members: acquaintances.map {
                Household.Member(
                    number: $0.number, hardware: $0.hardware, interface: $0.interface, hostname: $0.hostname,
                    addresses: addresses[$0.hardware] ?? [])
            })
    }

    /// Takes down who is there.
    ///
    /// - Parameters:
    ///   - decided: devices about which the operator has decided something.
    ///   - now: seconds since 1970.
    mutating func take(
        _ sightings: [Sighting], keeping decided: Set<HardwareAddress>, at now: Int
    ) -> News {
        var news = News()
        let seen = Dictionary(grouping: sightings.filter { $0.age < Self.addressLife }, by: \.hardware)
            .mapValues { $0.sorted { ($0.isLease ? 1 : 0, $0.age) < ($1.isLease ? 1 : 0, $1.age) } }
        addresses = seen.mapValues { sightings in
            let leased = Set(sightings.filter(\.isLease).compactMap(\.address))
            // A device has one IPv4 address mostly: the one that it was given goes before any other, and one that it has been
            // seen with lately before those that the kernel has not forgotten yet.
            let isPlaced =
                !leased.isEmpty || sightings.contains { $0.age < Self.presence && $0.address?.isIPv6 == false }
            var own: [IPAddress] = []
            for sighting in sightings {
                guard let address = sighting.address, !own.contains(address) else { continue }
                let isFormer = isPlaced && !address.isIPv6 && sighting.age >= Self.presence
                if isFormer, !leased.contains(address) { continue }
                own.append(address)
                if own.count == Self.addressesAtOnce { break }
            }
            return own.filter(leased.contains).inOrder + own.filter { !leased.contains($0) }.inOrder
        }
        // In a fixed order, so that numbers are.
        for (hardware, sightings) in seen.sorted(by: { $0.key < $1.key }) {
            guard let latest = sightings.first else { continue }
            let hostname = sightings.lazy.compactMap(\.hostname).first
            if known[hardware] != nil {
                meetAgain(hardware, latest, hostname, at: now, &news)
            } else {
                meet(hardware, latest, hostname, keeping: decided, at: now, &news)
            }
        }
        // Of whom there was no room for nothing is kept.
        addresses = addresses.filter { known[$0.key] != nil }
        turnedAway = news.turnedAway
        return news
    }

    private mutating func meetAgain(
        _ hardware: HardwareAddress, _ latest: Sighting, _ hostname: String?, at now: Int, _ news: inout News
    ) {
        guard var entry = known[hardware] else { return }
        let before = entry
        entry.hostname = hostname ?? entry.hostname
        if !latest.isLease {
            entry.interface = latest.interface
            entry.lastSeen = max(entry.lastSeen, now - latest.age)
        }
        known[hardware] = entry
        let isLate = entry.lastSeen - (stored[hardware] ?? 0) >= Self.storeInterval
        guard isLate || entry.interface != before.interface || entry.hostname != before.hostname else { return }
        stored[hardware] = entry.lastSeen
        news.changed.append(entry)
    }

    private mutating func meet(
        _ hardware: HardwareAddress, _ latest: Sighting, _ hostname: String?, keeping decided: Set<HardwareAddress>,
        at now: Int, _ news: inout News
    ) {
        // What the operator waits for comes in among any number of others.
        guard news.newcomers.count < Self.newcomersAtOnce || decided.contains(hardware),
            makeRoom(for: hardware, keeping: decided, &news)
        else {
            news.turnedAway += 1
            return
        }
        let entry = Acquaintance(
            number: nextNumber(), hardware: hardware, interface: latest.interface, hostname: hostname, firstSeen: now,
            lastSeen: now - latest.age)
        known[hardware] = entry
        stored[hardware] = entry.lastSeen
        news.newcomers.append(entry)
        news.changed.append(entry)
    }

    /// Forgets somebody if there are too many: who is not there, has made its address up, and was seen longest ago. For one that is
    /// decided about also somebody who is there: a lease shows its holder for half a day, and anybody takes leases.
    private mutating func makeRoom(
        for hardware: HardwareAddress, keeping decided: Set<HardwareAddress>, _ news: inout News
    ) -> Bool {
        guard known.count >= Self.capacity else { return true }
        var strangers = known.values.filter { addresses[$0.hardware] == nil && !decided.contains($0.hardware) }
        if strangers.isEmpty, decided.contains(hardware) {
            strangers = known.values.filter { !decided.contains($0.hardware) }
        }
        let worst = strangers.min { first, second in
            first.hardware.isRandomised == second.hardware.isRandomised
                ? first.lastSeen < second.lastSeen : first.hardware.isRandomised
        }
        guard let worst else { return false }
        forget(worst.hardware)
        news.gone.append(worst.hardware)
        return true
    }

    /// Counts what devices have moved, by their numbers, on `day` (days since 1970-01-01).
    mutating func count(_ moved: [UInt16: Meter.Amount], on day: Int) {
        guard !moved.isEmpty else { return }
        for (hardware, entry) in known {
            guard let amount = moved[entry.number] else { continue }
            var entry = entry
            if entry.day != day { (entry.day, entry.sent, entry.received) = (day, 0, 0) }
            entry.sent &+= amount.sent
            entry.received &+= amount.received
            known[hardware] = entry
            uncounted.insert(hardware)
        }
    }

    /// Those whose counts have not been kept in mind since they were asked for last.
    mutating func takeUncounted() -> [Acquaintance] {
        defer { uncounted = [] }
        return uncounted.compactMap { known[$0] }
    }

    mutating func forget(_ hardware: HardwareAddress) {
        known[hardware] = nil
        stored[hardware] = nil
    }

    private mutating func nextNumber() -> UInt16 {
        let used = Set(known.values.map(\.number))
        repeat { last = last >= Household.lastNumber ? 1 : last + 1 } while used.contains(last)
        return last
    }
}

extension [IPAddress] {
    /// In an order that stays: IPv4 first, by their numbers.
    fileprivate var inOrder: [IPAddress] {
        sorted { first, second in
            switch (first, second) {
            case (.v4(let left), .v4(let right)): left < right
            case (.v6(let left), .v6(let right)): left < right
            case (.v4, .v6): true
            case (.v6, .v4): false
            }
        }
    }
}
