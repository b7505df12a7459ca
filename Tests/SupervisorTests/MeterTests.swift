import Policy
import Testing

@testable import Supervisor

@Suite struct `The meter` {
    private let start = ContinuousClock.now

    private func report(_ role: Role, _ generation: Int, _ totals: DeviceTraffic...) -> (Role, Int, [DeviceTraffic]) {
        (role, generation, totals)
    }

    @Test func `adds up what the roles have carried since they were asked last, and tells the rate`() {
        var meter = Meter()
        let first = meter.take(
            [
                report(.socks5, 1, DeviceTraffic(number: 1, sent: 100, received: 1000)),
                report(.firewall, 1, DeviceTraffic(number: 1, sent: 7), DeviceTraffic(number: 2, received: 5)),
            ], at: start)
        #expect(first == [1: .init(sent: 107, received: 1000), 2: .init(sent: 0, received: 5)])
        #expect(meter.rates.isEmpty)
        let second = meter.take(
            [
                report(.socks5, 1, DeviceTraffic(number: 1, sent: 100, received: 3000)),
                report(.firewall, 1, DeviceTraffic(number: 1, sent: 7), DeviceTraffic(number: 2, received: 5)),
            ], at: start + .seconds(2))
        #expect(second == [1: .init(sent: 0, received: 2000)])
        #expect(meter.rates == [1: .init(sent: 0, received: 1000)])
    }

    @Test func `counts a role that was started again from nothing, and believes no role that counts backwards`() {
        var meter = Meter()
        _ = meter.take([report(.http, 1, DeviceTraffic(number: 1, sent: 500))], at: start)
        let restarted = meter.take([report(.http, 2, DeviceTraffic(number: 1, sent: 30))], at: start + .seconds(1))
        #expect(restarted == [1: .init(sent: 30, received: 0)])
        let backwards = meter.take([report(.http, 2, DeviceTraffic(number: 1, sent: 20))], at: start + .seconds(2))
        #expect(backwards.isEmpty)
        let absurd = meter.take(
            [report(.http, 2, DeviceTraffic(number: 1, sent: .max, received: .min))], at: start + .seconds(3))
        #expect(absurd[1]?.received == 0)
    }
}
