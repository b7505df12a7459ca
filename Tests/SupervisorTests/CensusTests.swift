import Address
import Policy
import Testing

@testable import Supervisor

@Suite struct `A census` {
    /// A maker's address, or one that a device has made up.
    private func hardware(_ number: Int, isRandomised: Bool = false) -> HardwareAddress {
        HardwareAddress(bytes: [isRandomised ? 0x02 : 0x00, 0, 0, 0, UInt8(number >> 8), UInt8(number & 0xff)])!
    }

    private func sighting(
        _ hardware: HardwareAddress, _ address: String? = nil, on interface: String = "eth1",
        called name: String? = nil,
        age: Int = 0
    ) -> Census.Sighting {
        Census.Sighting(
            hardware: hardware, interface: interface, address: address.map { IPAddress($0)! }, hostname: name, age: age)
    }

    @Test func `gives each device a number, which it keeps wherever it goes and whatever it is called`() {
        var census = Census()
        let news = census.take(
            [sighting(hardware(1), "192.168.1.10"), sighting(hardware(2), called: "tv")], keeping: [], at: 1000)
        #expect(news.newcomers.map(\.number) == [1, 2] && news.changed == news.newcomers)
        #expect(census.take([sighting(hardware(1), "192.168.1.10")], keeping: [], at: 1001) == .init())
        let moved = census.take([sighting(hardware(1), on: "wlan0", called: "pad")], keeping: [], at: 1002)
        #expect(moved.newcomers.isEmpty && moved.changed.map(\.number) == [1])
        #expect(census.household.members.map(\.number) == [1, 2])
        #expect(census[hardware(1)]?.interface == "wlan0" && census[hardware(1)]?.firstSeen == 1000)
        // As after a restart.
        var next = Census(census.acquaintances)
        #expect(next.take([sighting(hardware(3))], keeping: [], at: 2000).newcomers.map(\.number) == [3])
        #expect(next[hardware(2)]?.number == 2 && next[hardware(2)]?.hostname == "tv")
    }

    @Test func `puts a device's addresses together, and drops those that nothing has borne out for a day`() {
        var census = Census()
        _ = census.take(
            [
                sighting(hardware(1), "2001:db9::5"), sighting(hardware(1), "192.168.1.10", age: 3600),
                sighting(hardware(1), "2001:db9::4", age: 90_000), sighting(hardware(1), "192.168.1.10"),
            ], keeping: [], at: 1000)
        #expect(census.household.member(hardware(1))?.addresses.map(\.description) == ["192.168.1.10", "2001:db9::5"])
        #expect(census.isFound(hardware(1)) && census.isPresent(hardware(1), at: 1000 + Census.presence - 1))
        _ = census.take([], keeping: [], at: 1001)
        #expect(census.household.member(hardware(1))?.addresses == [] && !census.isFound(hardware(1)))
        #expect(!census.isPresent(hardware(1), at: 1000 + Census.presence))
        let crowd = (0..<100).map { sighting(hardware(1), "10.0.0.\($0)") }
        _ = census.take(crowd, keeping: [], at: 1002)
        #expect(census.household.member(hardware(1))?.addresses.count == Census.addressesAtOnce)
    }

    @Test func `takes a device's name and address from its lease, which says nothing of whether it is there`() {
        var census = Census()
        var lease = sighting(hardware(1), "192.168.1.20", called: "tv")
        lease.isLease = true
        _ = census.take([sighting(hardware(1), "fd00::5", age: 600), lease], keeping: [], at: 5000)
        #expect(census[hardware(1)]?.hostname == "tv" && census[hardware(1)]?.lastSeen == 4400)
        #expect(census.household.members[0].addresses.map(\.description) == ["192.168.1.20", "fd00::5"])
        // It has gone, and its lease is its own still.
        _ = census.take([lease], keeping: [], at: 9000)
        #expect(census[hardware(1)]?.lastSeen == 4400 && !census.isPresent(hardware(1), at: 9000))
        #expect(census.household.members[0].addresses.map(\.description) == ["192.168.1.20"])
    }

    /// A forward led to the lower of two addresses for a day.
    @Test func `puts the address that a device was given before one that it had, and drops what it had lately no more`()
    {
        var census = Census()
        var lease = sighting(hardware(1), "192.168.1.120")
        lease.isLease = true
        let former = sighting(hardware(1), "192.168.1.50", age: Census.presence)
        func addresses(_ sightings: Census.Sighting...) -> [String]? {
            _ = census.take(sightings, keeping: [], at: 5000)
            return census.household.member(hardware(1))?.addresses.map(\.description)
        }
        #expect(addresses(sighting(hardware(1), "192.168.1.50"), lease) == ["192.168.1.120", "192.168.1.50"])
        #expect(addresses(former, lease, sighting(hardware(1), "fd00::5", age: 5000)) == ["192.168.1.120", "fd00::5"])
        #expect(addresses(former, sighting(hardware(1), "192.168.1.9")) == ["192.168.1.9"])
        // Nothing better is known.
        #expect(addresses(former) == ["192.168.1.50"])
    }

    @Test func `writes down that a device is still there now and then, and not each time`() {
        var census = Census()
        _ = census.take([sighting(hardware(1))], keeping: [], at: 1000)
        #expect(census.take([sighting(hardware(1))], keeping: [], at: 1000 + Census.storeInterval - 1).changed.isEmpty)
        let later = census.take([sighting(hardware(1))], keeping: [], at: 1000 + Census.storeInterval)
        #expect(later.changed.map(\.lastSeen) == [1000 + Census.storeInterval])
    }

    /// An attacker that makes up an address for each frame must neither fill the memory nor push out who is known.
    @Test func `is bounded, and forgets made-up addresses first and what the operator has decided about never`() {
        var census = Census()
        let (kid, tv, printer) = (hardware(1, isRandomised: true), hardware(2), hardware(3))
        _ = census.take([sighting(kid), sighting(tv), sighting(printer)], keeping: [kid], at: 1000)
        var time = 2000
        var number = 100
        func flood(_ count: Int, isRandomised: Bool) {
            for _ in 0..<count / Census.newcomersAtOnce {
                let crowd = (0..<Census.newcomersAtOnce).map {
                    sighting(hardware(number + $0, isRandomised: isRandomised))
                }
                // The printer is there all the time.
                let news = census.take(crowd + [sighting(printer)], keeping: [kid], at: time)
                #expect(news.newcomers.count == Census.newcomersAtOnce && news.turnedAway == 0)
                (number, time) = (number + Census.newcomersAtOnce, time + 1)
            }
        }
        flood(4 * Census.capacity, isRandomised: true)
        #expect(census.acquaintances.count <= Census.capacity)
        #expect([kid, tv, printer].allSatisfy { census[$0] != nil })
        flood(4 * Census.capacity, isRandomised: false)
        #expect(census.acquaintances.count <= Census.capacity)
        // Longest away of all that have a maker's address.
        #expect(census[tv] == nil && census[kid] != nil && census[printer] != nil)
        #expect(Set(census.acquaintances.map(\.number)).count == census.acquaintances.count)
    }

    @Test func `takes in who is decided about even in a crowd, and turns away whom there is no room for`() {
        var census = Census()
        let crowd = (0..<2 * Census.newcomersAtOnce).map { sighting(hardware(10 + $0)) }
        let kid = hardware(0xfff0)
        let news = census.take(crowd + [sighting(kid)], keeping: [kid], at: 1000)
        #expect(news.newcomers.contains { $0.hardware == kid })
        #expect(news.turnedAway == Census.newcomersAtOnce && census.turnedAway == news.turnedAway)
        // All of them are there: nobody can be forgotten for a newcomer.
        var full = Census()
        let all = (0..<Census.capacity).map { sighting(hardware($0 + 1)) }
        for time in 0..<Census.capacity / Census.newcomersAtOnce { _ = full.take(all, keeping: [], at: time) }
        #expect(full.acquaintances.count == Census.capacity)
        #expect(full.take(all + [sighting(kid)], keeping: [], at: 9000).turnedAway == 1)
        // But for one that is waited for, and nobody takes its place again.
        let late = full.take(all + [sighting(kid)], keeping: [kid], at: 9001)
        #expect(late.newcomers.map(\.hardware) == [kid] && late.gone.count == 1 && late.turnedAway <= 1)
        let later = full.take(all + [sighting(kid)], keeping: [kid], at: 9002)
        #expect(later.newcomers.isEmpty && later.gone.isEmpty && later.turnedAway == 1)
        #expect(full[kid] != nil && full.acquaintances.count == Census.capacity)
    }

    @Test func `counts what a device moves on a day, and begins anew on the next`() {
        var census = Census()
        _ = census.take([sighting(hardware(1)), sighting(hardware(2))], keeping: [], at: 1000)
        census.count([1: .init(sent: 5, received: 70)], on: 20_000)
        census.count([1: .init(sent: 1, received: 1), 9: .init(sent: 1, received: 1)], on: 20_000)
        #expect(census[hardware(1)]?.sent == 6 && census[hardware(1)]?.received == 71)
        #expect(census.takeUncounted().map(\.hardware) == [hardware(1)] && census.takeUncounted().isEmpty)
        census.count([1: .init(sent: 2, received: 0)], on: 20_001)
        #expect(census[hardware(1)]?.sent == 2 && census[hardware(1)]?.received == 0)
        #expect(census[hardware(1)]?.day == 20_001 && census[hardware(2)]?.day == 0)
    }

    @Test func `uses a number again only when all others were used`() {
        let late = Acquaintance(
            number: Household.lastNumber, hardware: hardware(1), interface: "eth1", firstSeen: 9, lastSeen: 9)
        let early = Acquaintance(number: 1, hardware: hardware(2), interface: "eth1", firstSeen: 1, lastSeen: 9)
        var census = Census([late, early])
        #expect(census.take([sighting(hardware(3))], keeping: [], at: 10).newcomers.map(\.number) == [2])
        census.forget(hardware(3))
        #expect(census.take([sighting(hardware(4))], keeping: [], at: 11).newcomers.map(\.number) == [3])
    }
}
